"""Messages between server and worker survive the way."""

from __future__ import annotations

import msgspec
import pytest

from services.asr.engines.base import (
    Closed,
    Failed,
    Hypothesis,
    ResumePoint,
    SessionChange,
    SpeechActivity,
    SpeechStarted,
    TurnEnd,
    TurnEndReason,
    Word,
)
from services.asr.engines.embedded.wire import (
    HEADER,
    Audio,
    Codec,
    Finish,
    ForceEndpoint,
    Open,
    Update,
    WorkerReady,
)
from tests.support.embedded_engine import universal_spec

WORD = Word(text="hello", start_ms=1, end_ms=2, confidence=0.5, is_final=False)
RESUME = ResumePoint(audio_start_ms=1, suppress_before_ms=2, turn_order=3, final_words=(WORD,))


@pytest.mark.parametrize(
    "command",
    [
        Open(universal_spec(resume=RESUME)),
        Audio(b"\x00\xff"),
        Update(SessionChange(keyterms=("a",))),
        ForceEndpoint(),
        Finish(),
    ],
)
def test_command_round_trip(command):
    """A worker reads what the server wrote."""
    codec = Codec()
    message = codec.encode(command)
    assert HEADER.unpack_from(message) == (len(message) - HEADER.size,)
    assert codec.command(message[HEADER.size :]) == command


@pytest.mark.parametrize(
    "report",
    [
        WorkerReady(7),
        SpeechStarted(turn_order=0, start_ms=1, confidence=0.5),
        Hypothesis(turn_order=0, words=(WORD,), audio_ms=3),
        TurnEnd(
            turn_order=0,
            words=(WORD,),
            reason=TurnEndReason.SILENCE,
            end_of_turn_confidence=1.0,
            silence_before_end_ms=4,
            audio_ms=5,
        ),
        SpeechActivity(audio_ms=1, max_speech_probability=0.5, silences=((0, 1),), replay_from_ms=0),
        Closed(audio_ms=1, turns=2, engine_cpu_ms=3),
        Failed(code="worker_died", message="gone"),
    ],
)
def test_report_round_trip(report):
    """The server reads what a worker wrote."""
    codec = Codec()
    assert codec.report(codec.encode(report)[HEADER.size :]) == report


def test_command_garbage_is_refused():
    """What is no command is an error, not a guess."""
    with pytest.raises(msgspec.MsgspecError):
        Codec().command(b"\xc1")
