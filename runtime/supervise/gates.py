"""Waiting for processes: until ready, until at rest; and saying why one never will be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
    """

    log_mark_bytes: int = 0
    pids: set[int] = field(default_factory=set)
    rest_seen: int = 0
    detail: str = "not looked at"


def start_verdict(info: ProcessInfo | None, watch: StartWatch) -> str:
    """Return why a starting process will not become ready, empty while it still can.

    Args:
        info: supervisord's report; None when it has no such process.
        watch: what was seen before; updated with this look.
    """
    if info is None:
        return "is not known to supervisord"
    if info.pid is not None:
        watch.pids.add(info.pid)
    watch.rest_seen = watch.rest_seen + 1 if info.state in AT_REST else 0
    ended = info.pid is None and info.state is not ProcessState.STOPPED
    if ended and info.exit_status in HOPELESS_EXITS:
        return f"ended with exit code {info.exit_status} ({HOPELESS_EXITS[info.exit_status]})"
    if info.state is ProcessState.FATAL:
        return f"ended again and again at its start ({info.spawn_error or f'exit code {info.exit_status}'})"
    # supervisord restarts some programs in the next moment; only a lasting rest is an end.
    if watch.rest_seen > 1:
        return "was stopped meanwhile" if info.state is ProcessState.STOPPED else f"ended with {_end(info)}"
    if len(watch.pids) > STARTS_MAX:
        return f"was started {len(watch.pids)} times and never became ready (last end: {_end(info)})"
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

    def all_ready() -> bool:
        infos = client.processes()
        for process in list(pending):
            info, watch = infos.get(process.supervisor_name), watches[process.name]
            if why := start_verdict(info, watch):
                raise _failure(process, why, info, watch)
            found = probe(process, info.pid if info else None)
            watch.detail = found.detail
            waited_s = pace.now_s() - started_s
            if found.ready and info is not None and info.pid is not None:
                pending.remove(process)
                report(ProcessReady(process.name, info.pid, found.port, waited_s))
            elif waited_s > process.start_budget_s:
                why = f"was not ready within {process.start_budget_s} s: {found.detail}"
                raise _failure(process, why, info, watch)
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
    """Return the size of each process's log now, 0 for none."""
    marks = {}
    for process in processes:
        try:
            marks[process.name] = process.log_file.stat().st_size
        except OSError:
            marks[process.name] = 0
    return marks


def _failure(process: ProcessPlan, why: str, info: ProcessInfo | None, watch: StartWatch) -> SuperviseError:
    lines = last_lines(process.log_file, LOG_LINES_SHOWN, watch.log_mark_bytes)
    if info is not None and info.pid is None and info.exit_status == LICENSE_FAILED_EXIT:
        return LicenseRefused(f"{process.name} ended: the license is Failed", "see aai-console license verify")
    return ProgramFailed(process.name, f"{process.name} {why}", f"its log: {process.log_file}", lines)


def _end(info: ProcessInfo) -> str:
    return "a signal" if info.exit_status == -1 else f"exit code {info.exit_status}"
