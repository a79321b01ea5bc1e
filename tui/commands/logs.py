"""``aai-console logs``: the last lines of services, and new ones as they come."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from runtime.errors import AppError
from runtime.supervise.host import Host
from runtime.supervise.log_merge import LogMerger, NamedLine, short_names
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
        description="Show the last lines of services' logs. Several logs are merged by time; before each line stands "
        "the name of its service, or the number of the worker when all are workers of one program.",
        epilog=exit_code_text(FAILED),
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="a program, one process, or supervisord")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines until interrupted")
    parser.add_argument(
        "-n",
        "--lines",
        type=_count,
        default=LINES_DEFAULT,
        metavar="N",
        help=f"last lines to show, of all logs together; default: {LINES_DEFAULT}",
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
    last = {name: last_lines(path, count) for name, path in files.items()}
    merged = _newest(LogMerger().merge(last), count)
    found = {name: [line for owner, line in merged if owner == name] for name in files}
    missing = [str(path) for path in files.values() if not path.exists()]
    if len(missing) == len(files):
        failure = Failure("no_log", f"there is no log yet: {', '.join(missing)}", "it is written at the first start")
        return Answer(data=found, exit_code=FAILED, failure=failure)
    labels = short_names(list(files))
    return Answer(tuple(_labelled(named, labels) for named in merged), found)


def _follow(files: dict[str, Path], count: int) -> int:
    followers = {name: LogFollower(path, count) for name, path in files.items()}
    labels, merger = short_names(list(files)), LogMerger()
    pause = threading.Event()  # never set: an interruptible wait
    # The first read also brings what was there before.
    limit: int | None = count
    try:
        while not pause.wait(POLL_S):
            merged = merger.merge({name: follower.read_lines() for name, follower in followers.items()})
            for named in merged if limit is None else _newest(merged, limit):
                print(_labelled(named, labels), flush=True)
            limit = None
    finally:
        for follower in followers.values():
            follower.close()
    return 0


def _newest(lines: list[NamedLine], count: int) -> list[NamedLine]:
    return lines[-count:] if count else []


def _labelled(named: NamedLine, labels: dict[str, str]) -> str:
    name, line = named
    return f"{labels[name]} | {line}" if labels[name] else line


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number")
    return int(text)
