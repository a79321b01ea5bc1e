"""Whether the license lets this gateway serve, decided from what the proxy last said."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What the gateway does about the license."""

    WAITING = "waiting"  # nothing heard yet: take no session
    SERVING = "serving"
    FAILED = "failed"  # end every session and stop


SERVING_STATES = frozenset({"Connected", "TrustBased"})


class LicenseGate:
    """Ride out a proxy that cannot be reached, stop when the license has failed.

    Time is passed in: milliseconds of a monotonic clock.
    """

    def __init__(self, grace_ms: int, startup_limit_ms: int, now_ms: int) -> None:
        """Start waiting.

        Args:
            grace_ms: how long to serve on after the proxy was last heard in a good state.
            startup_limit_ms: how long to wait for a first good state.
        """
        self._grace_ms = grace_ms
        self._startup_limit_ms = startup_limit_ms
        self._started_ms = now_ms
        self._last_good_ms: int | None = None
        self._failed = False
        self.proxy_state = "unknown"

    def receive_state(self, state: str, now_ms: int) -> None:
        """Take the state the proxy reported."""
        self.proxy_state = state
        if state in SERVING_STATES:
            self._last_good_ms = now_ms
        elif state == "Failed":
            self._failed = True

    def receive_silence(self) -> None:
        """Take note that the proxy could not be reached."""
        self.proxy_state = "unreachable"

    def verdict(self, now_ms: int) -> Verdict:
        """Return what holds now; FAILED is final."""
        if self._failed:
            return Verdict.FAILED
        if self._last_good_ms is None:
            self._failed = now_ms - self._started_ms > self._startup_limit_ms
            return Verdict.FAILED if self._failed else Verdict.WAITING
        # While the last answer was good only the next look can tell otherwise, however short the grace.
        self._failed = self.proxy_state not in SERVING_STATES and now_ms - self._last_good_ms > self._grace_ms
        return Verdict.FAILED if self._failed else Verdict.SERVING

    @property
    def ever_served(self) -> bool:
        """A good state was heard since the start."""
        return self._last_good_ms is not None
