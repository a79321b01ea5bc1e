"""Typed progress of an operation: facts for any front end, and one sentence for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from runtime.catalog import Stack


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A new step of the operation begins.

    Attributes:
        step: a constant word, such as ``start`` or ``drain``.
        detail: the step in words.
    """

    step: str
    detail: str

    def __str__(self) -> str:
        """Return the line a person reads."""
        return self.detail


@dataclass(frozen=True, slots=True)
class ProcessReady:
    """A process can do its work; ``after_s`` seconds since it was started or first looked at."""

    name: str
    pid: int
    port: int | None
    after_s: float

    def __str__(self) -> str:
        """Return the line a person reads."""
        return f"{self.name} is ready after {self.after_s:.1f} s (pid {self.pid}, port {self.port or '-'})"


@dataclass(frozen=True, slots=True)
class ProcessStopped:
    """A process has ended; ``after_s`` seconds since it was asked to."""

    name: str
    after_s: float

    def __str__(self) -> str:
        """Return the line a person reads."""
        return f"{self.name} stopped after {self.after_s:.1f} s"


@dataclass(frozen=True, slots=True)
class SessionsLeft:
    """Open sessions a drain still waits for; they end at the latest in ``limit_s`` seconds."""

    sessions: int
    limit_s: float

    def __str__(self) -> str:
        """Return the line a person reads."""
        return f"{sessions_text(self.sessions)}, at most {max(0.0, self.limit_s):.0f} s more"


@dataclass(frozen=True, slots=True)
class Note:
    """Something an operator should know; the operation goes on."""

    text: str

    def __str__(self) -> str:
        """Return the line a person reads."""
        return self.text


@dataclass(frozen=True, slots=True)
class Done:
    """The operation is complete; ``stack`` is what runs now, ``changed`` false when it did already."""

    detail: str
    stack: Stack | None
    changed: bool
    elapsed_s: float

    def __str__(self) -> str:
        """Return the line a person reads."""
        return self.detail


def sessions_text(count: int) -> str:
    """Return a number of open sessions in words."""
    return "1 open session" if count == 1 else f"{count} open sessions"


def drain_text(count: int, limit_s: int) -> str:
    """Return what becomes of open sessions that may run on for a while."""
    if limit_s:
        return f"{sessions_text(count)} may run on {limit_s} s"
    return f"{sessions_text(count)} {'ends' if count == 1 else 'end'} now"


Event: TypeAlias = StepStarted | ProcessReady | ProcessStopped | SessionsLeft | Note | Done
Report: TypeAlias = Callable[[Event], None]
