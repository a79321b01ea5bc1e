"""The watch: results of checks become status, details and log lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import structlog

from protos.license_v1 import LicenseState, StatusResponse, moment_us, timestamp
from runtime.license import Claims, LicenseFiles, issue_license, new_signing_key
from services.license_proxy.checker import CheckResult, Outcome
from services.license_proxy.watch import LicenseWatch
from tests.support.fake_clock import FakeClock
from tests.support.licenses import NOW_S, order

HOUR_S = 3600
KEY = new_signing_key()


class ScriptedChecker:
    """Satisfies the watch's ``Checker``; each check takes the next outcome, the last one repeats."""

    files = LicenseFiles(Path("/etc/license.jwt"), Path("/etc/keys.json"))

    def __init__(self, clock: FakeClock, *outcomes: Outcome, claims: Claims | None = None) -> None:
        """Prepare the outcomes."""
        self._clock = clock
        self._outcomes = list(outcomes)
        self.claims = claims or issue_license(order(), KEY, NOW_S).claims
        self.problem = "it is broken; mend it"
        self.checks = 0
        self.on_check: Callable[[], object] = lambda: None

    def check(self) -> CheckResult:
        """Return the next outcome."""
        self.checks += 1
        self.on_check()
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        problem = "" if outcome is Outcome.OK else self.problem
        return CheckResult(outcome, int(self._clock.wall_s() * 1_000_000), problem, self.claims)


def _watch(checker: ScriptedChecker, clock: FakeClock, trust_window_max_s: int | None = None) -> LicenseWatch:
    return LicenseWatch(checker, clock, 60.0, trust_window_max_s, lambda low, _high: low)


async def test_status_before_a_check_is_ready_with_nulls() -> None:
    """The vendor's schema has nulls before a first success."""
    clock = FakeClock(NOW_S)
    status = _watch(ScriptedChecker(clock, Outcome.OK), clock).status()
    assert (
        msgspec.json.encode(status) == b'{"state":"Ready","last_successful_checkin":null,"trust_expiration":null}'
    )  # fmt: skip


async def test_status_after_a_success_shows_both_times_in_microseconds() -> None:
    """Times are ISO 8601 in UTC, with six decimals even when they are zero."""
    clock = FakeClock(NOW_S)
    watch = _watch(ScriptedChecker(clock, Outcome.OK), clock)
    await watch.check()
    assert watch.status() == StatusResponse(
        LicenseState.CONNECTED, "2025-10-09T08:53:20.000000Z", "2025-10-13T08:53:20.000000Z"
    )


async def test_status_after_trust_ran_out_between_checks_is_failed() -> None:
    """The answer is right even when the next check is still to come."""
    clock = FakeClock(NOW_S)
    watch = _watch(ScriptedChecker(clock, Outcome.OK, Outcome.FAILED), clock)
    await watch.check()
    clock.advance_s(HOUR_S)
    await watch.check()
    assert watch.status().state is LicenseState.TRUST_BASED
    clock.advance_s(96 * HOUR_S)
    assert watch.status().state is LicenseState.FAILED


async def test_trust_window_is_only_ever_shortened_by_the_setting() -> None:
    """The operator's bound wins when it is the shorter one."""
    clock = FakeClock(NOW_S)
    for bound_s, window_s in ((HOUR_S, HOUR_S), (10**6, 96 * HOUR_S), (0, 0)):
        watch = _watch(ScriptedChecker(clock, Outcome.OK), clock, bound_s)
        await watch.check()
        assert watch.status().trust_expiration == timestamp((NOW_S + window_s) * 1_000_000)


async def test_details_keep_the_accepted_license_while_checks_fail() -> None:
    """An operator still sees whose license it is, and why checks fail."""
    clock = FakeClock(NOW_S)
    watch = _watch(ScriptedChecker(clock, Outcome.OK, Outcome.FAILED), clock)
    await watch.check()
    await watch.check()
    details = watch.details()
    assert (details.state, details.customer_name) == (LicenseState.TRUST_BASED, "Acme")
    assert details.last_check_error == "it is broken; mend it"


