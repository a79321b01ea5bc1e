"""The embedded engine's core in this process, for tests and benches."""

from __future__ import annotations

from services.asr.engines.base import (
    Event,
    ResumePoint,
    SessionSpec,
    TurnDetection,
    TurnStyle,
)
from services.asr.engines.embedded.decoder import TurnDecoder
from services.asr.engines.embedded.detector import SpeechDetector
from services.asr.engines.embedded.session import EmbeddedSession

FEED_BYTES = 3_200


def universal_spec(
    *,
    vad_threshold: float = 0.4,
    threshold: float = 0.4,
    min_turn_silence_ms: int = 400,
    max_turn_silence_ms: int = 1280,
    style: TurnStyle = TurnStyle.UNIVERSAL,
    resume: ResumePoint | None = None,
) -> SessionSpec:
    """Return a session's settings; the protocol's defaults where nothing is said."""
    return SessionSpec(
        session_id="11111111-1111-4111-8111-111111111111",
        model="en-default",
        turn_style=style,
        turn_detection=TurnDetection(
            vad_threshold=vad_threshold,
            end_of_turn_confidence_threshold=threshold,
            min_turn_silence_ms=min_turn_silence_ms,
            max_turn_silence_ms=max_turn_silence_ms,
        ),
        resume=resume,
    )


def run_session(
    spec: SessionSpec, detector: SpeechDetector, decoder: TurnDecoder, pcm16: bytes, *, feed_bytes: int = FEED_BYTES
) -> list[Event]:
    """Return every event of a session that is fed a clip and finished."""
    session = EmbeddedSession(spec, detector, decoder)
    events: list[Event] = []
    for offset in range(0, len(pcm16), feed_bytes):
        events += session.feed(pcm16[offset : offset + feed_bytes])
    return events + session.finish()
