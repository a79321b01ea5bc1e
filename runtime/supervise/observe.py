"""One look at everything: processes, readiness, license, sessions, as one frozen value."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runtime.catalog import GATEWAY, LICENSE_PROXY, Stack
from runtime.deployment import Deployment, whole_stack
from runtime.errors import UpstreamError
from runtime.supervise.admin import SessionView, sessions
from runtime.supervise.client import ProcessInfo
from runtime.supervise.errors import SupervisorUnreachable
from runtime.supervise.host import Host
from runtime.supervise.lock import LockHolder, read_holder
from runtime.supervise.plan import LOOPBACK, ProcessPlan, Site, plan_processes
from runtime.supervise.probes import ProbeResult, probe
from runtime.supervise.progress import sessions_text
from runtime.supervise.states import ALIVE, ProcessState

STATUS_TIMEOUT_S = 2.0
PROBE_THREADS = 8
LICENSE_FAILED = "Failed"


class LicenseStatus(msgspec.Struct, frozen=True):
    """The license proxy's answer; times are ISO 8601, None before the first success."""

    state: str
    last_successful_checkin: str | None = None
    trust_expiration: str | None = None


@dataclass(frozen=True, slots=True)
class ProcessView:
    """One process as people and scripts see it.

    Attributes:
        name: what start, stop and restart accept, such as ``streaming-api-00``.
        stack: the stack it belongs to; None for those every stack needs.
        active: it is part of the stack that is up.
        ready: it can do its work now; RUNNING alone does not say so.
        detail: why it is not ready, or what it says about itself.
        port: the port it listens on, or would.
        uptime_s: seconds since its start; None while it has no process.
    """

    name: str
    program: str
    stack: Stack | None
    active: bool
    state: ProcessState
    ready: bool
    detail: str
    pid: int | None
    port: int
    uptime_s: int | None
    exit_status: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostView:
    """Everything about one stack at one moment.

    Attributes:
        supervisor_pid: None when supervisord does not answer; ``supervisor_detail`` says why.
        processes: of every stack, in start order.
        license: None when the proxy does not answer: unknown, not Failed.
        operation: who starts, stops or switches the stack just now.
        takes_sessions: new sessions are open for every model of the stack; not so during a switch, nor after
            one that was cut short.
        notes: what an operator should know, such as a degraded engine.
    """

    site: Site
    supervisor_pid: int | None
    supervisor_detail: str
    stack: Stack | None
    processes: tuple[ProcessView, ...]
    license: LicenseStatus | None
    sessions: tuple[SessionView, ...]
    operation: LockHolder | None
    notes: tuple[str, ...]
    takes_sessions: bool = True

    @property
    def ready(self) -> bool:
        """Every process of the running stack is ready, and the stack takes new sessions."""
        active = [process for process in self.processes if process.active]
        return (
            self.stack is not None and self.takes_sessions and bool(active) and all(process.ready for process in active)
        )

    @property
    def cut_short(self) -> str:
        """What to do about an operation that ended halfway, killed for instance; empty when none did."""
        if self.takes_sessions or self.operation is not None or self.stack is None:
            return ""
        return (
            f"a start or switch was cut short and not every model of {self.stack} takes new sessions; "
            f"repair it: aai-console up, or aai-console switch {' or '.join(Stack)}"
        )


def observe(host: Host) -> HostView:
    """Look at a host once; takes milliseconds, at most about 3 s when programs hang.

    Raises:
        ConfigError: a setting, or a file of the running stack, is broken.
        SupervisorUnreachable: supervisord belongs to another user.
    """
    site = host.site()
    infos, pid, reason = _supervisor(host)
    # Asked before and after the deployment is read: an operation that ends between leaves no false alarm.
    earlier = read_holder(host.run_dir)
    deployment = host.deployment() if pid is not None else Deployment(None, ())
    stack = deployment.stack
    holder = read_holder(host.run_dir) or earlier
    plans = plan_processes(site)
    with ThreadPoolExecutor(PROBE_THREADS) as pool:
        probes = list(pool.map(lambda plan: _probe(plan, infos.get(plan.supervisor_name)), plans))
        license_status = _license_status(site) if _alive(infos, plans, LICENSE_PROXY) else None
        workers = [plan for plan in plans if plan.program == GATEWAY and _is_alive(infos.get(plan.supervisor_name))]
        open_sessions = [session for found in pool.map(_sessions, workers) for session in found]
    processes = tuple(
        view_process(plan, infos.get(plan.supervisor_name), result, stack)
        for plan, result in zip(plans, probes, strict=True)
    )
    return HostView(
        site=site,
        supervisor_pid=pid,
        supervisor_detail=reason,
        stack=stack,
        processes=processes,
        license=license_status,
        sessions=tuple(sorted(open_sessions, key=lambda session: -session.age_s)),
        operation=holder,
        notes=notes_of(processes, site) if pid is not None else (),
        takes_sessions=stack is None or deployment == whole_stack(stack),
    )


