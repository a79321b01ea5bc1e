"""Doubles of the console's ports: a host that says what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import threading
from dataclasses import replace

from runtime.catalog import Stack
from runtime.errors import AppError
from tui.ports import LogTail, Operation, Progress
from tui.store import (
    Gpu,
    HostSnapshot,
    License,
    Machine,
    Readiness,
    Service,
    Session,
    SupervisorDown,
)

# 2026-11-20 14:02:11 UTC
NOW_S = 1_795_183_331.0
GIB = 2**30
MIB = 2**20


def a_service(name: str, **changes: object) -> Service:
    """Return a ready process that has run for a while."""
    program = "streaming-api" if name.startswith("streaming-api") else name
    row = Service(
        name=name,
        program=program,
        state="RUNNING",
        readiness=Readiness.OK,
        pid=4_100,
        port=8_080,
        uptime_s=4_350.0,
        cpu_percent=1.5,
        rss_bytes=85 * MIB,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def a_stopped_service(name: str) -> Service:
    """Return a process nobody wants now."""
    return Service(name=name, program=name, state="STOPPED")


def universal_host() -> HostSnapshot:
    """Return a healthy host without a GPU, with the universal stack and three sessions."""
    return HostSnapshot(
        taken_at_s=NOW_S,
        stack=Stack.UNIVERSAL,
        services=(
            a_service("license-and-usage-proxy", pid=4_080, port=8_082, cpu_percent=0.4),
            a_service("streaming-asr-english", pid=4_085, port=50_051, cpu_percent=21.5, rss_bytes=512 * MIB,
                      detail="embedded engine, English only"),
            a_service("streaming-asr-multilang", pid=4_122, port=50_052, cpu_percent=8.0, rss_bytes=488 * MIB,
                      detail="embedded engine, English only", restarts=1, uptime_s=72.0),
            a_stopped_service("streaming-asr-u3pro"),
            a_service("streaming-asr-lb", pid=4_090, port=8_081, cpu_percent=2.0, rss_bytes=60 * MIB),
            a_service("streaming-api-00", pid=4_101, cpu_percent=3.2, rss_bytes=74 * MIB),
            a_service("streaming-api-01", pid=4_102, cpu_percent=2.8, rss_bytes=73 * MIB),
        ),
        license=License("Connected", checked_in_at_s=NOW_S - 41, trusted_until_s=NOW_S + 4 * 86_400),
        sessions=(
            Session("8f2c41d0-aaaa-4bbb-8ccc-000000000001", "en-default", 2_470.0, 2_468.4, 214, "streaming-api-00",
                    "AssemblyAI/1.0 (sdk=Python/1.8.2)"),
            Session("1b90e7aa-aaaa-4bbb-8ccc-000000000002", "en-default", 61.0, 60.9, 7, "streaming-api-01", "pipecat"),
            Session("c3d455fe-aaaa-4bbb-8ccc-000000000003", "ml-default", 8.0, 7.6, 0, "streaming-api-00", ""),
        ),
        machine=Machine(cpu_percent=22.0, cpu_count=2, ram_used_bytes=3 * GIB, ram_total_bytes=8 * GIB),
        drain_limit_s=30,
    )  # fmt: skip


def gpu_host() -> HostSnapshot:
    """Return the same host with a GPU."""
    host = universal_host()
    return replace(host, machine=replace(host.machine, gpus=(Gpu("H200", 61, 31 * GIB, 139 * GIB),), gpu_cause=""))


def host_without_supervisor() -> HostSnapshot:
    """Return a host on which nothing runs."""
    return HostSnapshot(
        taken_at_s=NOW_S,
        down=SupervisorDown(
            "/srv/aai/run/supervisor.sock", "no such socket", ("INFO received SIGTERM", "INFO stopped")
        ),
    )


class MemoryLog:
    """A log tail fed by a test."""

    def __init__(self) -> None:
        """Start with no lines."""
        self.is_closed = False
        self._lines: list[str] = []

    def feed(self, *lines: str) -> None:
        """Append lines for the next read."""
        self._lines = [*self._lines, *lines]

    def read_lines(self) -> list[str]:
        """Return the lines nobody has read yet."""
        lines, self._lines = self._lines, []
        return lines

    def close(self) -> None:
        """Remember that the pane let it go."""
        self.is_closed = True


class ScriptedHost:
    """A backend whose looks, logs and failures a test sets.

    Attributes:
        snapshot: what every look returns.
        look_error: raised by looks instead, when set.
        operations: what was asked for, in order.
        steps: progress each operation reports.
        operation_error: how each operation ends, when set.
        may_finish: operations wait for this; set from the start.
    """

    def __init__(self, snapshot: HostSnapshot) -> None:
        """Start healthy."""
        self.snapshot = snapshot
        self.look_error: Exception | None = None
        self.operations: list[Operation] = []
        self.steps: tuple[str, ...] = ()
        self.operation_error: AppError | None = None
        self.may_finish = threading.Event()
        self.may_finish.set()
        self.logs: dict[str, MemoryLog] = {}
        self.log_error: AppError | None = None

    def look(self) -> HostSnapshot:
        """Return the snapshot, or fail as told."""
        if self.look_error is not None:
            raise self.look_error
        return self.snapshot

    def operate(self, operation: Operation, progress: Progress) -> None:
        """Report the steps, wait until allowed to finish, end as told."""
        self.operations.append(operation)
        for step in self.steps:
            progress(step)
        self.may_finish.wait(timeout=30)
        if self.operation_error is not None:
            raise self.operation_error

    def log(self, service: str) -> MemoryLog:
        """Return the log of a service, to feed it."""
        return self.logs.setdefault(service, MemoryLog())

    def open_log(self, service: str) -> LogTail:
        """Return the same log to the pane."""
        if self.log_error is not None:
            raise self.log_error
        return self.log(service)


class SteppedClock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        """Start at one second."""
        self.now_ms = 1_000

    def monotonic_ms(self) -> int:
        """Return the set time."""
        return self.now_ms

    def wall_s(self) -> float:
        """Return the set time of day."""
        return NOW_S + self.now_ms / 1_000
