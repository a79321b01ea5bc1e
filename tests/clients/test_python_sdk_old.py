"""The vendor's Python SDK 0.46.0, which speaks TLS only, against both stacks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.expectations import (
    ENGLISH,
    FIRST_SENTENCE,
    IN_THE_PAUSE_MS,
    LONG_SILENCE_MS,
    MULTILINGUAL,
    SECOND_SENTENCE,
    STACKS,
    assert_connected_with_a_limited_token,
    assert_ended_well,
    assert_formatted,
    assert_partials_came_early,
    assert_transcribed,
)
from tests.clients.sessions import Client, ClientRun, Heard, client_run
from tests.support.streaming import words_wrong

OLD = Client("python-sdk-0.46", "python_sdk_sync.py")
WEATHER, ORDER, APPOINTMENT = "weather.wav", "order.wav", "appointment.wav"


def runs(stacks: tuple[str, ...] = STACKS, *, label: str, **options: Any) -> list[ClientRun]:
    """Return a run on each stack; this release is given a host without scheme."""
    return [client_run(OLD, stack, secure=True, label=label, bare_host=True, **options) for stack in stacks]


@pytest.mark.parametrize("run", runs(label="no-model", audio=WEATHER))
def test_recording_is_transcribed(heard: Heard) -> None:
    """Messages that this release does not know, SpeechStarted among them, are passed over."""
    assert_transcribed(heard, WEATHER)
    assert_partials_came_early(heard)
    assert_ended_well(heard)


@pytest.mark.parametrize("run", runs(label="token", audio=WEATHER, token=True))
def test_temporary_token_of_the_stack_connects(heard: Heard) -> None:
    """Made over https with the key, then used instead of it; its session limit holds."""
    assert_connected_with_a_limited_token(heard)
    assert_transcribed(heard, WEATHER)
    assert_ended_well(heard)


@pytest.mark.parametrize(
    "run",
    [
        run
        for name in (ENGLISH, MULTILINGUAL)
        for run in runs(
            ("universal",), label=name, audio=ORDER, parameters={"speech_model": name, "format_turns": True}
        )
    ]
    + runs(("u3pro",), label="formatted", audio=ORDER, parameters={"format_turns": True}),
)
def test_model_gives_formatted_finals(heard: Heard) -> None:
    """Both names that this release knows, and none where only Pro models are served."""
    assert_transcribed(heard, ORDER)
    assert_formatted(heard)
    assert_ended_well(heard)


@pytest.mark.parametrize(
    "run",
    runs(
        label="mid-session",
        audio=APPOINTMENT,
        parameters={"keyterms_prompt": ["call back", "Tuesday", "it's me"]},
        at=[
            [
                200,
                "set_params",
                {"min_end_of_turn_silence_when_confident": LONG_SILENCE_MS, "max_turn_silence": LONG_SILENCE_MS},
            ],
            [IN_THE_PAUSE_MS, "force_endpoint"],
        ],
    ),
)
def test_updates_by_their_old_names_hold_until_force_endpoint(heard: Heard) -> None:
    """Keyterms arrive as Python writes a list; the first sentence is final before the second is sent."""
    assert len(heard.finals) == 2, heard.report()
    for turn, sentence in zip(heard.finals, (FIRST_SENTENCE, SECOND_SENTENCE), strict=True):
        assert words_wrong(sentence, turn["transcript"]) <= 0.2, heard.report()
    forced = next(event for event in heard.of("called") if event["method"] == "force_endpoint")
    assert forced["at_s"] < heard.finals[0]["at_s"] < heard.one("terminating")["at_s"], heard.report()
    assert_ended_well(heard)


# A Terminate that this release sends before it sees the close keeps its writing thread for ever, so audio goes first.
REFUSED = {"audio": WEATHER, "speed": 8}


@pytest.mark.parametrize("run", runs(label="101-keyterms", parameters={"keyterms_prompt": ["term"] * 101}, **REFUSED))
def test_too_many_keyterms_reach_the_error_callback(heard: Heard) -> None:
    """Through the close, as this release has no Error message."""
    assert refusals(heard) == {
        (3006, "User Input Validation Error: Invalid 'keyterms_prompt': Value error, Max 100 items")
    }


@pytest.mark.parametrize("run", runs(("u3pro",), label="undeployed", parameters={"speech_model": ENGLISH}, **REFUSED))
def test_model_of_the_other_stack_reaches_the_error_callback(heard: Heard) -> None:
    """Through the close, whose reason has no room for the long text of this error."""
    assert refusals(heard) == {(3006, "See Error message for details")}


def refusals(heard: Heard) -> set[tuple[int, str]]:
    """Return code and text of each error that was reported; both threads of this release report the same close."""
    assert not heard.of("Begin"), heard.report()
    return {(error["code"], error["text"]) for error in heard.of("Error")}
