"""How the console puts values into words and columns: pure text, no widget."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from runtime.catalog import ASR_SERVER_BY_PROGRAM, GATEWAY, LICENSE_PROXY
from runtime.supervise.log_reader import clean_line
from runtime.supervise.progress import sessions_text
from tui.store import Gpu, HostSnapshot, License, Machine, Service, Session, View, stack_word

BAR_CELLS = 10
_STATE_CELLS = 9


def span_text(seconds: float | None) -> str:
    """Return a length of time in at most six characters: ``12s``, ``1m12s``, ``5h07m``, ``3d04h``."""
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3_600}h{whole % 3_600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3_600:02d}h"


def bytes_text(count: int | None) -> str:
    """Return a size in at most five characters, in binary units: ``85M``, ``1.1G``."""
    if count is None:
        return "-"
    mebibytes = count / 2**20
    if mebibytes < 1_000:
        return f"{mebibytes:.0f}M"
    gibibytes = count / 2**30
    return f"{gibibytes:.1f}G" if gibibytes < 100 else f"{gibibytes:.0f}G"


def time_of_day_text(moment: datetime, room_cells: int) -> str:
    """Return a time of day with its zone, without the zone or not at all, as there is room.

    Args:
        moment: with its zone.
        room_cells: what may be used.
    """
    clock = f"{moment:%H:%M:%S}"
    fitting = [text for text in (f"{clock} {moment.tzname()}", clock) if len(text) <= room_cells]
    return fitting[0] if fitting else ""


def clock_text(seconds: float) -> str:
    """Return seconds of audio as ``mm:ss.t``."""
    tenths = int(seconds * 10)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def bar_text(percent: float) -> str:
    """Return a bar of ten cells that reads the same with and without colour."""
    filled = round(min(max(percent, 0.0), 100.0) / 100 * BAR_CELLS)
    return "[" + "#" * filled + "-" * (BAR_CELLS - filled) + "]"


def service_label(service: Service, is_selected: bool) -> str:
    """Return the first cell of a services row; the selected row carries a mark that needs no colour."""
    mark = ">" if is_selected else " "
    indent = "  " if service.is_member else ""
    count = f" {service.members_running}/{service.member_count}" if service.is_group else ""
    return f"{mark}{indent}{service.name}{count}"


@dataclass(frozen=True, slots=True)
class ServiceCells:
    """The cells of one services row, in words."""

    label: str
    state: str
    ready: str
    pid: str
    port: str
    uptime: str
    cpu: str
    rss: str
    restarts: str
    note: str


def service_cells(service: Service, is_selected: bool) -> ServiceCells:
    """Return a services row in words."""
    return ServiceCells(
        label=service_label(service, is_selected),
        state=service.state_word[:_STATE_CELLS],
        ready=service.readiness_word,
        pid=_number(service.pid),
        port=_number(service.port),
        uptime=span_text(service.uptime_s),
        cpu="-" if service.cpu_percent is None else f"{service.cpu_percent:.1f}",
        rss=bytes_text(service.rss_bytes),
        restarts=str(service.restarts) if service.state_word != "stopped" else "-",
        note=service.detail,
    )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def session_cells(session: Session) -> tuple[str, ...]:
    """Return a sessions row: id, model, age, audio, turns, worker, client."""
    return (
        session.session_id[:8],
        session.model,
        span_text(session.age_s),
        clock_text(session.audio_s),
        str(session.turns),
        session.worker or "-",
        session.client or "-",
    )


def stop_consequence(service: Service, snapshot: HostSnapshot, *, comes_back: bool) -> str:
    """Return what stopping a service means for the open sessions, in one sentence.

    Args:
        service: what is to be stopped; a group row stands for all its processes.
        snapshot: with the open sessions.
        comes_back: it is started again at once.
    """
    count = sessions_hit(service, snapshot)
    if service.program == LICENSE_PROXY:
        return "No open session ends by it; without the proxy the gateway stops serving after a while."
    if count == 0:
        return "No open session uses it."
    use = f"{sessions_text(count)} {'uses' if count == 1 else 'use'} it"
    if service.program == GATEWAY:
        limit = f"after {span_text(snapshot.drain_limit_s)} at the latest" if snapshot.drain_limit_s else "at once"
        return f"{use} and would end {limit}."
    return f"{use} and may end." if comes_back else f"{use} and would end."


def sessions_hit(service: Service, snapshot: HostSnapshot) -> int:
    """Return how many open sessions a service has a part in."""
    if service.program == LICENSE_PROXY:
        return 0
    if service.program == GATEWAY and not service.is_group:
        return sum(session.worker == service.name for session in snapshot.sessions)
    if server := ASR_SERVER_BY_PROGRAM.get(service.program):
        is_up = server.stack is snapshot.stack
        return sum(is_up and session.model == server.model for session in snapshot.sessions)
    return len(snapshot.sessions)


def license_text(found: License, now_s: float) -> str:
    """Return the license line.

    Args:
        found: what the proxy reports.
        now_s: Unix time, for the countdown.
    """
    if not found.state:
        return f"License unknown: {found.cause or 'the license proxy has not answered yet'}"
    parts = [f"License {found.state}"]
    if found.checked_in_at_s is not None:
        parts.append(f"checked {span_text(now_s - found.checked_in_at_s)} ago")
    if found.trusted_until_s is not None:
        left_s = found.trusted_until_s - now_s
        parts.append(f"trusted for {span_text(left_s)}" if left_s > 0 else "trust has run out")
    if found.state == "Failed":
        parts.append("the gateway stops serving")
    return ", ".join(parts)


def license_word(found: License) -> str:
    """Return the license state in one word for the status line."""
    return found.state or "unknown"


def machine_text(machine: Machine) -> str:
    """Return the line about GPU, processor and memory."""
    parts = [_gpu_text(number, gpu) for number, gpu in enumerate(machine.gpus)] or [machine.gpu_cause]
    if machine.cpu_percent is not None:
        parts.append(f"Cpu {bar_text(machine.cpu_percent)} {machine.cpu_percent:.0f}% of {machine.cpu_count}")
    if machine.ram_total_bytes:
        parts.append(f"Ram {bytes_text(machine.ram_used_bytes)}/{bytes_text(machine.ram_total_bytes)}")
    return "  ".join(parts)


def _gpu_text(number: int, gpu: Gpu) -> str:
    load = (
        "n/a" if gpu.utilisation_percent is None else f"{bar_text(gpu.utilisation_percent)} {gpu.utilisation_percent}%"
    )
    memory = f"{gpu.memory_used_bytes / 2**30:.0f}/{gpu.memory_total_bytes / 2**30:.0f}G"
    return f"GPU{number} {gpu.name} {load} {memory}"


def status_text(view: View) -> str:
    """Return the left part of the status line."""
    snapshot = view.snapshot
    if snapshot is None:
        return "aai-console | looking at this host ..."
    if snapshot.down is not None:
        return f"aai-console | supervisor DOWN | op {operation_word(view)}"
    stack = f"{snapshot.stack or 'no stack'} {stack_word(snapshot)}"
    stale = f" | STALE {span_text(view.age_ms / 1000)}" if view.is_stale else ""
    return (
        f"aai-console | {stack} | lic {license_word(snapshot.license)} | "
        f"sess {len(snapshot.sessions)} | op {operation_word(view)}{stale}"
    )


def operation_word(view: View) -> str:
    """Return what is under way: ``-``, or this console's operation and its age, or another program's."""
    if view.operation is None or view.operation.ended:
        return (view.snapshot.elsewhere if view.snapshot else "") or "-"
    return f"{view.operation.title} {span_text((view.now_ms - view.operation.started_ms) / 1000)}"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line, cut into what the log pane draws apart.

    Attributes:
        time: ``HH:MM:SS.mmm`` as logged, or empty.
        level: upper case, or empty.
    """

    time: str
    level: str
    text: str


