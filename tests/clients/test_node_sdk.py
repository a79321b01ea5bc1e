"""The vendor's Node SDK, which speaks TLS only, against both stacks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.clients.expectations import (
    ENGLISH,
    PRO,
    STACKS,
    assert_formatted,
    assert_speech_started_before_each_turn,
    assert_transcribed,
)
from tests.clients.sessions import Client, ClientRun, Heard, client_run

NODE = Client("node-sdk", "node_sdk.mjs")
RECORDING = "order.wav"
WHOLE = ("audio", (0, None))
# In the recording "people" ends here, and "on" follows without a pause.
CUT_MS = 2600
# The recording holds one pause, of half a second.
NO_PAUSE_ENDS = {"minTurnSilence": 2000, "maxTurnSilence": 4000}
EACH_PAUSE_ENDS = {"min_turn_silence": 100, "max_turn_silence": 200}
TRIES = 3


def session(label: str, stack: str, *steps: tuple[str, Any], **options: Any) -> ClientRun:
    """Describe one session that does these steps."""
    return client_run(NODE, stack, secure=True, label=label, audio=RECORDING, steps=steps, **options)


IN_ENGLISH = session("english", "universal", WHOLE, transcriber={"speechModel": ENGLISH, "formatTurns": True})
WITH_PRO = [session("pro", stack, WHOLE, transcriber={"speechModel": PRO}) for stack in STACKS]
FORCED = [
    session(
        "forced",
        stack,
        ("audio", (0, CUT_MS)),
        ("force_endpoint", None),
        ("await_finals", 1),
        ("audio", (CUT_MS, None)),
        transcriber=NO_PAUSE_ENDS,
    )
    for stack in STACKS
]
UPDATED = [
    session(
        f"updated-{model}",
        stack,
        ("update", EACH_PAUSE_ENDS),
        ("keep_alive", None),
        WHOLE,
        transcriber={"speechModel": model, **NO_PAUSE_ENDS},
    )
    for stack, model in (("universal", ENGLISH), ("universal", PRO), ("u3pro", PRO))
]
REFUSED = [
    session(f"refused-{model}", stack, WHOLE, transcriber={"speechModel": model})
    for stack, model in (("universal", "no-such-model"), ("u3pro", "no-such-model"), ("u3pro", ENGLISH))
]
TOKEN_S = 600
BY_TOKEN = [
    session("token", stack, WHOLE, token={"expires_in_seconds": 60, "max_session_duration_seconds": TOKEN_S})
    for stack in STACKS
]


@pytest.mark.parametrize("run", [IN_ENGLISH, *WITH_PRO])
def test_session_over_tls_gives_partials_and_formatted_finals(heard: Heard) -> None:
    """What was said comes while it is said, then with case and punctuation; the session ends by itself."""
    assert (heard.kinds[0], heard.kinds[-1]) == ("Begin", "closed"), heard.report()
    first = heard.of("Turn")[0]
    assert not first["end_of_turn"]
    assert first["words"]
    assert_formatted(heard)
    assert_transcribed(heard, RECORDING)


@pytest.mark.parametrize("run", WITH_PRO)
def test_speech_started_comes_before_each_turn_of_a_pro_model(heard: Heard) -> None:
    """Once for each turn."""
    assert_speech_started_before_each_turn(heard)


@pytest.mark.parametrize("run", [IN_ENGLISH])
def test_speech_started_is_not_sent_by_the_english_model(heard: Heard) -> None:
    """Only Pro models send it."""
    assert not heard.of("SpeechStarted")


@pytest.mark.parametrize(
    ("run", "model"),
    [
        (session("no-model", "universal", WHOLE, path=""), ENGLISH),
        (session("no-model", "u3pro", WHOLE, path=""), "u3-rt-pro"),
    ],
)
def test_session_without_model_and_path_gets_the_model_of_the_stack(heard: Heard, model: str) -> None:
    """The SDK sends none by itself, and asks for the path it is given."""
    assert heard.one("Begin")["configuration"]["model"] == model
    assert_transcribed(heard, RECORDING)


@pytest.mark.parametrize("run", FORCED)
def test_forced_endpoint_ends_the_turn_without_more_audio(heard: Heard) -> None:
    """The final comes while nothing is sent, in the middle of speech; the rest is the next turn."""
    waited = [event.get("step") for event in heard.events].index("await_finals")
    before = [turn for turn in heard.events[:waited] if turn["event"] == "Turn" and turn["end_of_turn"]]
    assert [turn["turn_order"] for turn in before] == [0]
    assert before[0]["transcript"].rstrip(".").endswith("people")
    assert [turn["turn_order"] for turn in heard.finals] == [0, 1]
    assert_transcribed(heard, RECORDING)


@pytest.mark.parametrize("run", UPDATED)
def test_updated_silence_ends_a_turn_that_was_to_stay_open(heard: Heard) -> None:
    """Half a second of silence ends a turn now, and a KeepAlive hurts nobody."""
    assert [turn["turn_order"] for turn in heard.finals] == [0, 1], heard.report()
    assert_transcribed(heard, RECORDING)
    assert not heard.of("warned")


@pytest.mark.parametrize("run", REFUSED)
def test_model_that_is_not_there_rejects_the_promise_after_three_tries(heard: Heard) -> None:
    """With the code and the text of the Error message."""
    assert heard.kinds == ["warned"] * (TRIES - 1) + ["rejected"], heard.report()
    rejected = heard.one("rejected")
    assert rejected["code"] == 3006
    assert "speech_model" in rejected["text"]


@pytest.mark.parametrize("run", BY_TOKEN)
def test_token_fetched_over_http_opens_a_session_over_tls(heard: Heard) -> None:
    """It is the token that opens it: the session is as short as the token allows."""
    assert heard.one("token")["token"]
    assert heard.one("Begin")["expires_at"] <= time.time() + TOKEN_S
    assert_transcribed(heard, RECORDING)
