"""``aai-console logs``: the last lines of services, and new ones as they come."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from runtime.errors import AppError
from runtime.supervise.host import Host
from runtime.supervise.log_reader import LogFollower, last_lines
from runtime.supervise.plan import select_processes
from tui.answer import FAILED, Answer, Failure, add_common_options, exit_code_text, failed, print_answer

SUPERVISORD = "supervisord"
LINES_DEFAULT = 50
POLL_S = 0.2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``logs``; it sets ``func``, which takes the arguments and returns an exit code."""
    parser = subparsers.add_parser(
        "logs",
        help="show the log of a service",
        description="Show the last lines of services' logs; several services get their names before each line.",
        epilog=exit_code_text(FAILED),
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="a program, one process, or supervisord")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines until interrupted")
    parser.add_argument(
        "-n", "--lines", type=_count, default=LINES_DEFAULT, metavar="N", help=f"default: {LINES_DEFAULT}"
    )
    add_common_options(parser, with_timeout=False)
    parser.set_defaults(func=_logs)


def _logs(arguments: argparse.Namespace) -> int:
    try:
        files = log_files(Host.open(), arguments.names)
    except AppError as error:
        answer = failed(error)
        print_answer(answer, as_json=arguments.json)
        return answer.exit_code
    if arguments.follow:
        return _follow(files, arguments.lines)
    answer = _last(files, arguments.lines)
    print_answer(answer, as_json=arguments.json)
    return answer.exit_code


def log_files(host: Host, names: list[str]) -> dict[str, Path]:
    """Return the log file of each process meant by names.

    Raises:
        SuperviseError: a name no process has.
    """
    site = host.site()
    files: dict[str, Path] = {}
    for name in names:
        if name == SUPERVISORD:
            files[name] = site.supervisor_log
        else:
            files |= {process.name: process.log_file for process in select_processes(site, [name])}
    return files


def _last(files: dict[str, Path], count: int) -> Answer:
    found = {name: last_lines(path, count) for name, path in files.items()}
    missing = [str(path) for path in files.values() if not path.exists()]
    if len(missing) == len(files):
        failure = Failure("no_log", f"there is no log yet: {', '.join(missing)}", "it is written at the first start")
        return Answer(data=found, exit_code=FAILED, failure=failure)
    lines = tuple(_label(name, line, files) for name, part in found.items() for line in part)
    return Answer(lines, found)


def _follow(files: dict[str, Path], count: int) -> int:
    followers = {name: LogFollower(path, count) for name, path in files.items()}
    pause = threading.Event()  # never set: an interruptible wait
    try:
        while not pause.wait(POLL_S):
            for name, follower in followers.items():
                for line in follower.read_lines():
                    print(_label(name, line, files), flush=True)
    finally:
        for follower in followers.values():
            follower.close()
    return 0


def _label(name: str, line: str, files: dict[str, Path]) -> str:
    return line if len(files) == 1 else f"{name} | {line}"


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number")
    return int(text)
