"""The sessions of one worker as operators see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runtime.catalog import Model
from services.gateway.admission import Admitted
from services.gateway.connection import Connection
from services.gateway.session import Session


@dataclass(eq=False, slots=True)
class OpenSession:
    """One accepted session.

    Attributes:
        label: of its key; "" when keys are not checked.
        admitted: its places among the sessions that are counted, given back at its end.
        counted_ms: audio of it that the metrics know of.
    """

    session: Session
    connection: Connection
    started_ms: int
    user_agent: str
    label: str
    admitted: Admitted
    counted_ms: int = 0

    @property
    def backend(self) -> Model:
        """Model that recognises it."""
        return self.session.model.backend

    def uncounted_audio_ms(self) -> int:
        """Return audio received since the last call."""
        received_ms = self.session.received_audio_ms
        news_ms, self.counted_ms = received_ms - self.counted_ms, received_ms
        return news_ms

    def view(self, now_ms: int) -> dict[str, Any]:
        """Return what ``GET /sessions`` tells: never audio, text or keys."""
        session = self.session
        return {
            "session_id": session.identity.session_id,
            "model": self.backend,
            "speech_model": session.model.name,
            "state": session.state.value,
            "recognizer": session.recognizer_phase,
            "age_s": round((now_ms - self.started_ms) / 1000, 1),
            "audio_s": round(session.received_audio_ms / 1000, 1),
            "lag_s": round(session.lag_ms / 1000, 1),
            "first_partial_latency_ms": session.latencies.first_partial_ms,
            "turn_latency_ms": session.latencies.turn_ms,
            "turns": session.finished_turns,
            "reconnects": session.reconnects,
            "user_agent": self.user_agent,
            "label": self.label,
        }


class OpenSessions:
    """The open sessions by id; owned by the event loop."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_id: dict[str, OpenSession] = {}

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[OpenSession]:
        """Iterate over those open now; sessions may come and go meanwhile."""
        return iter(tuple(self._by_id.values()))

    def add(self, opened: OpenSession) -> None:
        """Take a new one."""
        self._by_id[opened.session.identity.session_id] = opened

    def remove(self, opened: OpenSession) -> None:
        """Forget one that has ended."""
        del self._by_id[opened.session.identity.session_id]