async def test_revoked_license_fails_without_using_trust() -> None:
    """A revoked license ends service at once."""
    clock = FakeClock(NOW_S)
    watch = _watch(ScriptedChecker(clock, Outcome.OK, Outcome.REVOKED), clock)
    await watch.check()
    await watch.check()
    assert watch.current_state() is LicenseState.FAILED


async def test_state_changes_are_logged_once_at_the_level_of_their_alert() -> None:
    """TrustBased is a warning, Failed an error, recovery a warning; repeated failures stay silent."""
    clock = FakeClock(NOW_S)
    outcomes = (Outcome.OK, Outcome.FAILED, Outcome.FAILED, Outcome.FAILED, Outcome.OK)
    watch = _watch(ScriptedChecker(clock, *outcomes), clock)
    with structlog.testing.capture_logs() as lines:
        for wait_s in (0, HOUR_S, HOUR_S, 96 * HOUR_S, HOUR_S):
            clock.advance_s(wait_s)
            await watch.check()
    assert [(line["log_level"], line["new"]) for line in lines] == [
        ("info", "Connected"), ("warning", "TrustBased"), ("error", "Failed"), ("warning", "Connected"),
    ]  # fmt: skip


async def test_new_cause_of_failure_and_new_license_are_logged() -> None:
    """Within one state an operator sees when the cause changes, and when another license is accepted."""
    clock = FakeClock(NOW_S)
    checker = ScriptedChecker(clock, Outcome.OK, Outcome.FAILED, Outcome.FAILED, Outcome.FAILED, Outcome.OK)
    watch = _watch(checker, clock)
    await watch.check()
    await watch.check()
    checker.problem = "it is broken in another way; mend it"
    with structlog.testing.capture_logs() as lines:
        await watch.check()
        await watch.check()
        checker.claims = issue_license(order(), KEY, NOW_S).claims
        await watch.check()
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "license check failed"), ("warning", "license replaced"), ("warning", "license state changed"),
    ]  # fmt: skip


async def test_run_checks_after_each_interval_and_ends_on_request() -> None:
    """Checks come at intervals, drawn anew each time, until the stop event is set."""
    clock = FakeClock(NOW_S)
    checker = ScriptedChecker(clock, Outcome.OK)
    stop = asyncio.Event()
    draws: list[tuple[float, float]] = []

    def draw_and_stop_at_the_fourth(low: float, high: float) -> float:
        draws.append((low, high))
        if len(draws) == 4:
            stop.set()
        return 0.0

    await LicenseWatch(checker, clock, 60.0, None, draw_and_stop_at_the_fourth).run(stop)
    assert (checker.checks, draws) == (3, [(0.9, 1.1)] * 4)


async def test_run_in_trust_based_checks_at_the_moment_trust_ends() -> None:
    """A long interval does not delay the end of trust."""
    clock = FakeClock(NOW_S)
    checker = ScriptedChecker(clock, Outcome.OK, Outcome.FAILED)
    stop = asyncio.Event()
    watch = LicenseWatch(checker, clock, 3600.0, None, lambda _low, high: high)
    await watch.check()
    await watch.check()
    clock.advance_s(96 * HOUR_S)

    loop = asyncio.get_running_loop()
    checker.on_check = lambda: loop.call_soon_threadsafe(stop.set)
    async with asyncio.timeout(10):
        await watch.run(stop)
    assert watch.current_state() is LicenseState.FAILED


@pytest.mark.parametrize("moment", [0, 1, NOW_S * 1_000_000 + 250_000, 32_503_680_000_000_000])
def test_timestamp_survives_a_round_trip(moment: int) -> None:
    """Clients can compute with the times they read."""
    assert moment_us(timestamp(moment)) == moment
    assert len(timestamp(moment)) == 27
