"""What a killed supervisord leaves behind: programs without a parent, sockets without a listener."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from runtime.home_layout import COUNTING_DIRS
from runtime.supervise.home import PROGRAM_FILES
from runtime.supervise.launcher import is_gone
from runtime.supervise.pace import Pace, holds_within
from runtime.supervise.progress import Note, Report

SUPERVISORD = "supervisord"
SETTLE_LIMIT_S = 1.0
DYING_LIMIT_S = 10.0
KILL_LIMIT_S = 5.0


def find_processes(home: Path) -> tuple[psutil.Process, ...]:
    """Return the processes of this stack: our programs and supervisord, with this AAI_HOME in their environment.

    Both must match: nothing is ever taken for ours by its name alone.
    """
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if is_ours(command) and process.pid != os.getpid() and process.environ().get("AAI_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue  # it ended meanwhile, or belongs to someone else
    return tuple(process for process in found if not is_gone(process.pid))


def is_ours(command: Sequence[str]) -> bool:
    """Return whether a command line starts one of our programs, directly or through an interpreter."""
    names = (*PROGRAM_FILES, SUPERVISORD)
    if not command:
        return False
    if Path(command[0]).name in names:
        return True
    return len(command) > 1 and Path(command[0]).name.startswith("python") and Path(command[1]).name in names


def end_leftovers(home: Path, pace: Pace, report: Report, patience_s: float = DYING_LIMIT_S) -> bool:
    """Wait for processes of a stack whose supervisord is gone, then end those that stay.

    supervisord's children get TERM from the kernel when it dies; most are gone in a moment.
    An unreachable supervisord that still lives is asked to end first: it ends its children in order.
    Returns whether there were any.
    """
    # What has just been stopped may need a moment.
    if holds_within(lambda: not find_processes(home), SETTLE_LIMIT_S, pace, "processes of an earlier start end"):
        return False
    processes = find_processes(home)
    words = ", ".join(f"{process_name(process)} ({process.pid})" for process in processes)
    report(Note(f"processes of an earlier start are still there: {words}"))
    # A supervisord ends its children in order; without one each is asked itself.
    for process in [one for one in processes if process_name(one) == SUPERVISORD] or processes:
        _signal(process, psutil.Process.terminate)
    if not _all_gone(processes, pace, patience_s):
        for process in find_processes(home):
            report(Note(f"{process_name(process)} ({process.pid}) did not end, it is killed"))
            _signal(process, psutil.Process.kill)
        _all_gone(processes, pace, KILL_LIMIT_S)
    return True


def remove_stale_files(run_dir: Path) -> None:
    """Remove sockets, the pid file and what was counted; only called when no process of the stack is left."""
    for pattern in ("*.sock", "supervisor.sock.*", "supervisord.pid"):
        for path in run_dir.glob(pattern):
            path.unlink(missing_ok=True)
    for name in COUNTING_DIRS:
        shutil.rmtree(run_dir / name, ignore_errors=True)


def process_name(process: psutil.Process) -> str:
    """Return the program a process runs, for people."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return "a process"
    return next((Path(word).name for word in command[:2] if is_ours([word])), "a process")


def _all_gone(processes: Sequence[psutil.Process], pace: Pace, limit_s: float) -> bool:
    return holds_within(
        lambda: all(is_gone(process.pid) for process in processes), limit_s, pace, "processes of an earlier start end"
    )


def _signal(process: psutil.Process, send: Callable[[psutil.Process], None]) -> None:
    try:
        send(process)
    except psutil.NoSuchProcess:
        return
