"""The frame around every program: settings, logs, signals, admin socket, exit code."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import uvloop

from runtime.errors import AppError, ConfigError
from runtime.logs import configure_logging, get_logger
from runtime.settings import HostSettings

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
UNEXPECTED_EXIT_CODE = 1

S = TypeVar("S", bound=HostSettings)


class Shutdown:
    """Why and when a program should end; one per process.

    Attributes:
        requested: set by the first TERM or INT.
        parent_pid: who started this process; used to notice that supervisord is gone.
    """

    def __init__(self) -> None:
        """Start with nothing requested."""
        self.requested = asyncio.Event()
        self.parent_pid = os.getppid()

    def request(self) -> None:
        """Ask the program to end."""
        self.requested.set()

    @property
    def is_orphan(self) -> bool:
        """The starting process is gone: nobody will wait for a long drain."""
        return os.getppid() != self.parent_pid


def run_program(
    name: str,
    settings_class: type[S],
    main: Callable[[S, Shutdown], Awaitable[int]],
    log_level: Callable[[S], tuple[str, bool]],
) -> NoReturn:
    """Run one program to its end and exit with its code.

    Args:
        name: the program's name, for errors before the log is set up.
        settings_class: what to read from the environment.
        main: the program; returns its exit code once ``Shutdown.requested`` is set or it is done.
        log_level: picks (level, structured) from the settings.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold audio
    set_process_name(name)
    if os.environ.get("SUPERVISOR_ENABLED"):
        die_with_parent(signal.SIGTERM)
    try:
        settings = settings_class.load()
    except ConfigError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    level, structured = log_level(settings)
    configure_logging(level, structured)
    sys.exit(uvloop.run(_supervised(name, main, settings)))


async def _supervised(name: str, main: Callable[[S, Shutdown], Awaitable[int]], settings: S) -> int:
    log = get_logger(name)
    shutdown = Shutdown()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, shutdown.request)
    try:
        code = await main(settings, shutdown)
    except AppError as error:
        log.error("program stopped", cause=str(error), exit_code=error.exit_code)
        return error.exit_code
    except Exception:  # the one place per program where anything is caught
        log.exception("program failed")
        return UNEXPECTED_EXIT_CODE
    log.info("program ended", exit_code=code)
    return code


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent ends (Linux prctl)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def set_process_name(name: str) -> None:
    """Show a name, cut to 15 bytes, in process lists."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)
