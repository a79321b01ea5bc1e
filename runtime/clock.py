"""Time as a constructor argument, so that decisions can be tested without waiting."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What time-dependent code may ask for."""

    def monotonic_ms(self) -> int:
        """Return milliseconds of a clock that never runs backwards."""
        ...

    def wall_s(self) -> float:
        """Return seconds since the Unix epoch."""
        ...


class SystemClock:
    """The host's clocks."""

    def monotonic_ms(self) -> int:
        """Return milliseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns() // 1_000_000

    def wall_s(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time()
