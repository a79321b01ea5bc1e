"""What the console knows about the host: one frozen snapshot, and the pure steps that change the view of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from runtime.catalog import ASR_SERVERS, GATEWAY, LICENSE_PROXY, ROUTER, Stack, programs_of

# A value older than this many periods is shown as stale, never as live.
STALE_PERIODS = 3
OPERATION_LINES_MAX = 200


class Readiness(StrEnum):
    """Whether a service can do its work; a running process alone is not ready."""

    OK = "ok"
    WAITING = "wait"
    FAILED = "FAIL"
    LOOPING = "loop"
    DRAINING = "drain"
    NONE = "-"


@dataclass(frozen=True, slots=True)
class Service:
    """One row of the services table: a process, or a program with several of them.

    Attributes:
        name: what operators call it, such as ``streaming-api-00``.
        program: the program it is a process of; equal to ``name`` for a single process.
        state: supervisord's word, ``RUNNING`` and the like.
        waited_s: seconds since the start, while ``readiness`` is WAITING.
        budget_s: seconds a start may take, while WAITING.
        sessions_left: open sessions, while DRAINING.
        detail: why it is not ready, or what an operator should know.
        member_count: processes behind the row; 0 for a plain process.
        members_running: how many of them run.
    """

    name: str
    program: str
    state: str
    readiness: Readiness = Readiness.NONE
    waited_s: int = 0
    budget_s: int = 0
    sessions_left: int = 0
    detail: str = ""
    pid: int | None = None
    port: int | None = None
    uptime_s: float | None = None
    cpu_percent: float | None = None
    rss_bytes: int | None = None
    restarts: int = 0
    member_count: int = 0
    members_running: int = 0

    @property
    def is_group(self) -> bool:
        """The row stands for several processes."""
        return self.member_count > 0

    @property
    def is_member(self) -> bool:
        """The row is one of several processes of a program."""
        return self.name != self.program

    @property
    def readiness_word(self) -> str:
        """Readiness as the table shows it: ``ok``, ``wait 12/120``, ``drain 3``, ``FAIL``, ``loop`` or ``-``."""
        if self.readiness is Readiness.WAITING and self.budget_s:
            return f"wait {self.waited_s}/{self.budget_s}"
        if self.readiness is Readiness.DRAINING:
            return f"drain {self.sessions_left}"
        return self.readiness.value

    @property
    def state_word(self) -> str:
        """State as the table shows it; a quiet lower-case word for a process nobody wants now."""
        return "stopped" if self.state in ("STOPPED", "EXITED_EXPECTED", "UNKNOWN", "") else self.state


@dataclass(frozen=True, slots=True)
class License:
    """The license as the proxy reports it.

    Attributes:
        state: ``Ready``, ``Connected``, ``TrustBased`` or ``Failed``; empty when the proxy cannot be asked.
        checked_in_at_s: Unix time of the last successful check.
        trusted_until_s: Unix time at which trust ends without another success.
        cause: why there is no state.
    """

    state: str = ""
    checked_in_at_s: float | None = None
    trusted_until_s: float | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One open session of a gateway worker."""

    session_id: str
    model: str
    age_s: float
    audio_s: float
    turns: int
    worker: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as its driver reports it."""

    name: str
    utilisation_percent: int | None
    memory_used_bytes: int
    memory_total_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Load of the host.

    Attributes:
        gpu_cause: why ``gpus`` is empty.
    """

    cpu_percent: float | None = None
    cpu_count: int = 0
    ram_used_bytes: int = 0
    ram_total_bytes: int = 0
    gpus: tuple[Gpu, ...] = ()
    gpu_cause: str = "no GPU"


