"""Judges what a session says by the message rules that real clients depend on."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from protos.session_v3 import CLOSE_REASON_MAX_BYTES

# What a session may end with whatever its client does; 1005 is an echo of a close frame without a code.
DOCUMENTED_CLOSE_CODES = frozenset({1000, 1002, 1003, 1005, 1007, 1008, 1009, 3006, 3007, 3008, 3009})
BROKEN_CLIENT_CODES = frozenset({1002, 1003, 1005, 1007, 1008, 1009})
SERVER_FAILURE = 3005
WORD_TYPES = {"text": str, "start": int, "end": int, "confidence": float, "word_is_final": bool}
TURN_TYPES = {
    "turn_order": int,
    "turn_is_formatted": bool,
    "end_of_turn": bool,
    "transcript": str,
    "utterance": str,
    "end_of_turn_confidence": float,
    "words": list,
}
TYPES: dict[str, dict[str, type]] = {
    "Begin": {"id": str, "expires_at": int, "configuration": dict},
    "SpeechStarted": {"timestamp": int, "confidence": float},
    "Turn": TURN_TYPES,
    "Termination": {"audio_duration_seconds": int, "session_duration_seconds": int},
    "Error": {"error_code": int, "error": str},
    "Heartbeat": {
        "total_audio_received_ms": int,
        "total_duration_ms": int,
        "realtime_factor": float,
        "max_speech_probability": float,
    },
    "Silence": {"start_ms": int, "end_ms": int},
}
# A number between 0 and 1, as is every other one of type float but realtime_factor.
OPTIONAL = {"Turn": {"language_code": str, "language_confidence": float}}


class ProtocolReferee:
    """Follows one session and raises AssertionError at the first broken rule.

    Attributes:
        messages: all so far, parsed.
        close_code: None while the session is open.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._next_turn_order = 0

    @property
    def finals(self) -> list[dict[str, Any]]:
        """Turns that ended."""
        return [message for message in self.messages if message["type"] == "Turn" and message["end_of_turn"]]

    def see_text(self, text: str) -> None:
        """Judge one text frame."""
        assert self.close_code is None, f"after the close frame: {text}"
        message = json.loads(text, parse_constant=_refuse)
        kind = message.pop("type")
        # A session that is refused says only why.
        assert kind == "Error" or (kind == "Begin") == (not self.messages), f"{kind} as message {len(self.messages)}"
        last = self.messages[-1]["type"] if self.messages else ""
        assert last not in ("Termination", "Error"), f"{kind} after {last}"
        wanted = {**TYPES[kind], **OPTIONAL.get(kind, {})}
        assert TYPES[kind].keys() <= message.keys() <= wanted.keys(), f"{kind} with {sorted(message)}"
        for name, value in message.items():
            _judge(name, value, wanted[name])
        if kind == "Turn":
            self._see_turn(message)
        self.messages.append({"type": kind, **message})

    def see_close(self, code: int, reason: str) -> None:
        """Judge the close frame; a client that breaks WebSocket itself may cut the session's farewell short."""
        assert self.close_code is None, "a second close frame"
        assert len(reason.encode()) <= CLOSE_REASON_MAX_BYTES
        self.close_code = code
        if code in BROKEN_CLIENT_CODES:
            return
        last = self.messages[-1] if self.messages else {"type": ""}
        if last["type"] == "Error":
            assert code == last["error_code"]
        assert (code >= 3000) <= (last["type"] == "Error"), f"{code} without an Error"
        assert (last["type"] == "Termination") <= (code == 1000), f"{code} after Termination"

    def _see_turn(self, turn: dict[str, Any]) -> None:
        order = turn["turn_order"]
        assert order >= self._next_turn_order, f"turn {order} after turn {self._next_turn_order}"
        # A turn that was spoken of stays the least there can be; one that ended is never spoken of again.
        self._next_turn_order = order + turn["end_of_turn"]
        assert turn["words"], f"an empty turn: {turn}"
        for word in turn["words"]:
            assert word.keys() == WORD_TYPES.keys()
            for name, value in word.items():
                _judge(name, value, WORD_TYPES[name])
        if turn["end_of_turn"]:
            assert all(word["word_is_final"] for word in turn["words"])
            assert turn["transcript"] == " ".join(word["text"] for word in turn["words"])


def _judge(name: str, value: Any, wanted: type) -> None:
    if wanted is float:
        assert type(value) in (int, float), f"{name}: {value!r}"
        assert math.isfinite(value), f"{name}: {value!r}"
        assert name == "realtime_factor" or 0 <= value <= 1, f"{name}: {value!r}"
    else:
        assert type(value) is wanted, f"{name}: {value!r} is no {wanted.__name__}"


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")
