"""The Pipecat service in a pipeline against both stacks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.expectations import CLIENT_END_LIMIT_S, ENGLISH, STACKS, WORDS_WRONG_LIMIT
from tests.clients.sessions import Client, ClientRun, Heard, client_run
from tests.support.streaming import sample_text, words_wrong

PIPECAT = Client("pipecat-service", "pipecat_service.py")
# Its last frame of 50 ms is short: the recording ends in the middle of one.
RECORDING = "order.wav"
WHOLE = ("audio", (0, None))
SENTENCES = 2
# In the pause between the sentences.
CUT_MS = 4000
# Longer than the pause between the sentences.
LONG_SILENCE = {"min_turn_silence": 2000}


def pipeline(label: str, stack: str, *steps: tuple[str, Any], **options: Any) -> ClientRun:
    """Describe one pipeline that does these steps."""
    return client_run(PIPECAT, stack, label=label, audio=RECORDING, steps=steps, **options)


DEFAULT = [pipeline("default", stack, WHOLE) for stack in STACKS]
IN_ENGLISH = pipeline("english", "universal", WHOLE, settings={"model": ENGLISH})
FORCED = [
    pipeline(
        f"forced-{settings.get('model', 'default')}",
        stack,
        ("audio", (0, CUT_MS)),
        ("await_finals", 1),
        ("audio", (CUT_MS, None)),
        ("await_finals", SENTENCES),
        detector=True,
        settings=settings,
    )
    for stack, settings in (("universal", {"model": ENGLISH}), ("universal", LONG_SILENCE), ("u3pro", LONG_SILENCE))
]
OWN_TURNS = [
    pipeline("own-turns", stack, WHOLE, service={"vad_force_turn_endpoint": False}, path="") for stack in STACKS
]
REMINDED = [
    pipeline("reminded", stack, ("update", {"agent_context": "What would you like?"}), WHOLE) for stack in STACKS
]
RECONNECTED = [
    pipeline("reconnected", stack, WHOLE, ("await_finals", SENTENCES), ("update", LONG_SILENCE), WHOLE)
    for stack in STACKS
]
REFUSED = [
    pipeline(f"refused-{model}", stack, ("await_unusable", None), settings={"model": model})
    for stack, model in (("universal", "no-such-model"), ("u3pro", "no-such-model"), ("u3pro", ENGLISH))
]


def finals(heard: Heard) -> list[str]:
    """Return the final transcripts."""
    return [event["text"] for event in heard.of("final")]


def assert_recorded(texts: list[str]) -> None:
    """These are the words of the recording."""
    assert words_wrong(sample_text(RECORDING), " ".join(texts)) <= WORDS_WRONG_LIMIT, texts


@pytest.mark.parametrize("run", DEFAULT)
def test_default_settings_give_interim_and_final_frames(heard: Heard) -> None:
    """The default model is served, and both sentences come before and after they are complete."""
    assert heard.kinds.index("interim") < heard.kinds.index("final")
    assert len(finals(heard)) == SENTENCES
    assert all(text[0].isupper() and text.endswith(".") for text in finals(heard))
    assert_recorded(finals(heard))
    assert {event["language"] for event in heard.of("final")} == {"en"}


@pytest.mark.parametrize("run", [*DEFAULT, IN_ENGLISH, *FORCED, *OWN_TURNS, *REMINDED, *RECONNECTED])
def test_clean_session_has_no_error_frame_and_ends_promptly(heard: Heard) -> None:
    """Termination arrives, also after a short last frame; every message was understood."""
    assert not heard.of("error_frame"), heard.report()
    assert {record["level"] for record in heard.of("log")} <= {"INFO"}, heard.report()
    assert "Session Terminated" in heard.of("log")[-1]["text"]
    assert heard.one("ended")["after_s"] < CLIENT_END_LIMIT_S


@pytest.mark.parametrize("run", [IN_ENGLISH])
def test_english_model_gives_an_interim_at_a_pause_and_a_final(heard: Heard) -> None:
    """The service takes formatted finals only, so it was one; of the interims it takes the words that stay."""
    (final,) = finals(heard)
    assert_recorded([final])
    assert heard.of("interim")[0]["text"].endswith("night")


@pytest.mark.parametrize("run", FORCED)
def test_final_follows_when_the_local_detector_hears_the_end(heard: Heard) -> None:
    """The service forces the end of the turn, where no silence would have ended it, and knows the final as its own."""
    assert len(finals(heard)) == SENTENCES, heard.report()
    assert heard.kinds.index("detector_stopped") < heard.kinds.index("final")
    assert [event["finalized"] for event in heard.of("final")] == [True] * SENTENCES
    assert_recorded(finals(heard))


@pytest.mark.parametrize("run", OWN_TURNS)
def test_speech_started_opens_a_turn_that_the_final_closes(heard: Heard) -> None:
    """Where the service follows our turns instead of its detector's, the start comes before any word."""
    kinds = [kind for kind in heard.kinds if kind in ("turn_started", "interim", "final", "turn_stopped")]
    assert (kinds[0], kinds[1]) == ("turn_started", "interim"), heard.report()
    assert kinds[-2:] == ["final", "turn_stopped"]
    assert_recorded(finals(heard))


@pytest.mark.parametrize("run", REMINDED)
def test_update_of_the_agents_words_goes_into_the_open_session(heard: Heard) -> None:
    """UpdateConfiguration is accepted; the service stays connected."""
    assert heard.kinds.count("connected") == 1
    assert_recorded(finals(heard))


@pytest.mark.parametrize("run", RECONNECTED)
def test_update_of_other_settings_holds_in_a_second_session(heard: Heard) -> None:
    """The service ends one session and begins another: two turns before, one after."""
    assert heard.kinds.count("connected") == 2
    again = len(heard.kinds) - heard.kinds[::-1].index("connected")
    before, after = (
        [event["text"] for event in part if event["event"] == "final"]
        for part in (heard.events[:again], heard.events[again:])
    )
    assert (len(before), len(after)) == (SENTENCES, 1), heard.report()
    for texts in (before, after):
        assert_recorded(texts)


@pytest.mark.parametrize("run", REFUSED)
def test_model_that_is_not_there_makes_the_service_unusable(heard: Heard) -> None:
    """An error frame tells of the Error message, the log of the code; it connects again and then gives up."""
    assert heard.of("error_frame")[0]["text"].endswith("Unknown message type: Error")
    assert any("received 3006" in record["text"] for record in heard.of("log")), heard.report()
    assert heard.kinds.count("connected") > 1
    assert heard.of("usable_changed")[-1]["usable"] is False
    assert not heard.of("interim") + heard.of("final")
