"""Typed XML-RPC to supervisord over its unix socket: state and control, never logs."""

from __future__ import annotations

import http.client
import threading
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.supervise.errors import SupervisorFault, SupervisorUnreachable
from runtime.supervise.states import STATE_BY_CODE, ProcessState
from runtime.supervise.unix_http import UnixConnection

CALL_TIMEOUT_S = 10.0

SHUTDOWN_STATE = 6
BAD_NAME = 10
NO_FILE = 20
NOT_EXECUTABLE = 21
FAILED = 30
SPAWN_ERROR = 50
ALREADY_STARTED = 60
NOT_RUNNING = 70

# fault number -> (what happened to {name}, what to do)
FAULT_TEXTS: dict[int, tuple[str, str]] = {
    SHUTDOWN_STATE: ("supervisord is shutting down", "wait until it has ended, then run aai-console up"),
    BAD_NAME: (
        "supervisord knows no process {name}",
        "it was started with another configuration: aai-console down, then up",
    ),
    NO_FILE: ("the program of {name} does not exist", "install the package again: pip install ."),
    NOT_EXECUTABLE: ("the program of {name} is not executable", "install the package again: pip install ."),
    FAILED: ("supervisord could not act on {name}", "see supervisord.log"),
    SPAWN_ERROR: ("supervisord could not start {name}", "see supervisord.log and the program's own log"),
    ALREADY_STARTED: ("{name} is running already", ""),
    NOT_RUNNING: ("{name} is not running", ""),
    91: ("{name} is still running", "stop it first"),
}


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process as supervisord reports it.

    Attributes:
        supervisor_name: ``group:name``.
        pid: None while it has no process.
        exit_status: of its last end; -1 when a signal killed it, 0 before any end.
        started_at_s: Unix time of its last start, 0 before any.
        now_s: Unix time of this report.
    """

    supervisor_name: str
    state: ProcessState
    pid: int | None
    exit_status: int
    spawn_error: str
    started_at_s: int
    now_s: int

    @property
    def uptime_s(self) -> int | None:
        """Seconds since its start; None while it has no process."""
        return max(0, self.now_s - self.started_at_s) if self.pid is not None else None


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._unix: UnixConnection | None = None

    def make_connection(self, _host: Any) -> http.client.HTTPConnection:
        if self._unix is None:
            self._unix = UnixConnection(self._path, CALL_TIMEOUT_S)
        return self._unix

    def close(self) -> None:
        if self._unix is not None:
            self._unix.close()
            self._unix = None


class SupervisorClient:
    """Calls to one supervisord; usable from several threads, each has its own connection."""

    def __init__(self, socket_path: Path) -> None:
        """Prepare a client; nothing is connected yet."""
        self._path = socket_path
        self._local = threading.local()

    def is_reachable(self) -> bool:
        """Return whether supervisord answers.

        Raises:
            SupervisorUnreachable: the socket belongs to someone else.
        """
        try:
            self.pid()
        except SupervisorUnreachable as error:
            if isinstance(error.__cause__, PermissionError):
                raise
            return False
        return True

    def pid(self) -> int:
        """Return supervisord's process id."""
        return int(self._call("getPID"))

    def processes(self) -> dict[str, ProcessInfo]:
        """Return every process by its ``group:name``."""
        return {info.supervisor_name: info for info in _infos(self._call("getAllProcessInfo"))}

    def start(self, supervisor_name: str) -> None:
        """Start one process and return at once; it must be at rest.

        supervisord accepts a start while STOPPING and does nothing, so callers wait for that first.

        Raises:
            SupervisorFault: it cannot be started; ``fault`` is ALREADY_STARTED when it runs.
        """
        self._call("startProcess", supervisor_name, False)

    def stop(self, supervisor_name: str) -> None:
        """Ask one process to end and return at once; nothing happens when it does not run."""
        try:
            self._call("stopProcess", supervisor_name, False)
        except SupervisorFault as error:
            if error.fault != NOT_RUNNING:
                raise

    def shutdown(self) -> None:
        """Ask supervisord to stop everything and end; returns at once."""
        self._call("shutdown")

    def close(self) -> None:
        """Close this thread's connection."""
        proxy: xmlrpc.client.ServerProxy | None = getattr(self._local, "proxy", None)
        if proxy is not None:
            proxy("close")()
            del self._local.proxy

    def _call(self, method: str, *arguments: object) -> Any:
        name = str(arguments[0]).partition(":")[2] if arguments else "supervisord"
        if not hasattr(self._local, "proxy"):
            transport = _Transport(self._path)
            self._local.proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport)
        try:
            return getattr(self._local.proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise fault_error(fault.faultCode, fault.faultString, name) from fault
        except OSError as error:
            self.close()
            raise unreachable(self._path, error) from error
        except (xmlrpc.client.Error, http.client.HTTPException) as error:
            self.close()
            raise SupervisorFault(0, f"supervisord answered {method} with {error}", "see supervisord.log") from error


def fault_error(fault: int, text: str, name: str) -> SupervisorFault:
    """Return the error for one of supervisord's faults, in our words where we have them."""
    message, hint = FAULT_TEXTS.get(fault, (f"supervisord refused: {text}", "see supervisord.log"))
    return SupervisorFault(fault, message.format(name=name), hint)


def unreachable(path: Path, error: OSError) -> SupervisorUnreachable:
    """Return the error for a socket nobody answers on, with the reason."""
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return SupervisorUnreachable("the stack is not running (no supervisord answers)", "start it: aai-console up")
    if isinstance(error, PermissionError):
        return SupervisorUnreachable(f"permission denied on {path}", f"run as its owner, {_owner(path)}")
    return SupervisorUnreachable(f"supervisord does not answer on {path}: {error}", "see supervisord.log")


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (OSError, KeyError):
        return "another user"


def _infos(answer: Iterable[dict[str, Any]]) -> Iterable[ProcessInfo]:
    for entry in answer:
        yield ProcessInfo(
            supervisor_name=f"{entry['group']}:{entry['name']}",
            state=STATE_BY_CODE.get(entry["state"], ProcessState.UNKNOWN),
            pid=entry["pid"] or None,
            exit_status=entry["exitstatus"],
            spawn_error=entry["spawnerr"],
            started_at_s=entry["start"],
            now_s=entry["now"],
        )
