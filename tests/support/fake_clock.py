"""A clock that tests set."""

from __future__ import annotations


class FakeClock:
    """Satisfies ``runtime.clock.Clock``; both of its times move only by ``advance_s``."""

    def __init__(self, wall_s: float = 1_760_000_000.0) -> None:
        """Start at a wall time and at zero of the monotonic clock."""
        self._wall_s = wall_s
        self._elapsed_s = 0.0

    def advance_s(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._elapsed_s += seconds

    def monotonic_ms(self) -> int:
        """Return milliseconds since the clock was made."""
        return round(self._elapsed_s * 1000)

    def wall_s(self) -> float:
        """Return seconds since the Unix epoch."""
        return self._wall_s + self._elapsed_s
