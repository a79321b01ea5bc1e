"""The real host behind the console's ports: lifecycle library, admin sockets, log files, kernel counters."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime

from runtime.errors import EnvironmentFault
from runtime.supervise.host import Host
from runtime.supervise.lifecycle import Lifecycle
from runtime.supervise.log_reader import LogFollower, last_lines
from runtime.supervise.observe import HostView, LicenseStatus, ProcessView, observe
from runtime.supervise.plan import plan_processes
from runtime.supervise.progress import Report
from runtime.supervise.switch import switch_stack
from tui.history import ProcessHistory
from tui.ports import BringUp, LogTail, Operation, Progress, RestartService, StartService, StopService, SwitchStack
from tui.sampler import Load, LoadSampler, MachineSampler
from tui.store import HostSnapshot, License, Readiness, Service, Session, SupervisorDown

FIRST_LOG_LINES = 200
SUPERVISOR_LOG_LINES = 6


class HostBackend:
    """One AAI_HOME of this machine."""

    def __init__(self, host: Host) -> None:
        """Prepare; nothing is asked yet."""
        self._host = host
        self._history = ProcessHistory()
        self._loads = LoadSampler()
        self._machine = MachineSampler()

    def look(self) -> HostSnapshot:
        """Return what the host is like now.

        Raises:
            AppError: a setting or a state file is broken, or supervisord belongs to another user.
        """
        view = observe(self._host)
        now_s = time.time()
        if view.supervisor_pid is None:
            return _down(view, now_s)
        for process in view.processes:
            self._history.note(process, time.monotonic())
        loads = self._loads.loads(process.pid for process in view.processes if process.pid is not None)
        return snapshot_of(view, self._history, loads, now_s, self._machine)

    def operate(self, operation: Operation, progress: Progress) -> None:
        """Carry an operation out to its end.

        Raises:
            AppError: it failed; the text names cause and fix.
        """
        report: Report = lambda event: progress(str(event))  # noqa: E731 - one expression, used once
        work = Lifecycle(self._host, report)
        match operation:
            case StartService(name):
                work.start([name])
            case StopService(name):
                work.stop([name])
            case RestartService(name):
                work.restart([name])
            case BringUp():
                work.up()
            case SwitchStack(stack, drain_s):
                switch_stack(work, stack, drain_s)

    def open_log(self, service: str) -> LogTail:
        """Return the log of a service, from its last lines on.

        Raises:
            AppError: no such service, or no log yet.
        """
        plans = {plan.name: plan.log_file for plan in plan_processes(self._host.site())}
        path = plans.get(service)
        if path is None:
            raise EnvironmentFault(f"{service} has no log")
        if not path.exists():
            raise EnvironmentFault(f"no log yet: {path}")
        return LogFollower(path, FIRST_LOG_LINES)


def _down(view: HostView, now_s: float) -> HostSnapshot:
    site = view.site
    log_tail = last_lines(site.supervisor_log, SUPERVISOR_LOG_LINES)
    reason = view.supervisor_detail.partition(";")[0]
    return HostSnapshot(taken_at_s=now_s, down=SupervisorDown(str(site.supervisor_socket), reason, log_tail))


def snapshot_of(
    view: HostView, history: ProcessHistory, loads: dict[int, Load], now_s: float, machine: MachineSampler
) -> HostSnapshot:
    """Return a host view in the console's words.

    Args:
        history: has noted this view.
        loads: by process id.
        now_s: Unix time of the view.
    """
    budgets = {plan.name: plan.start_budget_s for plan in plan_processes(view.site)}
    by_worker = Counter(session.worker for session in view.sessions)
    services = tuple(
        service_of(process, history, budgets[process.name], loads.get(process.pid or 0), by_worker[process.name])
        for process in view.processes
    )
    return HostSnapshot(
        taken_at_s=now_s,
        stack=view.stack,
        services=services,
        license=license_of(view.license),
        sessions=tuple(
            Session(
                found.session_id, found.model, found.age_s, found.audio_s, found.turns, found.worker, found.user_agent
            )
            for found in view.sessions
        ),
        machine=machine.machine(),
        drain_limit_s=view.site.drain_limit_s,
        faults=(view.cut_short,) if view.cut_short else (),
        elsewhere=view.operation.verb if view.operation else "",
    )


def service_of(
    process: ProcessView, history: ProcessHistory, budget_s: int, load: Load | None, sessions: int
) -> Service:
    """Return one process as the services table shows it."""
    readiness = history.readiness(process, budget_s)
    if readiness is Readiness.DRAINING and sessions == 0:
        readiness = Readiness.NONE
    return Service(
        name=process.name,
        program=process.program,
        state=process.state.value,
        readiness=readiness,
        waited_s=process.uptime_s or 0,
        budget_s=budget_s,
        sessions_left=sessions,
        detail=process.detail or _engine_text(process, readiness),
        pid=process.pid,
        port=process.port if process.pid is not None else None,
        uptime_s=process.uptime_s,
        cpu_percent=load.cpu_percent if load else None,
        rss_bytes=load.rss_bytes if load else None,
        restarts=history.restarts(process.name),
    )


def _engine_text(process: ProcessView, readiness: Readiness) -> str:
    engine = process.facts.get("engine")
    if engine is None or readiness is not Readiness.OK:
        return ""
    languages = ", ".join(process.facts.get("languages", ()))
    return f"{engine} engine, {languages}" + (", degraded" if process.facts.get("degraded") else "")


def license_of(status: LicenseStatus | None) -> License:
    """Return the proxy's answer in the console's words; no answer is unknown, not Failed."""
    if status is None:
        return License(cause="the license proxy does not answer")
    return License(status.state, _unix_s(status.last_successful_checkin), _unix_s(status.trust_expiration))


def _unix_s(stamp: str | None) -> float | None:
    return datetime.fromisoformat(stamp).timestamp() if stamp else None
