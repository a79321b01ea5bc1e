"""Programs that behave like the vendor's examples and load harness, against both stacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.expectations import (
    ENGLISH,
    MULTILINGUAL,
    NAMES,
    STACKS,
    WORDS_WRONG_LIMIT,
    assert_ended_well,
    assert_formatted,
    assert_partials_came_early,
    assert_refused,
    assert_speech_started_before_each_turn,
    assert_transcribed,
)
from tests.clients.sessions import RUNS_AT_ONCE, Client, ClientRun, Heard, client_run
from tests.support.streaming import sample_text, words_wrong

SCRIPT = Client("vendor-scripts", "vendor_script.py")
LOAD = Client("vendor-scripts", "vendor_load.py")
WEATHER, ORDER, APPOINTMENT = "weather.wav", "order.wav", "appointment.wav"
RATE = {"sample_rate": 16_000}
FORMATTED = {**RATE, "format_turns": "true"}
SHORT_FRAME_BYTES = 1600  # 50 ms at 16 kHz


def runs(
    query: dict[str, Any], stacks: tuple[str, ...] = STACKS, *, secure: bool = False, label: str, **options: Any
) -> list[ClientRun]:
    """Return a run of the script on each stack; without ``path`` it connects to the root."""
    return [client_run(SCRIPT, stack, secure=secure, label=label, query=query, **options) for stack in stacks]


RECORDING = runs(FORMATTED, label="no-model", audio=WEATHER)
SECURE = runs(FORMATTED, secure=True, label="no-model", audio=WEATHER)
NAMED = [
    run
    for stack in STACKS
    for name in NAMES[stack]
    for run in runs({**FORMATTED, "speech_model": name}, (stack,), label=name, audio=WEATHER)
]
PRO_NAMED = [run for run in NAMED if run.label not in {ENGLISH, MULTILINGUAL}]
KEYTERMS = runs(
    {**FORMATTED, "keyterms": json.dumps(["weekend", "chance of rain", "Kubernetes"])}, label="keyterms", audio=WEATHER
)


@pytest.mark.parametrize("run", [*RECORDING, *SECURE, *NAMED, *KEYTERMS])
def test_recording_is_transcribed_and_formatted(heard: Heard) -> None:
    """100 ms frames at real time to the root path, every field read without a default, close 1000 at the end."""
    assert_transcribed(heard, WEATHER)
    assert_partials_came_early(heard)
    assert_formatted(heard)
    assert_ended_well(heard)
    assert heard.one("closed")["code"] == 1000
    assert 0 < heard.one("terminating")["last_frame_bytes"] < SHORT_FRAME_BYTES


@pytest.mark.parametrize("run", PRO_NAMED)
def test_pro_name_announces_speech_with_a_confidence(heard: Heard) -> None:
    """Once per turn, before its first message."""
    assert_speech_started_before_each_turn(heard)
    assert all(0 < event["confidence"] <= 1 for event in heard.of("SpeechStarted"))


@pytest.mark.parametrize(
    "run",
    runs({**RATE, "language": "en"}, label="language-en", audio=APPOINTMENT)
    + runs({**RATE, "language": "multi"}, ("universal",), label="language-multi", audio=APPOINTMENT),
)
def test_recording_of_former_releases_is_transcribed(heard: Heard) -> None:
    """They named a language and asked for no formatting; the pause of the recording makes two turns."""
    assert_transcribed(heard, APPOINTMENT)
    assert len(heard.finals) == 2, heard.report()
    assert_ended_well(heard)


@pytest.mark.parametrize(
    "run",
    runs({**RATE, "language": "en"}, label="microphone-en", audio=ORDER, path="/v3/ws", frame_ms=200)
    + runs(
        {**RATE, "language": "multi"},
        ("universal",),
        label="microphone-multi",
        audio=ORDER,
        path="/v3/ws",
        frame_ms=200,
    )
    + runs({**RATE, "language": "en"}, secure=True, label="microphone-en", audio=ORDER, path="/v3/ws", frame_ms=200),
)
def test_microphone_example_is_transcribed(heard: Heard) -> None:
    """200 ms frames to /v3/ws, the model chosen by language."""
    assert_transcribed(heard, ORDER)
    assert_partials_came_early(heard)
    assert_ended_well(heard)


@pytest.mark.parametrize(
    "run",
    [
        client_run(
            LOAD,
            stack,
            label=f"{speed}x",
            places=RUNS_AT_ONCE,
            query=query,
            audio=APPOINTMENT,
            frame_ms=50,
            speed=speed,
            sessions=3,
        )
        for stack, query in (("universal", {**FORMATTED, "speech_model": ENGLISH}), ("u3pro", FORMATTED))
        for speed in (4, 40)
    ],
)
def test_load_harness_gets_every_word_at_several_times_real_time(run: ClientRun, heard: Heard) -> None:
    """50 ms frames, sessions at once; each gets all words, Termination and close 1000."""
    sessions = heard.of("session")
    assert len(sessions) == 3, heard.report()
    for session in sessions:
        assert words_wrong(sample_text(APPOINTMENT), session["words"]) <= WORDS_WRONG_LIMIT, heard.report()
        assert (session["terminated"], session["code"]) == (True, 1000), heard.report()


@pytest.mark.parametrize(
    "run", runs({**RATE, "keyterms": json.dumps(["term"] * 101)}, label="101-keyterms", audio=WEATHER)
)
def test_too_many_keyterms_are_an_error_before_begin(heard: Heard) -> None:
    """Under the script's own name for them; the socket is closed with the code of the error."""
    assert_refused(heard, 3006, "Max 100 items")
    assert heard.one("closed")["code"] == 3006


@pytest.mark.parametrize("run", runs({**RATE, "speech_model": "no-such-model"}, label="no-such-model", audio=WEATHER))
def test_unknown_model_is_an_error_before_begin(heard: Heard) -> None:
    """With what is accepted instead."""
    assert_refused(heard, 3006, "Invalid 'speech_model': Input should be ")
    assert heard.one("closed")["code"] == 3006
