"""Turns, texts and latency of one transcribed recording."""

from __future__ import annotations

import json

import pytest

from runtime.errors import UpstreamError
from tui.live import session_url
from tui.transcription import Began, PartialText, Refused, Terminated, Timing, Transcription, TurnEnded, timing_of

BLOCK_MS = 100
STARTED_MS = 50_000


def _word(text: str, start: int, end: int, *, is_final: bool = True) -> dict[str, object]:
    return {"text": text, "start": start, "end": end, "confidence": 0.9, "word_is_final": is_final}


def _turn(order: int, words: list[dict[str, object]], transcript: str = "", *, end: bool = False) -> str:
    return json.dumps(
        {
            "type": "Turn",
            "turn_order": order,
            "turn_is_formatted": False,
            "end_of_turn": end,
            "transcript": transcript,
            "utterance": "",
            "end_of_turn_confidence": 0.5,
            "words": words,
        }
    )


def _sent_in_real_time(seconds: float) -> Transcription:
    """Return a transcription whose block k, of 100 ms, left k x 100 ms after the start."""
    transcription = Transcription()
    for number in range(int(seconds * 1000 / BLOCK_MS)):
        transcription.note_sent((number + 1) * BLOCK_MS, STARTED_MS + number * BLOCK_MS)
    return transcription


def test_begin_gives_the_session_and_the_echoed_model() -> None:
    """Begin is reported once."""
    transcription = Transcription()
    transcription.receive('{"type":"Begin","id":"s1","expires_at":1,"configuration":{"model":"m"}}', 0)
    assert transcription.take_output() == [Began("s1", "m")]
    assert transcription.take_output() == []


def test_partial_shows_words_that_are_not_final_yet() -> None:
    """The transcript of a partial holds final words only; readers see all of them."""
    transcription = Transcription()
    transcription.receive(_turn(0, [_word("good", 0, 200), _word("mor", 200, 300, is_final=False)], "good"), 0)
    assert transcription.take_output() == [PartialText(0, "good mor")]


def test_equal_partials_are_reported_once() -> None:
    """A message that changes no text gives no new line."""
    transcription = Transcription()
    for _ in range(3):
        transcription.receive(_turn(0, [_word("good", 0, 200, is_final=False)]), 0)
    assert transcription.take_output() == [PartialText(0, "good")]


def test_final_turn_measures_from_sending_the_word_to_its_text() -> None:
    """First text counts from the first word's start, the final from the last word's end."""
    transcription = _sent_in_real_time(2)
    transcription.receive(_turn(0, [_word("good", 420, 600, is_final=False)]), STARTED_MS + 900)
    transcription.receive(
        _turn(0, [_word("good", 420, 600), _word("day", 650, 980)], "good day", end=True), STARTED_MS + 1_500
    )
    (_, ended) = transcription.take_output()
    assert isinstance(ended, TurnEnded)
    # The word's start lies in the block sent at 400 ms, its end in the one sent at 900 ms.
    assert (ended.turn.first_text_ms, ended.turn.final_ms) == (500, 600)
    assert (ended.turn.start_ms, ended.turn.end_ms, ended.turn.text) == (420, 980, "good day")


def test_formatted_twin_replaces_the_text_but_not_the_latency() -> None:
    """Two finals of one turn are one turn, with the better text and the first one's time."""
    transcription = _sent_in_real_time(1)
    transcription.receive(_turn(0, [_word("good", 0, 400)], "good", end=True), STARTED_MS + 700)
    transcription.receive(_turn(0, [_word("Good.", 0, 400)], "Good.", end=True), STARTED_MS + 900)
    (turn,) = transcription.turns
    assert (turn.text, turn.final_ms) == ("Good.", 400)
    assert len([output for output in transcription.take_output() if isinstance(output, TurnEnded)]) == 1


def test_text_joins_turns_in_order() -> None:
    """The whole text is the finals by turn order."""
    transcription = Transcription()
    transcription.receive(_turn(1, [], "two", end=True), 0)
    transcription.receive(_turn(0, [], "one", end=True), 0)
    assert transcription.text == "one two"


def test_final_without_words_has_no_latency() -> None:
    """There is no word to count from."""
    transcription = _sent_in_real_time(1)
    transcription.receive(_turn(0, [], "", end=True), STARTED_MS + 5)
    assert timing_of(transcription.turns) == Timing()


def test_timing_takes_the_median_and_the_slowest_turn() -> None:
    """Latency is summed up over turns."""
    transcription = _sent_in_real_time(4)
    for order, late_ms in enumerate((300, 900, 500)):
        end_ms = 1_000 * (order + 1)
        sent_ms = STARTED_MS + end_ms - BLOCK_MS
        transcription.receive(_turn(order, [_word("x", end_ms - 200, end_ms)], "x", end=True), sent_ms + late_ms)
    assert timing_of(transcription.turns) == Timing(400, 500, 900)


def test_termination_ends_the_session() -> None:
    """Termination is the last message."""
    transcription = Transcription()
    transcription.receive('{"type":"Termination","audio_duration_seconds":3,"session_duration_seconds":4}', 0)
    assert transcription.is_over
    assert transcription.take_output() == [Terminated(3)]


def test_error_ends_the_session_with_code_and_text() -> None:
    """An Error frame is kept word for word."""
    transcription = Transcription()
    transcription.receive('{"type":"Error","error_code":3006,"error":"bad"}', 0)
    assert transcription.is_over
    assert transcription.take_output() == [Refused(3006, "bad")]


def test_unknown_message_type_is_passed_over() -> None:
    """Newer gateways may say more."""
    transcription = Transcription()
    transcription.receive('{"type":"Heartbeat","total_duration_ms":1}', 0)
    assert transcription.take_output() == []


@pytest.mark.parametrize("raw", ["not json", "[1]", '{"no":"type"}', '{"type":"Turn"}', b"\xff"])
def test_message_that_breaks_the_protocol_is_an_upstream_error(raw: str | bytes) -> None:
    """Whatever answers is named as not speaking the protocol."""
    with pytest.raises(UpstreamError):
        Transcription().receive(raw, 0)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("ws://h:1", "ws://h:1?sample_rate=16000"),
        ("ws://h:1/v3/ws", "ws://h:1/v3/ws?sample_rate=16000"),
        ("wss://h?token=a%20b", "wss://h?token=a+b&sample_rate=16000"),
    ],
)
def test_session_url_keeps_the_endpoints_own_path_and_query(endpoint: str, url: str) -> None:
    """Path and query given by the operator stay."""
    assert session_url(endpoint, 16_000, None) == url


def test_session_url_names_the_asked_model() -> None:
    """A model is one more query parameter."""
    assert session_url("ws://h", 8_000, "u3-rt-pro") == "ws://h?sample_rate=8000&speech_model=u3-rt-pro"
