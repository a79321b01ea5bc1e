"""The command line of aai-console: one parser, one module per group of commands."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from tui.answer import INTERRUPTED, OK, USAGE, exit_code_text, failed, print_answer

TERMINATED = 143
# What a shell reports for a writer whose reader has gone.
BROKEN_PIPE = 141


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every command."""
    from tui.commands import config, logs, services, stack, status, transcribe, version
    from tui.commands import license as license_command

    parser = argparse.ArgumentParser(
        prog="aai-console",
        description="Operate a self-hosted streaming speech-to-text stack. Without a command, on a terminal: "
        "the full-screen console.",
        epilog=exit_code_text(),
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    stack.add_parsers(subparsers)
    services.add_parsers(subparsers)
    for module in (status, logs, transcribe, config, license_command, version):
        module.add_parser(subparsers)
    return parser


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        return _open_console(parser)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = int(parsed.func(parsed))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("aai-console: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more; keep the interpreter from complaining about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


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
