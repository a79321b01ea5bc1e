"""How many messages of one kind a client may send: a steady rate and a burst above it."""

from __future__ import annotations


class MessageRate:
    """A bucket of tokens; every message takes one, and time brings them back.

    Time is passed in: milliseconds of a monotonic clock.
    """

    __slots__ = ("_burst", "_filled_ms", "_per_s", "_tokens")

    def __init__(self, per_s: int, burst: int) -> None:
        """Start with a full bucket.

        Args:
            per_s: messages a second that may go on for ever.
            burst: messages that may come at once after a pause.
        """
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._filled_ms: int | None = None

    def allows(self, now_ms: int) -> bool:
        """Count one message; return False when there are too many of them."""
        if self._filled_ms is not None:
            earned = max(0, now_ms - self._filled_ms) * self._per_s / 1_000
            self._tokens = min(self._tokens + earned, self._burst)
        self._filled_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