@dataclass(frozen=True, slots=True)
class SupervisorDown:
    """Why supervisord does not answer.

    Attributes:
        socket: the socket that was asked.
        log_tail: last lines of supervisord's own log.
    """

    socket: str
    reason: str
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostSnapshot:
    """Everything one look at the host found.

    Attributes:
        taken_at_s: Unix time of the look.
        stack: the stack that is wanted; None when none is.
        down: set when supervisord does not answer; then nothing else is known.
        faults: one line for each part that could not be asked.
        drain_limit_s: how long open sessions may run on after a switch unless told otherwise.
        elsewhere: the operation under way on this host, whoever began it; empty for none.
    """

    taken_at_s: float
    stack: Stack | None = None
    services: tuple[Service, ...] = ()
    license: License = field(default_factory=License)
    sessions: tuple[Session, ...] = ()
    machine: Machine = field(default_factory=Machine)
    down: SupervisorDown | None = None
    faults: tuple[str, ...] = ()
    drain_limit_s: int = 60
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class RunningOperation:
    """A start, stop, restart, switch or up that was asked for in this console.

    Attributes:
        title: what an operator reads, such as ``restart streaming-asr-lb``.
        lines: progress, oldest first.
        cause: why it failed; empty while it runs and after success.
    """

    title: str
    started_ms: int
    lines: tuple[str, ...] = ()
    ended: bool = False
    cause: str = ""

    @property
    def failed(self) -> bool:
        """It ended, and not as asked."""
        return self.ended and bool(self.cause)


@dataclass(frozen=True, slots=True)
class View:
    """The whole state of the console; screens draw this and nothing else.

    Attributes:
        now_ms: monotonic time of the last event.
        snapshot: the last successful look at the host.
        seen_ms: when that look ended.
        complaint: the newest failure an operator has not dismissed; empty for none.
        look_fault: what the last look could not find out; empty when it found out everything.
    """

    now_ms: int = 0
    period_ms: int = 1_000
    snapshot: HostSnapshot | None = None
    seen_ms: int = 0
    operation: RunningOperation | None = None
    complaint: str = ""
    look_fault: str = ""

    @property
    def banner(self) -> str:
        """The one line of trouble to show; empty for none."""
        return self.complaint or self.look_fault

    @property
    def age_ms(self) -> int:
        """Milliseconds since the last successful look; 0 before the first."""
        return self.now_ms - self.seen_ms if self.snapshot is not None else 0

    @property
    def is_stale(self) -> bool:
        """What is shown may no longer be true."""
        return self.age_ms > STALE_PERIODS * self.period_ms

    @property
    def is_busy(self) -> bool:
        """An operation of this console still runs."""
        return self.operation is not None and not self.operation.ended

    def now_wall_s(self) -> float:
        """Return the Unix time, carried forward from the last look."""
        return (self.snapshot.taken_at_s if self.snapshot else 0.0) + self.age_ms / 1000


@dataclass(frozen=True, slots=True)
class Looked:
    """A look at the host succeeded."""

    snapshot: HostSnapshot


@dataclass(frozen=True, slots=True)
class LookFailed:
    """A look at the host ended with an error."""

    cause: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class OperationStarted:
    """The operator confirmed an operation."""

    title: str


@dataclass(frozen=True, slots=True)
class OperationProgressed:
    """The operation reports a step."""

    line: str


@dataclass(frozen=True, slots=True)
class OperationEnded:
    """The operation is over.

    Attributes:
        cause: empty for success.
    """

    cause: str = ""


@dataclass(frozen=True, slots=True)
class Complained:
    """Something else went wrong and should be read; an empty line takes the banner away."""

    line: str


Event = Looked | LookFailed | Ticked | OperationStarted | OperationProgressed | OperationEnded | Complained


def reduce(view: View, event: Event, now_ms: int) -> View:
    """Return the view after an event.

    Args:
        now_ms: monotonic milliseconds at which the event happened.
    """
    view = replace(view, now_ms=max(now_ms, view.now_ms))
    match event:
        case Looked(snapshot):
            fault = snapshot.faults[0] if snapshot.faults else ""
            return replace(view, snapshot=snapshot, seen_ms=view.now_ms, look_fault=fault)
        case LookFailed(cause):
            return replace(view, look_fault=f"cannot read the state of this host: {cause}")
        case Complained(line):
            return replace(view, complaint=line)
        case OperationStarted(title):
            return replace(view, operation=RunningOperation(title, view.now_ms), complaint="")
        case OperationProgressed(line):
            return _with_operation_line(view, line)
        case OperationEnded(cause):
            return _with_operation_end(view, cause)
        case Ticked():
            return view


