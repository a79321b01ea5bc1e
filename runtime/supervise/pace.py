"""Time inside an operation: polls that can be interrupted, and deadlines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from runtime.supervise.errors import DeadlineExceeded, SuperviseError

POLL_S = 0.05


class Pace:
    """The clock of one operation.

    Every loop of the lifecycle library polls through :meth:`until`, so that one deadline and one
    cancel request reach all of them.
    """

    def __init__(self, limit_s: float | None = None, cancel: threading.Event | None = None) -> None:
        """Start the clock.

        Args:
            limit_s: the whole operation may take this long; None for as long as its steps do.
            cancel: set by another thread to end the operation at its next poll.
        """
        self._cancel = cancel or threading.Event()
        self._started_s = time.monotonic()
        self._deadline_s = None if limit_s is None else self._started_s + limit_s

    def now_s(self) -> float:
        """Return seconds of a clock that never runs backwards."""
        return time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the operation began."""
        return time.monotonic() - self._started_s

    def until(self, done: Callable[[], bool], limit_s: float, what: str, poll_s: float = POLL_S) -> None:
        """Poll until something holds.

        Args:
            done: looked at once at least, then every ``poll_s``.
            limit_s: seconds this step may take.
            what: the awaited thing, for the error.

        Raises:
            DeadlineExceeded: it did not come true in the step's or the operation's time.
            SuperviseError: the operation was cancelled.
        """
        step_deadline_s = time.monotonic() + limit_s
        while not done():
            now_s = time.monotonic()
            if now_s >= step_deadline_s:
                raise DeadlineExceeded(f"{what}: not within {limit_s:.0f} s")
            if self._deadline_s is not None and now_s >= self._deadline_s:
                raise DeadlineExceeded(f"{what}: the time given to the operation is over", "give it more: --timeout S")
            if self._cancel.wait(poll_s):
                raise SuperviseError(f"{what}: the operation was cancelled")


def holds_within(condition: Callable[[], bool], limit_s: float, pace: Pace, what: str, poll_s: float = POLL_S) -> bool:
    """Return whether a condition comes true within a time; only that time's end is not an error."""
    started_s = pace.now_s()
    try:
        pace.until(condition, limit_s, what, poll_s)
    except DeadlineExceeded:
        if pace.now_s() - started_s < limit_s:
            raise
        return False
    return True
