"""``aai-console start``, ``stop`` and ``restart``: single programs and processes."""

from __future__ import annotations

import argparse

from tui.answer import (
    ENVIRONMENT,
    FAILED,
    LICENSE_FAILED,
    LOCKED,
    SUPERVISOR_UNREACHABLE,
    TIMEOUT,
    Answer,
    add_common_options,
    answering,
    exit_code_text,
    sentence,
)
from tui.commands.stack import add_drain_option, aftermath_told, run_operation

_CODES = (FAILED, SUPERVISOR_UNREACHABLE, LICENSE_FAILED, TIMEOUT, LOCKED, ENVIRONMENT)
_NAME_HELP = "a program such as streaming-api, or one process such as streaming-api-00; see aai-console status"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the three commands; each sets ``func``, which takes the arguments and returns an exit code."""
    verbs = (
        ("start", "start programs and wait until they are ready", "A program of a stack that is not up is refused."),
        ("stop", "stop programs", "A gateway worker lets its open sessions run on to the drain limit first."),
        ("restart", "stop and start programs, one process after the other", "Gateway workers stand in for each other."),
    )
    for verb, summary, more in verbs:
        parser = subparsers.add_parser(
            verb, help=summary, description=f"{sentence(summary)} {more}", epilog=exit_code_text(*_CODES)
        )
        parser.add_argument("names", nargs="+", metavar="NAME", help=_NAME_HELP)
        if verb != "start":
            add_drain_option(parser)
        add_common_options(parser)
        parser.set_defaults(func=answering(_operate))


def _operate(arguments: argparse.Namespace) -> Answer:
    lifecycle, outcome = run_operation(arguments)
    with aftermath_told(lifecycle.host, arguments):
        if arguments.command == "start":
            lifecycle.start(arguments.names)
        elif arguments.command == "stop":
            lifecycle.stop(arguments.names, arguments.drain)
        else:
            lifecycle.restart(arguments.names, arguments.drain)
    return outcome.answer()
