"""What every recogniser offers and what it reports, independent of how it recognises.

Times are integer milliseconds of session audio: samples / 16, never the wall clock. Events of one
session are ordered; nothing follows ``Closed`` or ``Failed``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec

SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
BYTES_PER_SAMPLE = 2


class TurnStyle(StrEnum):
    """Which of the protocol's two turn rule sets a session follows."""

    UNIVERSAL = "universal"
    PRO = "pro"


class TurnEndReason(StrEnum):
    """Why a turn ended."""

    SILENCE = "silence"
    CONFIDENCE = "confidence"
    PUNCTUATION = "punctuation"
    FORCED = "forced"
    FINISH = "finish"
    LIMIT = "limit"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a loaded engine can do.

    Attributes:
        degraded: a fall-back serves the model; shown to operators.
        punctuates: text carries case and punctuation.
        finalizes_words_early: words may be final before the turn ends.
    """

    engine: str
    languages: tuple[str, ...]
    degraded: bool = False
    detects_language: bool = False
    punctuates: bool = False
    finalizes_words_early: bool = False
    lookaheads_ms: tuple[int, ...] = ()


class TurnDetection(msgspec.Struct, frozen=True, kw_only=True):
    """Every threshold of turn detection, resolved (no defaults left to guess).

    ``min_turn_silence_ms <= max_turn_silence_ms`` holds; the edge enforces it.
    """

    vad_threshold: float
    end_of_turn_confidence_threshold: float
    min_turn_silence_ms: int
    max_turn_silence_ms: int
    interruption_delay_ms: int = 500
    continuous_partials: bool = True


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One recognised word."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    is_final: bool


class ResumePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session taken over from another backend continues; see ``protos/asr_v1.proto``."""

    audio_start_ms: int
    suppress_before_ms: int
    turn_order: int
    final_words: tuple[Word, ...] = ()


class SessionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a recogniser needs to know to open a session."""

    session_id: str
    model: str
    turn_style: TurnStyle
    turn_detection: TurnDetection
    language_codes: tuple[str, ...] = ()
    language_detection: bool = False
    keyterms: tuple[str, ...] = ()
    prompt: str = ""
    agent_context: str = ""
    domain: str = ""
    mode: str = ""
    lookahead_ms: int = 0
    previous_context_turns: int = 0
    resume: ResumePoint | None = None


class SessionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change in mid-session; None leaves a value as it is. Applies to audio fed afterwards."""

    turn_detection: TurnDetection | None = None
    keyterms: tuple[str, ...] | None = None
    prompt: str | None = None
    agent_context: str | None = None
    language_codes: tuple[str, ...] | None = None
    mode: str | None = None


class SpeechStarted(msgspec.Struct, frozen=True, kw_only=True, tag="speech_started"):
    """Speech, not noise, began; confidence is the speech probability."""

    turn_order: int
    start_ms: int
    confidence: float


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True, tag="hypothesis"):
    """The whole open turn so far; replaces the former one."""

    turn_order: int
    words: tuple[Word, ...]
    audio_ms: int
    end_of_turn_confidence: float = 0.0


class UtteranceEnd(msgspec.Struct, frozen=True, kw_only=True, tag="utterance_end"):
    """A pause inside a turn; words ``first_word:end_word`` of the turn are one utterance."""

    turn_order: int
    first_word: int
    end_word: int
    audio_ms: int


class TurnEnd(msgspec.Struct, frozen=True, kw_only=True, tag="turn_end"):
    """A turn is over; its words, at least one, are all final."""

    turn_order: int
    words: tuple[Word, ...]
    reason: TurnEndReason
    end_of_turn_confidence: float
    silence_before_end_ms: int
    audio_ms: int


class LanguageDetected(msgspec.Struct, frozen=True, kw_only=True, tag="language_detected"):
    """The language of a turn."""

    turn_order: int
    language_code: str
    confidence: float


class SpeechActivity(msgspec.Struct, frozen=True, kw_only=True, tag="speech_activity"):
    """About once a second of audio: progress, loudest speech probability, silent ranges.

    Attributes:
        silences: (start_ms, end_ms) pairs since the previous message.
        replay_from_ms: a resume on another backend needs no audio before this position.
    """

    audio_ms: int
    max_speech_probability: float
    silences: tuple[tuple[int, int], ...]
    replay_from_ms: int


class Closed(msgspec.Struct, frozen=True, kw_only=True, tag="closed"):
    """The session was finished; everything it had to say was said before."""

    audio_ms: int
    turns: int
    engine_cpu_ms: int


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The session cannot go on; ``code`` is stable, ``message`` is for operators."""

    code: str
    message: str


Event = SpeechStarted | Hypothesis | UtteranceEnd | TurnEnd | LanguageDetected | SpeechActivity | Closed | Failed
EventSink = Callable[[Event], None]


class SessionHandle(Protocol):
    """One open session of a recogniser."""

    def feed(self, pcm16: bytes) -> None:
        """Take audio of any length, 16 kHz mono PCM16, an even number of bytes; never block."""
        ...

    async def drained(self) -> None:
        """Wait until fed audio is below the session's bound; the caller then may feed more."""
        ...

    def update(self, change: SessionChange) -> None:
        """Apply a change to audio fed from now on."""
        ...

    def force_endpoint(self) -> None:
        """End the open turn after the audio fed so far; does nothing when no turn is open."""
        ...

    def finish(self) -> None:
        """Decode what was fed, end the open turn, then report ``Closed``."""
        ...

    def abort(self) -> None:
        """Free the slot at once; no further events."""
        ...


class Recognizer(Protocol):
    """One loaded model."""

    @property
    def capabilities(self) -> Capabilities:
        """What the loaded engine can do."""
        ...

    async def start(self) -> None:
        """Load, warm up and become able to open sessions.

        Raises:
            EngineError: the engine cannot be loaded.
        """
        ...

    async def open(self, spec: SessionSpec, sink: EventSink) -> SessionHandle:
        """Open a session whose events go to ``sink``, called on the event loop.

        Raises:
            EngineError: no worker could be had.
        """
        ...

    async def stop(self) -> None:
        """End every session and free all processes and memory."""
        ...
