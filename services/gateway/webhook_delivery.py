"""Whether a webhook request that failed is made again, and when. Sans-I/O."""

from __future__ import annotations

from enum import Enum

# Protocol section 9.6: success is 2xx within ATTEMPT_LIMIT_S, up to ten attempts, a 4xx ends them.
MAX_ATTEMPTS = 10
ATTEMPT_LIMIT_S = 10.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class Progress(Enum):
    """How far a delivery is."""

    UNDER_WAY = "under way"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"


class Delivery:
    """One report: counts attempts, and decides after each of them.

    Pauses double from one second to a minute, each shortened at random by up to a half, so that the receivers of
    many sessions that ended together are not all met at once. Ten attempts take at most six minutes.
    """

    def __init__(self) -> None:
        """Start before the first attempt."""
        self.progress = Progress.UNDER_WAY
        self.attempts = 0
        self.cause = ""

    def receive_status(self, status: int) -> None:
        """Take the HTTP status of an attempt; a redirect is a failure like any other."""
        self.attempts += 1
        self.cause = f"status {status}"
        if 200 <= status < 300:
            self.progress = Progress.DELIVERED
        elif 400 <= status < 500 or self.attempts >= MAX_ATTEMPTS:
            self.progress = Progress.GIVEN_UP

    def receive_failure(self, cause: str, *, is_final: bool = False) -> None:
        """Take an attempt without an answer.

        Args:
            cause: for operators; must not hold the URL or the text of turns.
            is_final: no further attempt can end otherwise.
        """
        self.attempts += 1
        self.cause = cause
        if is_final or self.attempts >= MAX_ATTEMPTS:
            self.progress = Progress.GIVEN_UP

    def give_up(self, cause: str) -> None:
        """End a delivery that is under way."""
        self.cause = f"{cause}, after {self.cause}" if self.cause else cause
        self.progress = Progress.GIVEN_UP

    def pause_s(self, jitter: float) -> float:
        """Return how long to wait before the next attempt.

        Args:
            jitter: a random number from 0 to 1.
        """
        assert self.attempts, "the first attempt waits for nothing"
        return min(FIRST_PAUSE_S * 2.0 ** (self.attempts - 1), LONGEST_PAUSE_S) * (1 - jitter / 2)
