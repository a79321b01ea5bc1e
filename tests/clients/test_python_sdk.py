"""The vendor's Python SDK 1.8.2, both clients, against both stacks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.expectations import (
    ENGLISH,
    FIRST_SENTENCE,
    IN_THE_PAUSE_MS,
    LONG_SILENCE_MS,
    MULTILINGUAL,
    NAMES,
    PRO,
    SECOND_SENTENCE,
    STACKS,
    assert_connected_with_a_limited_token,
    assert_ended_well,
    assert_formatted,
    assert_partials_came_early,
    assert_refused,
    assert_speech_started_before_each_turn,
    assert_transcribed,
)
from tests.clients.sessions import Client, ClientRun, Heard, client_run
from tests.support.streaming import words_wrong

CLIENTS = (Client("python-sdk", "python_sdk_sync.py"), Client("python-sdk", "python_sdk_async.py"))
WEATHER, ORDER, APPOINTMENT = "weather.wav", "order.wav", "appointment.wav"
PATIENT = [200, "set_params", {"min_turn_silence": LONG_SILENCE_MS, "max_turn_silence": LONG_SILENCE_MS}]
TERMS = ["Kubernetes", "water bill", "Friday"]


def runs(stacks: tuple[str, ...] = STACKS, *, secure: bool = False, label: str, **options: Any) -> list[ClientRun]:
    """Return a run of each client on each stack."""
    return [client_run(client, stack, secure=secure, label=label, **options) for client in CLIENTS for stack in stacks]


PLAIN = runs(label="no-model", audio=WEATHER)
SECURE = runs(secure=True, label="no-model", audio=ORDER)
NAMED = [
    run
    for stack in STACKS
    for name in NAMES[stack]
    for run in runs((stack,), label=name, audio=ORDER, parameters={"speech_model": name, "format_turns": True})
]
PRO_NAMED = [run for run in NAMED if run.label not in {ENGLISH, MULTILINGUAL}]
UNIVERSAL_NAMED = [run for run in NAMED if run.label in {ENGLISH, MULTILINGUAL}]
KEYTERMS = runs(label="keyterms", audio=ORDER, parameters={"keyterms_prompt": TERMS})
TOKEN = runs(secure=True, label="token", bare_host=True, token=True, audio=WEATHER)
PATIENT_TURN = runs(label="set-params", audio=APPOINTMENT, at=[PATIENT])
FORCED_TURN = runs(
    label="force-endpoint",
    audio=APPOINTMENT,
    at=[PATIENT, [1000, "keep_alive"], [IN_THE_PAUSE_MS, "force_endpoint"]],
)
DETECTION = [
    run
    for stack, name in (("universal", MULTILINGUAL), ("u3pro", PRO))
    for run in runs(
        (stack,), label="detection", audio=WEATHER, parameters={"speech_model": name, "language_detection": True}
    )
]


@pytest.mark.parametrize("run", [*PLAIN, *SECURE, *TOKEN])
def test_recording_is_transcribed_over_either_transport(run: ClientRun, heard: Heard) -> None:
    """With nothing but a sample rate; over TLS the certificate comes from SSL_CERT_FILE."""
    assert_transcribed(heard, ORDER if run in SECURE else WEATHER)
    assert_partials_came_early(heard)
    assert_ended_well(heard)


@pytest.mark.parametrize("run", TOKEN)
def test_temporary_token_of_the_stack_connects(heard: Heard) -> None:
    """Made over https with the key, then used instead of it, and its session limit holds."""
    assert_connected_with_a_limited_token(heard)
    assert_ended_well(heard)


@pytest.mark.parametrize("run", NAMED)
def test_named_model_gives_formatted_finals(run: ClientRun, heard: Heard) -> None:
    """Each name that the stack serves, echoed as it was asked for."""
    assert heard.one("Begin")["configuration"]["model"] == run.label
    assert_transcribed(heard, ORDER)
    assert_formatted(heard)
    assert_ended_well(heard)


@pytest.mark.parametrize("run", PRO_NAMED)
def test_pro_name_announces_speech_before_each_turn(heard: Heard) -> None:
    """On both stacks; interruptible agents wait for it."""
    assert_speech_started_before_each_turn(heard)


@pytest.mark.parametrize("run", UNIVERSAL_NAMED)
def test_universal_name_sends_no_speech_started(heard: Heard) -> None:
    """Clients of these models do not know the message."""
    assert not heard.of("SpeechStarted")


@pytest.mark.parametrize("run", PATIENT_TURN)
def test_set_params_keeps_a_turn_open_over_a_pause(heard: Heard) -> None:
    """By default the pause of the recording ends a turn."""
    assert len(heard.finals) == 1, heard.report()
    assert_transcribed(heard, APPOINTMENT)
    assert_ended_well(heard)


@pytest.mark.parametrize("run", FORCED_TURN)
def test_force_endpoint_ends_the_turn_at_once(heard: Heard) -> None:
    """The first sentence is final before the second is sent; keep_alive changes nothing."""
    assert len(heard.finals) == 2, heard.report()
    for turn, sentence in zip(heard.finals, (FIRST_SENTENCE, SECOND_SENTENCE), strict=True):
        assert words_wrong(sentence, turn["transcript"]) <= 0.2, heard.report()
    forced = next(event for event in heard.of("called") if event["method"] == "force_endpoint")
    assert forced["at_s"] < heard.finals[0]["at_s"] < heard.one("terminating")["at_s"], heard.report()
    assert_ended_well(heard)


@pytest.mark.parametrize("run", KEYTERMS)
def test_three_keyterms_are_accepted(heard: Heard) -> None:
    """And no recognition is lost by them."""
    assert_transcribed(heard, ORDER)
    assert_ended_well(heard)


@pytest.mark.parametrize("run", runs(label="101-keyterms", parameters={"keyterms_prompt": ["term"] * 101}))
def test_too_many_keyterms_reach_the_error_callback(heard: Heard) -> None:
    """Before Begin, with code and reason."""
    assert_refused(heard, 3006, "Invalid 'keyterms_prompt': Value error, Max 100 items")


@pytest.mark.parametrize("run", runs(label="whisper", parameters={"speech_model": "whisper-rt"}))
def test_unknown_model_reaches_the_error_callback(heard: Heard) -> None:
    """The SDK knows a name that no stack of ours serves."""
    assert_refused(heard, 3006, "Invalid 'speech_model': Input should be ")


@pytest.mark.parametrize("run", runs(("u3pro",), label="undeployed", parameters={"speech_model": ENGLISH}))
def test_model_of_the_other_stack_reaches_the_error_callback(heard: Heard) -> None:
    """With the name and what is served instead."""
    assert_refused(heard, 3006, f"'{ENGLISH}' is not deployed on this server, which serves 'u3-rt-pro'")


@pytest.mark.parametrize(
    "run",
    runs(label="bad-update", audio=WEATHER, at=[[500, "set_params", {"end_of_turn_confidence_threshold": 2.0}]]),
)
def test_invalid_update_reaches_the_error_callback_and_ends_the_session(heard: Heard) -> None:
    """A session that has begun ends with the same kind of error, and no Termination."""
    assert heard.one("Error")["code"] == 3006, heard.report()
    assert "Invalid 'end_of_turn_confidence_threshold'" in heard.one("Error")["text"]
    assert heard.one("Begin")["at_s"] < heard.one("Error")["at_s"]
    assert not heard.of("Termination")


@pytest.mark.parametrize("run", DETECTION)
def test_language_detection_is_accepted_and_claims_nothing(heard: Heard) -> None:
    """The embedded recogniser knows one language and cannot tell, so no language is named."""
    assert_transcribed(heard, WEATHER)
    assert all(turn["language_code"] is None for turn in heard.of("Turn"))
    assert_ended_well(heard)
