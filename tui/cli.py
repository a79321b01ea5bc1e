"""The command line of aai-console: one parser, one module per group of commands."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tui.answer import FAILED, INTERRUPTED, OK, USAGE, exit_code_text, failed, print_answer

TERMINATED = 143
# What a shell reports for a writer whose reader has gone.
BROKEN_PIPE = 141


# Command -> its module; several modules add more than one command.
COMMANDS = {
    "up": "stack",
    "down": "stack",
    "switch": "stack",
    "start": "services",
    "stop": "services",
    "restart": "services",
    "status": "status",
    "logs": "logs",
    "transcribe": "transcribe",
    "config": "config",
    "keys": "keys",
    "tls": "tls",
    "license": "license",
    "version": "version",
}


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser.

    Args:
        only: load the module of this command alone; every module when it is no command.
    """
    parser = argparse.ArgumentParser(
        prog="aai-console",
        description="Operate a self-hosted streaming speech-to-text stack. Without a command, on a terminal: "
        "the full-screen console.",
        epilog=exit_code_text(),
    )
    parser.add_argument("--version", action="store_true", help="show the version, as the command version does")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    names = [COMMANDS[only]] if only in COMMANDS else dict.fromkeys(COMMANDS.values())
    for name in names:
        importlib.import_module(f"tui.commands.{name}").add_parser(subparsers)
    return parser


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    if sys.stdout is None:  # closed by the caller
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
    if arguments and arguments[0] == "--version":
        arguments = ["version", *arguments[1:]]
    parser = build_parser(arguments[0] if arguments else None)
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        return _open_console(parser)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = int(parsed.func(parsed))
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        print("; ".join(["aai-console: interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more; keep the interpreter from complaining about it at its end.
        _forget_stdout()
        return BROKEN_PIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _forget_stdout()
        print(f"aai-console: cannot write the answer: {error.strerror}", file=sys.stderr)
        return FAILED
    return code


def _forget_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_console(parser: argparse.ArgumentParser) -> int:
    from runtime.errors import AppError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        parser.print_help(sys.stderr)
        return USAGE
    try:
        from tui.app import run_app

        return run_app() or OK
    except AppError as error:
        answer = failed(error)
        print_answer(answer, as_json=False)
        return answer.exit_code


def _terminated(_number: int, _frame: FrameType | None) -> None:
    # An exception, so that an operation under way undoes what it began.
    sys.exit(TERMINATED)