def view_process(plan: ProcessPlan, info: ProcessInfo | None, found: ProbeResult, stack: Stack | None) -> ProcessView:
    """Combine what is planned, what supervisord says and what the probe found.

    Only a RUNNING process is ready. One that answers as ready runs, although supervisord calls it
    STARTING until its startsecs are over.
    """
    state = info.state if info else ProcessState.STOPPED
    if state is ProcessState.STARTING and found.ready:
        state = ProcessState.RUNNING
    return ProcessView(
        name=plan.name,
        program=plan.program,
        stack=plan.stack,
        active=stack is not None and plan.stack in (None, stack),
        state=state,
        ready=found.ready and state is ProcessState.RUNNING,
        detail=_detail(info, found),
        pid=info.pid if info else None,
        port=found.port or plan.port,
        uptime_s=info.uptime_s if info else None,
        exit_status=info.exit_status if info else 0,
        facts=found.facts,
    )


def notes_of(processes: tuple[ProcessView, ...], site: Site) -> tuple[str, ...]:
    """Return what an operator should know about a stack that otherwise looks fine."""
    notes = []
    for process in processes:
        if process.facts.get("degraded"):
            languages = ", ".join(process.facts.get("languages", ()))
            engine = process.facts.get("engine", "its")
            notes.append(f"{process.name} uses the {engine} engine: degraded accuracy, languages: {languages}")
    if open_note := open_gateway_note(site):
        notes.append(open_note)
    return tuple(notes)


def open_gateway_note(site: Site) -> str:
    """Return what it means that the gateway listens beyond this machine; empty when it does not."""
    if site.connect_host in {LOOPBACK, "::1", "localhost"} and site.bind_host == site.connect_host:
        return ""
    if site.auth_mode == "compat":
        return (
            f"AAI_BIND_HOST={site.bind_host}: every machine that reaches port {site.wss_port} can transcribe, "
            "unencrypted and with any Authorization value"
        )
    if site.tls_port is None:
        return f"AAI_BIND_HOST={site.bind_host}: keys and audio reach port {site.wss_port} unencrypted"
    return ""


def _supervisor(host: Host) -> tuple[Mapping[str, ProcessInfo], int | None, str]:
    try:
        return host.client.processes(), host.client.pid(), ""
    except SupervisorUnreachable as error:
        if isinstance(error.__cause__, PermissionError):
            raise
        return {}, None, str(error)
    finally:
        host.client.close()


def _detail(info: ProcessInfo | None, found: ProbeResult) -> str:
    if info is not None and info.state is ProcessState.STOPPING:
        # Why it is not ready is plain; what it waits for is not.
        count = found.facts.get("sessions", 0)
        return f"waits for {sessions_text(count)}" if count else ""
    if info is None or info.state in ALIVE:
        return found.detail if info else ""
    if info.state in {ProcessState.STOPPED, ProcessState.UNKNOWN}:
        return ""
    return info.spawn_error or f"ended with exit code {info.exit_status}"


def _probe(plan: ProcessPlan, info: ProcessInfo | None) -> ProbeResult:
    return probe(plan, info.pid if info else None)


def _is_alive(info: ProcessInfo | None) -> bool:
    return info is not None and info.pid is not None


def _alive(infos: Mapping[str, ProcessInfo], plans: tuple[ProcessPlan, ...], program: str) -> bool:
    return any(plan.program == program and _is_alive(infos.get(plan.supervisor_name)) for plan in plans)


def _sessions(plan: ProcessPlan) -> tuple[SessionView, ...]:
    try:
        return sessions(plan.admin_socket, plan.name)
    except UpstreamError:
        return ()  # its readiness says what is wrong


def _license_status(site: Site) -> LicenseStatus | None:
    connection = http.client.HTTPConnection(LOOPBACK, site.proxy_port, timeout=STATUS_TIMEOUT_S)
    try:
        connection.request("GET", "/v1/status")
        return msgspec.json.decode(connection.getresponse().read(), type=LicenseStatus)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()


def license_status(host: Host) -> LicenseStatus | None:
    """Return the license state the proxy reports; None when it does not answer."""
    return _license_status(host.site())
