"""The LiveKit plugin, outside a job, against both stacks."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

from tests.clients.expectations import CLIENT_END_LIMIT_S, ENGLISH, STACKS, WORDS_WRONG_LIMIT
from tests.clients.sessions import Client, ClientRun, Heard, client_run
from tests.support.streaming import sample_text, words_wrong

LIVEKIT = Client("livekit-plugin", "livekit_plugin.py")
# Its last frame of 50 ms is short: the recording ends in the middle of one.
RECORDING = "order.wav"
WHOLE = ("audio", (0, None))
SENTENCES = 2
# In the recording "people" ends here, and "on" follows without a pause.
CUT_MS = 2600
# The pause between the sentences is half a second.
LONG_SILENCE = {"min_turn_silence": 2000, "max_turn_silence": 2000}
SHORT_SILENCE = {"min_turn_silence": 100, "max_turn_silence": 200}
TRIES = 4


def stream(label: str, stack: str, *steps: tuple[str, Any], **options: Any) -> ClientRun:
    """Describe one stream that does these steps."""
    return client_run(LIVEKIT, stack, label=label, audio=RECORDING, steps=steps, **options)


DEFAULT = [stream("default", stack, WHOLE) for stack in STACKS]
IN_ENGLISH = stream("english", "universal", WHOLE, plugin={"model": ENGLISH, "format_turns": True})
FORCED = [
    stream(
        f"forced-{model.get('model', 'default')}",
        stack,
        ("audio", (0, CUT_MS)),
        ("force_endpoint", None),
        ("await_finals", 1),
        ("audio", (CUT_MS, None)),
        plugin={**model, **LONG_SILENCE},
    )
    for stack, model in (("universal", {"model": ENGLISH}), ("universal", {}), ("u3pro", {}))
]
LENGTHENED = [stream("lengthened", stack, ("update", LONG_SILENCE), WHOLE) for stack in STACKS]
SHORTENED = stream(
    "shortened", "universal", ("update", SHORT_SILENCE), WHOLE, plugin={"model": ENGLISH, **LONG_SILENCE}
)
PAUSED = stream("paused", "universal", WHOLE, plugin={"model": ENGLISH, **LONG_SILENCE})
REFUSED = [
    stream(f"refused-{model}", stack, ("await_failure", None), plugin={"model": model})
    for stack, model in (("universal", "no-such-model"), ("u3pro", "no-such-model"), ("u3pro", ENGLISH))
]


def finals(heard: Heard) -> list[str]:
    """Return the final transcripts."""
    return [event["text"] for event in heard.of("final_transcript")]


def assert_recorded(texts: list[str]) -> None:
    """These are the words of the recording."""
    assert words_wrong(sample_text(RECORDING), " ".join(texts)) <= WORDS_WRONG_LIMIT, texts


def speech_events(heard: Heard) -> list[str]:
    """Return the kinds of speech events in their order, a repeated kind once."""
    other = ("log", "did", "ended", "error", "raised")
    return [kind for kind, _ in groupby(kind for kind in heard.kinds if kind not in other)]


def logged(heard: Heard, text: str) -> bool:
    """Return whether the plugin logged a text."""
    return any(text in record["text"] for record in heard.of("log"))


@pytest.mark.parametrize("run", DEFAULT)
def test_default_stream_gives_each_turn_in_the_order_agents_rely_on(heard: Heard) -> None:
    """The default model is served; start of speech, interims, preflight, final, end of speech, for both sentences."""
    turn = ["start_of_speech", "interim_transcript", "preflight_transcript", "final_transcript", "end_of_speech"]
    assert speech_events(heard) == [*turn, "recognition_usage"] * SENTENCES, heard.report()
    assert_recorded(finals(heard))
    assert finals(heard) == [event["text"] for event in heard.of("preflight_transcript")]


@pytest.mark.parametrize("run", [PAUSED])
def test_preflight_comes_at_a_pause_inside_a_turn(heard: Heard) -> None:
    """Each sentence when it is complete, and both again at the end of the turn."""
    sentence = ["interim_transcript", "preflight_transcript"]
    turn = [*sentence * SENTENCES, "final_transcript", "end_of_speech", "recognition_usage"]
    assert speech_events(heard) == turn, heard.report()
    assert finals(heard) == [" ".join(event["text"] for event in heard.of("preflight_transcript"))]
    assert_recorded(finals(heard))


@pytest.mark.parametrize("run", DEFAULT)
def test_speech_starts_where_the_first_word_does(heard: Heard) -> None:
    """Its time is that of the sound, not of the message."""
    first, second = (event["speech_start_time_s"] for event in heard.of("start_of_speech"))
    starts_s = [event["start_s"] for event in heard.of("final_transcript")]
    assert second - first == pytest.approx(starts_s[1] - starts_s[0], abs=0.3)


@pytest.mark.parametrize("run", [*DEFAULT, IN_ENGLISH, PAUSED, *LENGTHENED, SHORTENED])
def test_stream_ends_promptly_and_nothing_in_it_is_strange_to_the_plugin(heard: Heard) -> None:
    """Termination arrives and the socket closes, also after a short last frame; every message was understood."""
    assert heard.one("ended")["after_s"] < CLIENT_END_LIMIT_S
    assert logged(heard, "AssemblyAI session terminated")
    assert not logged(heard, "unhandled")
    assert {record["level"] for record in heard.of("log")} <= {"DEBUG", "INFO"}, heard.report()


@pytest.mark.parametrize("run", [IN_ENGLISH])
def test_english_model_gives_interims_and_formatted_finals(heard: Heard) -> None:
    """With format_turns the plugin takes formatted messages only."""
    assert all(text[0].isupper() and text.endswith(".") for text in finals(heard)), heard.report()
    assert_recorded(finals(heard))
    assert heard.kinds.index("interim_transcript") < heard.kinds.index("final_transcript")
    assert not heard.of("start_of_speech")


@pytest.mark.parametrize("run", FORCED)
def test_forced_endpoint_ends_the_turn_without_more_audio(heard: Heard) -> None:
    """The final comes while nothing is sent, in the middle of speech; the rest is the next turn."""
    waited = [event.get("step") for event in heard.events].index("await_finals")
    (before,) = (event["text"] for event in heard.events[:waited] if event["event"] == "final_transcript")
    assert before.rstrip(".").endswith("people")
    assert len(finals(heard)) == 2
    assert_recorded(finals(heard))


@pytest.mark.parametrize("run", LENGTHENED)
def test_updated_silence_keeps_a_turn_open_that_ended_before(heard: Heard) -> None:
    """Both sentences are one turn."""
    (final,) = finals(heard)
    assert_recorded([final])


@pytest.mark.parametrize("run", [SHORTENED])
def test_updated_silence_ends_a_turn_that_was_to_stay_open(heard: Heard) -> None:
    """Each sentence is a turn."""
    assert len(finals(heard)) == SENTENCES
    assert_recorded(finals(heard))


@pytest.mark.parametrize("run", REFUSED)
def test_model_that_is_not_there_is_a_status_error_with_the_close_code(heard: Heard) -> None:
    """The framework tries again as often as it does, then raises."""
    errors = heard.of("error")
    assert [(error["kind"], error["code"]) for error in errors] == [("APIStatusError", 3006)] * TRIES, heard.report()
    assert [error["recoverable"] for error in errors] == [True] * (TRIES - 1) + [False]
    assert heard.one("raised")["kind"] == "APIConnectionError"
    assert not finals(heard)
