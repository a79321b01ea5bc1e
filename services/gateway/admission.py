"""How many sessions may be open: per worker, per key, per backend and per license, over all workers of a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from protos.session_v3 import Text
from runtime.catalog import Model
from runtime.errors import CapacityError
from services.gateway.auth import Principal
from services.gateway.session_slots import SessionSlots, Slot

LICENSE_LABEL = "license"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What this host's backends and license take at once; unknown ones do not limit.

    Attributes:
        backends: of each ASR server that was asked.
        license_sessions: None when the license proxy was not asked.
    """

    backends: Mapping[Model, int] = field(default_factory=dict)
    license_sessions: int | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The places of one session, given back at its end."""

    slots: tuple[tuple[SessionSlots, Slot], ...]


class Admission:
    """Admits sessions while there is room; one per worker.

    Attributes:
        limits: replaced whenever the host was looked at.
    """

    def __init__(self, directory: Path, max_sessions_of_worker: int | None) -> None:
        """Count in a directory that all workers of this host share.

        Args:
            max_sessions_of_worker: None for no limit.
        """
        self._max_sessions_of_worker = max_sessions_of_worker
        self._of_keys = SessionSlots(directory)
        self._of_backends = SessionSlots(directory / "backends")
        self._of_license = SessionSlots(directory / "license")
        self.limits = SessionLimits()
        self.sessions = 0

    def admit(self, principal: Principal, backend: Model) -> Admitted:
        """Take a place for a session everywhere it counts.

        Raises:
            CapacityError: one of the limits is reached; nothing was taken.
            EnvironmentFault: sessions cannot be counted.
        """
        if self._max_sessions_of_worker is not None and self.sessions >= self._max_sessions_of_worker:
            raise CapacityError(Text.TOO_MANY_SESSIONS)
        wanted: list[tuple[SessionSlots, str, int | None]] = [
            (self._of_license, LICENSE_LABEL, self.limits.license_sessions),
            (self._of_backends, backend, self.limits.backends.get(backend)),
        ]
        if principal.label:
            wanted.append((self._of_keys, principal.label, principal.max_sessions))
        taken: list[tuple[SessionSlots, Slot]] = []
        try:
            for slots, label, limit in wanted:
                taken.append((slots, slots.take(label, limit)))
        except BaseException:
            _give_back(taken)
            raise
        self.sessions += 1
        return Admitted(tuple(taken))

    def release(self, admitted: Admitted) -> None:
        """Give the places of a session back."""
        self.sessions -= 1
        _give_back(admitted.slots)

    def used(self, backend: Model) -> int:
        """Return how many sessions of all workers use a backend."""
        return self._of_backends.count(backend)

    def used_ratio(self) -> float:
        """Return how full the fullest of license and backends is, 0..1; 0 where nothing limits."""
        shares = [self.used(backend) / limit for backend, limit in self.limits.backends.items() if limit]
        if self.limits.license_sessions:
            shares.append(self._of_license.count(LICENSE_LABEL) / self.limits.license_sessions)
        return max(shares, default=0.0)

    def close(self) -> None:
        """Give every place back."""
        for slots in (self._of_keys, self._of_backends, self._of_license):
            slots.close()


def _give_back(taken: list[tuple[SessionSlots, Slot]] | tuple[tuple[SessionSlots, Slot], ...]) -> None:
    for slots, slot in taken:
        slots.release(slot)
