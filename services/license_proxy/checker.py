"""One check of the license: read the file and the pinned keys anew, verify, and say what came out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from runtime.clock import Clock
from runtime.license import BillingMode, Claims, LicenseFiles, Verdict, hint_for, verify_files


class Outcome(Enum):
    """What a check means for the state."""

    OK = "ok"
    FAILED = "failed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found.

    Attributes:
        moment_us: time of the check, microseconds since the Unix epoch.
        problem: cause and fix in one line, empty when ``outcome`` is OK.
        claims: of a genuine license, None otherwise.
    """

    outcome: Outcome
    moment_us: int
    problem: str = ""
    claims: Claims | None = None


class LicenseChecker:
    """Checks the license of one stack; reads two small files, so callers run it off the event loop."""

    def __init__(self, files: LicenseFiles, clock: Clock, leeway_s: int, has_usage_key: bool) -> None:
        """Prepare checks.

        Args:
            files: the license and the pinned keys.
            clock: gives the time of each check.
            leeway_s: tolerated difference to the issuer's clock.
            has_usage_key: whether a license that bills by usage can be served.
        """
        self._files = files
        self._clock = clock
        self._leeway_s = leeway_s
        self._has_usage_key = has_usage_key

    @property
    def files(self) -> LicenseFiles:
        """The files every check reads."""
        return self._files

    def check(self) -> CheckResult:
        """Read and verify once."""
        now_s = self._clock.wall_s()
        moment_us = int(now_s * 1_000_000)
        found = verify_files(self._files.license, self._files.public_keys, now_s, self._leeway_s)
        if found.verdict is not Verdict.VALID:
            outcome = Outcome.REVOKED if found.verdict is Verdict.REVOKED else Outcome.FAILED
            problem = f"the license {self._files.license} is not valid: {found.reason}; {hint_for(found, self._files)}"
            return CheckResult(outcome, moment_us, problem, found.claims)
        assert found.claims is not None, "a valid license has claims"
        if found.claims.billing.mode is BillingMode.USAGE and not self._has_usage_key:
            problem = f"the license {self._files.license} bills by usage; set USAGE_TRACKING_API_KEY"
            return CheckResult(Outcome.FAILED, moment_us, problem, found.claims)
        return CheckResult(Outcome.OK, moment_us, "", found.claims)