_PLAIN = re.compile(
    r"^\d{4}-\d\d-\d\d[T ](?P<time>\d\d:\d\d:\d\d(?:[.,]\d{1,3})?)\d*Z?\s+\[?(?P<level>[A-Za-z]+)\s*\]?\s+(?P<text>.*)$"
)
_JSON_TIME = re.compile(r'"timestamp":\s*"\d{4}-\d\d-\d\dT(?P<time>\d\d:\d\d:\d\d(?:\.\d{1,3})?)')
_JSON_LEVEL = re.compile(r'"level":\s*"(?P<level>\w+)"')
_SHORT_LEVELS = {"WARNING": "WARN", "CRITICAL": "CRIT"}
LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "CRIT"})


def level_word(level: str) -> str:
    """Return a log level in at most five characters."""
    return _SHORT_LEVELS.get(level, level)[:5]


def parse_log_line(raw: str) -> LogLine:
    """Return a plain or JSON log line in parts; a line of neither form is all text."""
    line = clean_line(raw).rstrip().replace("\t", "    ")
    if line.startswith("{"):
        time, level = _JSON_TIME.search(line), _JSON_LEVEL.search(line)
        return LogLine(time["time"] if time else "", level["level"].upper() if level else "", line)
    plain = _PLAIN.match(line)
    if plain is not None and plain["level"].upper() in LEVELS:
        return LogLine(plain["time"], plain["level"].upper(), plain["text"].strip())
    return LogLine("", "", line)