def _with_operation_line(view: View, line: str) -> View:
    if view.operation is None or view.operation.ended:
        return view
    lines = (*view.operation.lines, line)[-OPERATION_LINES_MAX:]
    return replace(view, operation=replace(view.operation, lines=lines))


def _with_operation_end(view: View, cause: str) -> View:
    if view.operation is None:
        return view
    operation = replace(view.operation, ended=True, cause=cause)
    complaint = f"{operation.title} failed: {cause}" if cause else view.complaint
    return replace(view, operation=operation, complaint=complaint)


def stack_word(snapshot: HostSnapshot) -> str:
    """Return the state of the whole stack in one word: READY, STARTING, DEGRADED, DOWN or STOPPED."""
    if snapshot.down is not None:
        return "DOWN"
    if snapshot.stack is None:
        return "STOPPED"
    wanted = set(programs_of(snapshot.stack))
    rows = [row for row in snapshot.services if row.program in wanted and not row.is_group]
    if rows and all(row.readiness is Readiness.OK for row in rows):
        return "READY"
    if all(row.state_word == "stopped" for row in rows):
        return "STOPPED"
    failing = {Readiness.FAILED, Readiness.LOOPING}
    if any(row.readiness in failing or row.state in ("FATAL", "EXITED", "BACKOFF") for row in rows):
        return "DEGRADED"
    return "STARTING" if any(row.readiness is Readiness.WAITING for row in rows) else "DEGRADED"


def group_row(program: str, members: tuple[Service, ...]) -> Service:
    """Return the row that sums up the processes of one program.

    Args:
        members: at least one process row.
    """
    worst = min(members, key=lambda member: _SEVERITY.index(member.readiness))
    running = [member for member in members if member.state == "RUNNING"]
    leading = running[0] if running else members[0]
    uptimes = [member.uptime_s for member in running if member.uptime_s is not None]
    return Service(
        name=program,
        program=program,
        state=leading.state if len(running) in (0, len(members)) else "PARTIAL",
        readiness=worst.readiness,
        waited_s=worst.waited_s,
        budget_s=worst.budget_s,
        sessions_left=sum(member.sessions_left for member in members),
        detail=worst.detail,
        port=next((member.port for member in members if member.port is not None), None),
        uptime_s=max(uptimes, default=None),
        cpu_percent=_total([member.cpu_percent for member in running]),
        rss_bytes=_whole(_total([member.rss_bytes for member in running])),
        restarts=sum(member.restarts for member in members),
        member_count=len(members),
        members_running=len(running),
    )


_SEVERITY = (
    Readiness.LOOPING,
    Readiness.FAILED,
    Readiness.WAITING,
    Readiness.DRAINING,
    Readiness.NONE,
    Readiness.OK,
)


def _total(values: list[float | None] | list[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def table_rows(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """Return the rows of the services table in a fixed order, a group row before its members."""
    by_program: dict[str, list[Service]] = {program: [] for program in _ROW_ORDER}
    others: list[Service] = []
    for service in services:
        by_program.get(service.program, others).append(service)
    rows: list[Service] = []
    for program, members in by_program.items():
        if len(members) > 1:
            rows.append(group_row(program, tuple(members)))
        rows.extend(sorted(members, key=lambda member: member.name))
    return (*rows, *others)


_ROW_ORDER = (GATEWAY, ROUTER, LICENSE_PROXY, *(server.program for server in ASR_SERVERS))


def is_wanted(service: Service, stack: Stack | None) -> bool:
    """Return whether a service belongs to the running stack; others are drawn dim."""
    return stack is not None and service.program in programs_of(stack)
