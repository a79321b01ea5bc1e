"""The JSON of a v3 streaming session: client messages, server messages, close codes, fixed texts.

Encoding rules that real clients depend on are built into the types: times are integers, optional
members are left out instead of null (except inside ``Begin.configuration``), and only ``Error`` has a
member called ``error``.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class CloseCode(IntEnum):
    """WebSocket close codes a session can end with."""

    NORMAL = 1000
    GOING_AWAY = 1001
    UNAUTHORIZED = 1008
    TOO_LARGE = 1009
    INTERNAL = 1011
    SERVER_FAILURE = 3005
    INVALID_INPUT = 3006
    AUDIO_VIOLATION = 3007
    EXPIRED = 3008
    CAPACITY = 3009


class Text(StrEnum):
    """Texts clients match on, word for word."""

    SESSION_ENDED = "Session Ended"
    MISSING_AUTHORIZATION = "Unauthorized Connection: Missing Authorization header"
    INVALID_API_KEY = "Unauthorized Connection: Invalid API key"
    TOKEN_EXPIRED = "Unauthorized Connection: Signature has expired"  # noqa: S105 - a text, no secret
    TOO_MANY_SESSIONS = "Unauthorized Connection: Too many concurrent sessions"
    SERVER_FAILURE = "Session Cancelled: An error occurred"
    EXPIRED = "Session Expired: Maximum session duration exceeded"
    SEE_ERROR_MESSAGE = "See Error message for details"


# RFC 6455: a control frame carries 125 bytes, two of them the close code.
CLOSE_REASON_MAX_BYTES = 123


class Encoding(StrEnum):
    """Accepted values of the `encoding` parameter."""

    PCM_S16LE = "pcm_s16le"
    PCM_MULAW = "pcm_mulaw"
    OPUS = "opus"
    OGG_OPUS = "ogg_opus"
    AAC = "aac"


class ServerMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of everything the server sends."""

    def encode(self) -> str:
        """Return the JSON text of one frame."""
        return msgspec.json.encode(self).decode()


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Resolved settings echoed in ``Begin``; unset ones are null."""

    model: str
    mode: str | None
    api_version: str
    speaker_labels: bool = False
    redact_pii: bool = False
    filter_profanity: bool = False
    domain: str | None = None
    voice_focus: str | None = None


class Begin(ServerMessage, frozen=True, kw_only=True, tag="Begin"):
    """First message of an accepted session; ``expires_at`` is in Unix seconds."""

    id: str
    expires_at: int
    configuration: Configuration


class SpeechStarted(ServerMessage, frozen=True, kw_only=True, tag="SpeechStarted"):
    """Onset of speech in milliseconds of session audio."""

    timestamp: int
    confidence: float


class TurnWord(msgspec.Struct, frozen=True, kw_only=True):
    """One word of a Turn; times in milliseconds of session audio."""

    text: str
    start: int
    end: int
    confidence: float
    word_is_final: bool


class Turn(ServerMessage, frozen=True, kw_only=True, tag="Turn"):
    """A turn as it stands; every message replaces the former one of the same ``turn_order``."""

    turn_order: int
    turn_is_formatted: bool
    end_of_turn: bool
    transcript: str
    utterance: str
    end_of_turn_confidence: float
    words: tuple[TurnWord, ...]
    language_code: str | UnsetType = UNSET
    language_confidence: float | UnsetType = UNSET


class Termination(ServerMessage, frozen=True, kw_only=True, tag="Termination"):
    """Last message of a session that ended in order."""

    audio_duration_seconds: int
    session_duration_seconds: int


class Error(ServerMessage, frozen=True, kw_only=True, tag="Error"):
    """Sent right before a failure close; ``error_code`` equals the close code."""

    error_code: int
    error: str


class Heartbeat(ServerMessage, frozen=True, kw_only=True, tag="Heartbeat"):
    """Sent every five seconds to clients that asked for it.

    Attributes:
        total_duration_ms: wall time since Begin.
        realtime_factor: audio received per wall time since the previous heartbeat.
        max_speech_probability: highest of the same time, 0..1.
    """

    total_audio_received_ms: int
    total_duration_ms: int
    realtime_factor: float
    max_speech_probability: float


class Silence(ServerMessage, frozen=True, kw_only=True, tag="Silence"):
    """A stretch of audio in which nobody spoke; Pro clients may ask for it."""

    start_ms: int
    end_ms: int


class ClientMessageType(StrEnum):
    """Values of ``type`` a client may send."""

    UPDATE_CONFIGURATION = "UpdateConfiguration"
    FORCE_ENDPOINT = "ForceEndpoint"
    KEEP_ALIVE = "KeepAlive"
    TERMINATE = "Terminate"


def decode_json(text: str) -> Any:
    """Decode one client frame.

    Raises:
        msgspec.DecodeError: the text is not JSON.
    """
    return msgspec.json.decode(text)


def close_reason(text: str) -> str:
    """Return the close reason for an error text: the text itself when a close frame can carry it."""
    return text if len(text.encode()) <= CLOSE_REASON_MAX_BYTES else Text.SEE_ERROR_MESSAGE
