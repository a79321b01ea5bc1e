"""Waiting for processes: until ready, until at rest; and saying why one never will be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.errors import UpstreamError
from runtime.supervise.admin import sessions
from runtime.supervise.client import ProcessInfo, SupervisorClient
from runtime.supervise.errors import LicenseRefused, ProgramFailed, SuperviseError
from runtime.supervise.log_reader import last_lines
from runtime.supervise.pace import Pace
from runtime.supervise.plan import ProcessPlan
from runtime.supervise.probes import probe
from runtime.supervise.progress import ProcessReady, ProcessStopped, Report, SessionsLeft
from runtime.supervise.states import AT_REST, ProcessState

LOG_LINES_SHOWN = 12
SUPERVISOR_LOG = "supervisord.log"
SUPERVISOR_MARK = "supervisord"
SUPERVISOR_LINES = 200
# supervisord 4.3: "exited: streaming-asr-lb (exit status 69; not expected)", or "(terminated by SIGKILL; ..."
EXIT_LINE = re.compile(r"exited: (?P<name>\S+) \((?:exit status (?P<code>\d+)|terminated by)")
STARTS_MAX = 3
SESSIONS_REPORT_S = 5.0
LICENSE_FAILED_EXIT = 70
# Ends that a restart cannot help, whatever supervisord still tries.
HOPELESS_EXITS = {
    69: "the machine lacks something it needs",
    LICENSE_FAILED_EXIT: "the license is Failed",
    78: "a setting or the license is not usable",
}


@dataclass(slots=True)
class StartWatch:
    """What was seen of one starting process.

    Attributes:
        log_mark_bytes: size of its log before the start; only what comes after is shown.
        pids: every process id it had since.
        rest_seen: how many looks in a row found it at rest.
        exit_code: of its last end since the start; -1 for a signal, None before any.
    """

    log_mark_bytes: int = 0
    pids: set[int] = field(default_factory=set)
    rest_seen: int = 0
    exit_code: int | None = None


def start_verdict(info: ProcessInfo | None, watch: StartWatch, quick_exit: int | None = None) -> str:
    """Return why a starting process will not become ready, empty while it still can.

    Args:
        info: supervisord's report; None when it has no such process.
        watch: what was seen before; updated with this look.
        quick_exit: exit code of an end right after the start, which supervisord keeps to its log.
    """
    if info is None:
        return "is not known to supervisord"
    if info.pid is not None:
        watch.pids.add(info.pid)
    watch.rest_seen = watch.rest_seen + 1 if info.state in AT_REST else 0
    if quick_exit is not None:
        watch.exit_code = quick_exit
    elif info.state is ProcessState.EXITED:
        watch.exit_code = info.exit_status
    ended = info.pid is None and info.state is not ProcessState.STOPPED
    if ended and watch.exit_code in HOPELESS_EXITS:
        return f"ended with exit code {watch.exit_code} ({HOPELESS_EXITS[watch.exit_code]})"
    if info.state is ProcessState.FATAL:
        return f"ended again and again at its start ({_end(watch.exit_code) or info.spawn_error})"
    # supervisord restarts some programs in the next moment; only a lasting rest is an end.
    if watch.rest_seen > 1:
        return "was stopped meanwhile" if info.state is ProcessState.STOPPED else f"ended with {_end(watch.exit_code)}"
    if len(watch.pids) > STARTS_MAX:
        return f"was started {len(watch.pids)} times and never became ready (last end: {_end(watch.exit_code)})"
    return ""


def wait_ready(
    client: SupervisorClient,
    processes: Sequence[ProcessPlan],
    marks: Mapping[str, int],
    pace: Pace,
    report: Report,
) -> None:
    """Wait until all of some processes are ready; the first that cannot be any more ends the wait.

    Args:
        client: supervisord.
        processes: started already.
        marks: size of each log before the start, by process name.
        pace: clock and deadline of the operation.
        report: told of each process that becomes ready.

    Raises:
        ProgramFailed: one ended, loops, or was not ready within its time.
        LicenseRefused: one ended because the license is Failed.
        DeadlineExceeded: the operation's time is over.
    """
    watches = {process.name: StartWatch(marks.get(process.name, 0)) for process in processes}
    pending = list(processes)
    started_s = pace.now_s()
    supervisor_mark = marks.get(SUPERVISOR_MARK, 0)

    def all_ready() -> bool:
        infos = client.processes()
        for process in list(pending):
            info, watch = infos.get(process.supervisor_name), watches[process.name]
            if why := start_verdict(info, watch, _quick_exit(process, info, supervisor_mark)):
                raise _failure(process, why, watch)
            found = probe(process, info.pid if info else None)
            waited_s = pace.now_s() - started_s
            if found.ready and info is not None and info.pid is not None:
                pending.remove(process)
                report(ProcessReady(process.name, info.pid, found.port, waited_s))
            elif waited_s > process.start_budget_s:
                why = f"was not ready within {process.start_budget_s} s: {found.detail}"
                raise _failure(process, why, watch)
        return not pending

    names = ", ".join(process.name for process in processes)
    pace.until(all_ready, max(process.start_budget_s for process in processes) + 5.0, f"readiness of {names}")


def wait_at_rest(
    client: SupervisorClient,
    processes: Sequence[ProcessPlan],
    limit_s: float,
    pace: Pace,
    report: Report,
    *,
    drain_limit_s: float | None = None,
) -> None:
    """Wait until none of some processes runs; supervisord kills them itself when their stop time is over.

    Args:
        client: supervisord.
        processes: asked to stop already.
        limit_s: more than supervisord's own stop time.
        pace: clock and deadline of the operation.
        report: told of each end and of open sessions every few seconds.
        drain_limit_s: how long sessions may run on; None for processes without sessions.

    Raises:
        DeadlineExceeded: they still run.
    """
    pending = list(processes)
    started_s = pace.now_s()
    told_s = started_s - SESSIONS_REPORT_S + 1.0

    def all_at_rest() -> bool:
        nonlocal told_s
        infos = client.processes()
        now_s = pace.now_s()
        for process in list(pending):
            info = infos.get(process.supervisor_name)
            if info is None or info.state in AT_REST:
                pending.remove(process)
                report(ProcessStopped(process.name, now_s - started_s))
        if pending and drain_limit_s is not None and now_s - told_s >= SESSIONS_REPORT_S:
            told_s = now_s
            count = count_sessions(pending)
            if count:
                report(SessionsLeft(count, drain_limit_s - (now_s - started_s)))
        return not pending

    names = ", ".join(process.name for process in processes)
    pace.until(all_at_rest, limit_s, f"end of {names}")


def count_sessions(workers: Iterable[ProcessPlan], models: Sequence[str] | None = None) -> int:
    """Return how many sessions gateway workers have open; a worker that does not answer counts none.

    Args:
        workers: gateway processes.
        models: count only sessions of these backend models.
    """
    total = 0
    for worker in workers:
        try:
            found = sessions(worker.admin_socket, worker.name)
        except UpstreamError:
            continue
        total += sum(1 for session in found if models is None or session.model in models)
    return total


def log_marks(processes: Iterable[ProcessPlan]) -> dict[str, int]:
    """Return the size of each process's log and of supervisord's now, 0 for none."""
    marks = {}
    for process in processes:
        marks[process.name] = _size_bytes(process.log_file)
        marks[SUPERVISOR_MARK] = _size_bytes(process.log_file.with_name(SUPERVISOR_LOG))
    return marks


def quick_exit_in(lines: Iterable[str], name: str) -> int | None:
    """Return the exit code of a process's last end that supervisord's log lines tell of; -1 for a signal."""
    code = None
    for line in lines:
        if (found := EXIT_LINE.search(line)) and found["name"] == name:
            code = int(found["code"]) if found["code"] else -1
    return code


def _quick_exit(process: ProcessPlan, info: ProcessInfo | None, mark_bytes: int) -> int | None:
    """Look up what supervisord does not report: the code of a program that ended before startsecs."""
    if info is None or info.state not in {ProcessState.BACKOFF, ProcessState.FATAL}:
        return None
    supervisor_log = process.log_file.with_name(SUPERVISOR_LOG)
    return quick_exit_in(last_lines(supervisor_log, SUPERVISOR_LINES, mark_bytes), process.name)


def _failure(process: ProcessPlan, why: str, watch: StartWatch) -> SuperviseError:
    lines = last_lines(process.log_file, LOG_LINES_SHOWN, watch.log_mark_bytes)
    if watch.exit_code == LICENSE_FAILED_EXIT:
        return LicenseRefused(f"{process.name} ended: the license is Failed", "see aai-console license verify")
    return ProgramFailed(process.name, f"{process.name} {why}", f"its log: {process.log_file}", lines)


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _end(exit_code: int | None) -> str:
    if exit_code is None:
        return ""
    return "a signal" if exit_code == -1 else f"exit code {exit_code}"
