"""What earlier looks say about a process: restarts, crash loops, whether it was ready before. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.supervise.observe import ProcessView
from runtime.supervise.states import ProcessState
from tui.store import Readiness

LOOP_WINDOW_S = 120.0
LOOP_RESTARTS = 3

_ENDED_BADLY = frozenset({ProcessState.FATAL, ProcessState.EXITED, ProcessState.BACKOFF})


@dataclass(slots=True)
class _Past:
    pid: int | None = None
    was_ready: bool = False
    restarts: int = 0
    restarted_at_s: list[float] = field(default_factory=list)


class ProcessHistory:
    """Remember process ids between looks; counts begin with the first look."""

    def __init__(self) -> None:
        """Start without a past."""
        self._pasts: dict[str, _Past] = {}

    def note(self, process: ProcessView, now_s: float) -> None:
        """Take one look at one process.

        Args:
            now_s: seconds of any clock that runs on.
        """
        past = self._pasts.setdefault(process.name, _Past())
        if process.pid is not None and process.pid != past.pid:
            if past.pid is not None:
                past.restarts += 1
                past.restarted_at_s.append(now_s)
            past.pid = process.pid
            past.was_ready = False
        past.was_ready = past.was_ready or process.ready
        past.restarted_at_s = [time_s for time_s in past.restarted_at_s if now_s - time_s < LOOP_WINDOW_S]

    def restarts(self, name: str) -> int:
        """Return how often a process came back under another id since the first look."""
        past = self._pasts.get(name)
        return past.restarts if past else 0

    def readiness(self, process: ProcessView, start_budget_s: int) -> Readiness:
        """Return how ready a process is, given how long its start may take."""
        past = self._pasts.get(process.name) or _Past()
        if process.ready:
            return Readiness.OK
        if len(past.restarted_at_s) >= LOOP_RESTARTS:
            return Readiness.LOOPING
        if process.state in _ENDED_BADLY:
            return Readiness.FAILED
        if process.state is ProcessState.STOPPING:
            return Readiness.DRAINING
        if process.pid is None:
            return Readiness.NONE
        starting = not past.was_ready and (process.uptime_s or 0) <= start_budget_s
        return Readiness.WAITING if starting else Readiness.FAILED
