"""What every command of aai-console answers: lines or JSON on stdout, progress on stderr, an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runtime.errors import AppError, ConfigError, EnvironmentFault, LicenseError, UpstreamError
from runtime.supervise.errors import ProgramFailed, SuperviseError
from runtime.supervise.progress import Event, Report, SessionsLeft

JSON_SCHEMA = 1

OK = 0
FAILED = 1
USAGE = 2
DEGRADED = 3
SUPERVISOR_UNREACHABLE = 4
GATEWAY_UNREACHABLE = 5
LICENSE_FAILED = 6
TIMEOUT = 7
LOCKED = 9
ENVIRONMENT = 69
CONFIGURATION = 78
INTERRUPTED = 130

MEANINGS = {
    OK: "done",
    FAILED: "failed",
    USAGE: "wrong command line",
    DEGRADED: "something is not ready",
    SUPERVISOR_UNREACHABLE: "supervisord is not running or not reachable",
    GATEWAY_UNREACHABLE: "the gateway cannot be reached",
    LICENSE_FAILED: "the license is Failed or does not cover what was asked",
    TIMEOUT: "the time given was not enough",
    LOCKED: "another operation is under way",
    ENVIRONMENT: "the machine lacks something: a free port, a writable directory, a package",
    CONFIGURATION: "a setting or the license is not usable",
    INTERRUPTED: "interrupted",
}

# AppError leaf -> the constant word of JSON answers; the first that fits holds.
ERROR_CODES: tuple[tuple[type[AppError], str], ...] = (
    (ConfigError, "bad_setting"),
    (LicenseError, "bad_license"),
    (EnvironmentFault, "environment"),
    (UpstreamError, "unreachable"),
)


class Failure(msgspec.Struct, frozen=True):
    """Why a command failed: a constant word, the cause, the fix."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found.

    Attributes:
        lines: for people.
        data: for programs.
        beside: further members of the JSON object, for scripts that look there and not under ``data``.
        failure: None when the command reached its aim.
        extra_lines: what belongs to a failure, such as the end of a log; for people, on stderr.
    """

    lines: tuple[str, ...] = ()
    data: Any = None
    exit_code: int = OK
    failure: Failure | None = None
    extra_lines: tuple[str, ...] = ()
    beside: Mapping[str, Any] = field(default_factory=dict)


def exit_code_text(*codes: int) -> str:
    """Return the exit codes of a command for its help, with those any command may end with."""
    known = sorted({OK, USAGE, CONFIGURATION, INTERRUPTED, *codes})
    return "exit codes: " + ", ".join(f"{code} {MEANINGS[code]}" for code in known)


def failed(error: AppError) -> Answer:
    """Return the answer for an error."""
    if isinstance(error, SuperviseError):
        failure = Failure(error.code, error.message, error.hint)
        lines = error.log_lines if isinstance(error, ProgramFailed) else ()
        return Answer(exit_code=error.exit_code, failure=failure, extra_lines=lines)
    code = next((word for kind, word in ERROR_CODES if isinstance(error, kind)), "failed")
    return Answer(exit_code=error.exit_code, failure=Failure(code, str(error)))


def answering(
    action: Callable[[argparse.Namespace], Answer],
) -> Callable[[argparse.Namespace], int]:
    """Return a command function that runs an action, prints its answer and returns its exit code."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            answer = action(arguments)
        except AppError as error:
            answer = failed(error)
        print_answer(answer, as_json=arguments.json)
        return answer.exit_code

    return run


def print_answer(answer: Answer, *, as_json: bool) -> None:
    """Print an answer: one JSON object on stdout, or lines with any failure on stderr."""
    if as_json:
        body = {
            "schema": JSON_SCHEMA,
            "ok": answer.failure is None,
            "data": answer.data,
            "error": answer.failure,
            **answer.beside,
        }
        print(msgspec.json.encode(body, enc_hook=str).decode())
        return
    for line in answer.lines:
        print(line)
    if answer.failure is not None:
        sys.stdout.flush()
        for line in answer.extra_lines:
            print(f"  | {line}", file=sys.stderr)
        fix = f"; {answer.failure.hint}" if answer.failure.hint else ""
        print(f"aai-console: {answer.failure.message}{fix}", file=sys.stderr)


def reporter(*, quiet: bool, hurry: str = "") -> Report:
    """Return who tells an operation's progress on stderr; nobody when quiet.

    Args:
        hurry: how to end the sessions the operation waits for, told whenever it does; empty for no way.
    """

    def report(event: Event) -> None:
        if not quiet:
            is_waiting = isinstance(event, SessionsLeft) and hurry
            print(f"{event}; {hurry}" if is_waiting else event, file=sys.stderr, flush=True)

    return report


def add_common_options(parser: argparse.ArgumentParser, *, with_timeout: bool = True) -> None:
    """Add the options every command takes."""
    parser.add_argument("--json", action="store_true", help="answer as one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    if with_timeout:
        parser.add_argument(
            "--timeout", type=_seconds, metavar="S", help="give up after S seconds; each step has its own limit anyway"
        )


def sentence(text: str) -> str:
    """Return text with a capital first letter and a full stop; the other letters stay as they are."""
    return f"{text[:1].upper()}{text[1:]}."


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds") from None
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1000000")
    return value
