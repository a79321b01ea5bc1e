"""The license state machine: results of checks and times in, states and transitions out. No clock, no files.

::

              ok                        fail
 [Ready] -----------------> [Connected] ------> [TrustBased]
   |  |                       ^     ^---- ok ---'   ^    |
   |  `-- fail, trust left ---|---------------------'    | trust used up
   |                          |                          v
   `-- fail, no trust left ---|----------------------> [Failed] <-- revoked (any state)
                              `------ ok, not revoked ------'

All times are integer microseconds since the Unix epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

from protos.license_v1 import LicenseState

ALLOWED_EDGES: frozenset[tuple[LicenseState, LicenseState]] = frozenset(
    {
        (LicenseState.READY, LicenseState.CONNECTED),
        (LicenseState.READY, LicenseState.TRUST_BASED),
        (LicenseState.READY, LicenseState.FAILED),
        (LicenseState.CONNECTED, LicenseState.TRUST_BASED),
        (LicenseState.CONNECTED, LicenseState.FAILED),
        (LicenseState.TRUST_BASED, LicenseState.CONNECTED),
        (LicenseState.TRUST_BASED, LicenseState.FAILED),
        (LicenseState.FAILED, LicenseState.CONNECTED),
    }
)


@dataclass(frozen=True, slots=True)
class Trust:
    """How long a license is honoured without another successful check.

    Attributes:
        last_success_us: when a check last succeeded.
        expiration_us: when failing checks end in Failed; only a success moves it.
    """

    last_success_us: int
    expiration_us: int


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state.

    Attributes:
        moment_us: when it happened.
        reason: one clause for people, empty after a success.
    """

    old: LicenseState
    new: LicenseState
    moment_us: int
    reason: str


class LicenseStateMachine:
    """Decide what the license allows, from the results of checks."""

    def __init__(self, trust: Trust | None = None, revoked: frozenset[str] = frozenset()) -> None:
        """Start in Ready.

        Args:
            trust: what an earlier run of the program had earned.
            revoked: identifiers (``jti``) of licenses known to be revoked.
        """
        self._state = LicenseState.READY
        self._trust = trust
        self._revoked = set(revoked)
        self._output: list[Transition] = []

    @property
    def state(self) -> LicenseState:
        """The present state."""
        return self._state

    @property
    def trust(self) -> Trust | None:
        """The trust earned by the last success, None before one."""
        return self._trust

    @property
    def revoked(self) -> frozenset[str]:
        """Identifiers of the licenses that can never be accepted again."""
        return frozenset(self._revoked)

    def receive_success(self, now_us: int, license_id: str, expires_us: int, trust_window_us: int) -> None:
        """Take in a check that succeeded.

        Args:
            now_us: time of the check.
            license_id: ``jti`` of the license; a revoked one does not count as a success.
            expires_us: end of the license; trust is counted from here when it is already over.
            trust_window_us: how long trust lasts.
        """
        if license_id in self._revoked:
            self.receive_revocation(now_us, license_id)
            return
        self._trust = Trust(now_us, min(now_us, expires_us) + trust_window_us)
        self._move(LicenseState.CONNECTED, now_us, "")

    def receive_failure(self, now_us: int, reason: str) -> None:
        """Take in a check that failed for any cause but revocation.

        Args:
            now_us: time of the check.
            reason: why, for people.
        """
        if self._state is LicenseState.FAILED:
            return
        has_trust = self._trust is not None and now_us < self._trust.expiration_us
        self._move(LicenseState.TRUST_BASED if has_trust else LicenseState.FAILED, now_us, reason)

    def receive_revocation(self, now_us: int, license_id: str) -> None:
        """Take in that a license is revoked; this skips the trust window and is never forgotten.

        Args:
            now_us: time of the check.
            license_id: ``jti`` of the revoked license.
        """
        self._revoked.add(license_id)
        self._move(LicenseState.FAILED, now_us, f"license {license_id} is revoked")

    def tick(self, now_us: int) -> None:
        """Let time pass: trust that is used up ends in Failed."""
        if self._state is LicenseState.TRUST_BASED:
            self.receive_failure(now_us, "no check succeeded within the trust window")

    def take_output(self) -> list[Transition]:
        """Return the transitions since the last call and forget them."""
        output, self._output = self._output, []
        return output

    def _move(self, new: LicenseState, now_us: int, reason: str) -> None:
        if new is self._state:
            return
        assert (self._state, new) in ALLOWED_EDGES, f"{self._state} -> {new}"
        self._output.append(Transition(self._state, new, now_us, reason))
        self._state = new
