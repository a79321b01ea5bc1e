"""Run checks at intervals, feed the state machine with them and log what changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from protos.license_v1 import LicenseDetails, LicenseState, StatusResponse, timestamp
from runtime.clock import Clock
from runtime.license import Claims, LicenseFiles
from runtime.logs import get_logger
from services.license_proxy.checker import CheckResult, Outcome
from services.license_proxy.state import LicenseStateMachine, Transition

SECOND_US = 1_000_000
# Checks of several stacks or proxies started together shall not stay in step.
JITTER = 0.1

_log = get_logger(__name__)


class Checker(Protocol):
    """Whatever can check a license."""

    @property
    def files(self) -> LicenseFiles:
        """The files every check reads."""
        ...

    def check(self) -> CheckResult:
        """Read and verify once; may block for as long as a small file takes to read."""
        ...


class LicenseWatch:
    """Owner of the license state of this process; only its event loop may call it."""

    def __init__(
        self,
        checker: Checker,
        clock: Clock,
        interval_s: float,
        trust_window_max_s: int | None,
        uniform: Callable[[float, float], float],
    ) -> None:
        """Start in Ready, with nothing checked.

        Args:
            checker: makes the checks.
            clock: tells when trust is used up.
            interval_s: mean time between two checks.
            trust_window_max_s: upper bound of the license's own trust window.
            uniform: picks a number between two, as ``random.uniform``.
        """
        self._checker = checker
        self._clock = clock
        self._interval_s = interval_s
        self._trust_window_max_s = trust_window_max_s
        self._uniform = uniform
        self._machine = LicenseStateMachine()
        self._claims: Claims | None = None
        self._problem = ""

    def current_state(self) -> LicenseState:
        """Return the state now; trust that has run out since the last check counts."""
        self._machine.tick(self._now_us())
        self._report()
        return self._machine.state

    @property
    def claims(self) -> Claims | None:
        """Claims of the license that was last accepted."""
        return self._claims

    @property
    def problem(self) -> str:
        """Why the newest check failed, empty when it succeeded."""
        return self._problem

    def status(self) -> StatusResponse:
        """Return the body of ``/v1/status``."""
        state = self.current_state()
        trust = self._machine.trust
        if trust is None:
            return StatusResponse(state, None, None)
        return StatusResponse(state, timestamp(trust.last_success_us), timestamp(trust.expiration_us))

    def details(self) -> LicenseDetails:
        """Return what an operator may know about the license."""
        status = self.status()
        details = LicenseDetails(
            state=status.state,
            last_successful_checkin=status.last_successful_checkin,
            trust_expiration=status.trust_expiration,
            last_check_error=self._problem,
            license_file=str(self._checker.files.license),
            public_keys_file=str(self._checker.files.public_keys),
        )
        return details if self._claims is None else _with_claims(details, self._claims)

    async def check(self) -> None:
        """Make one check and take in its result."""
        result = await asyncio.to_thread(self._checker.check)
        is_news = result.problem != self._problem
        self._problem = result.problem
        self._take(result)
        changed = self._report()
        if is_news and result.problem and not changed:
            _log.warning("license check failed", cause=result.problem, state=self._machine.state.value)

    async def run(self, stop: asyncio.Event) -> None:
        """Check at intervals until ``stop`` is set; also at the moment trust runs out."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(self._wait_s()):
                    await stop.wait()
            except TimeoutError:
                await self.check()

    def _take(self, result: CheckResult) -> None:
        claims = result.claims
        if result.outcome is Outcome.OK and claims is not None:
            window_s = claims.trust_window_s
            if self._trust_window_max_s is not None:
                window_s = min(window_s, self._trust_window_max_s)
            if self._claims is not None and self._claims.jti != claims.jti:
                _log.warning("license replaced", license_id=claims.jti, replaced=self._claims.jti)
            self._claims = claims
            self._machine.receive_success(
                result.moment_us, claims.jti, claims.exp * SECOND_US, window_s * SECOND_US
            )  # fmt: skip
        elif result.outcome is Outcome.REVOKED and claims is not None:
            self._machine.receive_revocation(result.moment_us, claims.jti)
        else:
            self._machine.receive_failure(result.moment_us, result.problem)

    def _wait_s(self) -> float:
        wait_s = self._interval_s * self._uniform(1 - JITTER, 1 + JITTER)
        trust = self._machine.trust
        if self._machine.state is LicenseState.TRUST_BASED and trust is not None:
            wait_s = min(wait_s, max(0.0, (trust.expiration_us - self._now_us()) / SECOND_US))
        return wait_s

    def _now_us(self) -> int:
        return int(self._clock.wall_s() * SECOND_US)

    def _report(self) -> bool:
        transitions = self._machine.take_output()
        for transition in transitions:
            self._log_transition(transition)
        return bool(transitions)

    def _log_transition(self, transition: Transition) -> None:
        trust = self._machine.trust
        facts = {
            "old": transition.old.value,
            "new": transition.new.value,
            "license_id": self._claims.jti if self._claims else None,
            "trust_expiration": timestamp(trust.expiration_us) if trust else None,
        }
        if transition.reason:
            facts["cause"] = transition.reason
        edge = (transition.old, transition.new)
        if edge == (LicenseState.READY, LicenseState.CONNECTED):
            _log.info("license accepted", **facts)
        elif edge == (LicenseState.READY, LicenseState.FAILED):
            _log.debug("license refused at start", **facts)  # the program ends and says why itself
        elif transition.new is LicenseState.FAILED:
            _log.error("license state changed", **facts)
        else:
            _log.warning("license state changed", **facts)


def _with_claims(details: LicenseDetails, claims: Claims) -> LicenseDetails:
    return msgspec.structs.replace(
        details,
        license_id=claims.jti,
        issuer=claims.iss,
        customer_id=claims.sub,
        customer_name=claims.customer.name,
        billing_mode=claims.billing.mode,
        checkin_mode=claims.checkin.mode,
        issued_at=timestamp(claims.iat * SECOND_US),
        expires_at=timestamp(claims.exp * SECOND_US),
        trust_window_s=claims.trust_window_s,
        max_concurrent_sessions=claims.limits.max_concurrent_sessions,
        max_gateways=claims.limits.max_gateways,
        max_session_s=claims.limits.max_session_s,
        stacks=claims.stacks,
        models=claims.models,
    )
