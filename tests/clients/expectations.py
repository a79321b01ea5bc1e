"""What every client must see of a session, whatever it calls its fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.clients.sessions import Heard
from tests.support.streaming import sample_text, words_wrong

WORDS_WRONG_LIMIT = 0.15  # of the embedded recogniser on the recordings of samples/
CLIENT_END_LIMIT_S = 5.0  # as long as the clients themselves wait for Termination
ENGLISH = "universal-streaming-english"
MULTILINGUAL = "universal-streaming-multilingual"
PRO = "universal-3-6-pro"
# The names that a stack serves: the Pro stack has no other model, the universal one takes Pro names too.
NAMES = {"universal": (ENGLISH, MULTILINGUAL, PRO), "u3pro": ("u3-rt-pro", "universal-3-5-pro", PRO)}
STACKS = tuple(NAMES)
# appointment.wav pauses from 4.0 to 5.5 s, longer than the default of max_turn_silence.
IN_THE_PAUSE_MS = 4800
LONG_SILENCE_MS = 5000
TOKEN_SESSION_LIMIT = timedelta(seconds=600)  # what the drivers ask for; without a limit sessions last three hours
FIRST_SENTENCE, SECOND_SENTENCE = (f"{part.rstrip('.')}." for part in sample_text("appointment.wav").split(". "))


def assert_transcribed(heard: Heard, recording: str) -> None:
    """The words of the recording came, in final turns that are numbered from 0."""
    assert words_wrong(sample_text(recording), heard.text) <= WORDS_WRONG_LIMIT, heard.report()
    orders = [turn["turn_order"] for turn in heard.of("Turn")]
    assert orders == sorted(orders), heard.report()
    assert [turn["turn_order"] for turn in heard.finals] == list(range(len(heard.finals))), heard.report()


def assert_ended_well(heard: Heard) -> None:
    """After Terminate came Termination and nothing more, no error before, and the client was not kept waiting."""
    assert not heard.of("Error"), heard.report()
    messages = [kind for kind in heard.kinds if kind in {"Begin", "SpeechStarted", "Turn", "Termination"}]
    assert (messages[0], messages[-1]) == ("Begin", "Termination"), heard.report()
    heard.one("Termination")
    waited_s = heard.one("closed")["at_s"] - heard.one("terminating")["at_s"]
    assert waited_s < CLIENT_END_LIMIT_S, heard.report()


def assert_formatted(heard: Heard) -> None:
    """Every final turn is flagged as formatted, and is."""
    assert heard.finals, heard.report()
    for turn in heard.finals:
        assert turn["turn_is_formatted"], heard.report()
        assert turn["transcript"][0].isupper(), heard.report()
        assert turn["transcript"].endswith("."), heard.report()


def assert_speech_started_before_each_turn(heard: Heard) -> None:
    """SpeechStarted comes once per turn, directly before the turn's first message."""
    order: int | None = None
    before = ""
    turns = 0
    for event in heard.events:
        if event["event"] == "Turn" and event["turn_order"] != order:
            order, turns = event["turn_order"], turns + 1
            assert before == "SpeechStarted", heard.report()
        if event["event"] in {"Turn", "SpeechStarted"}:
            before = event["event"]
    assert len(heard.of("SpeechStarted")) == turns > 0, heard.report()


def assert_partials_came_early(heard: Heard) -> None:
    """Turns came while audio was being sent, not only at the end."""
    partials = [turn for turn in heard.of("Turn") if not turn["end_of_turn"]]
    assert len(partials) >= 2, heard.report()
    assert partials[0]["at_s"] < heard.one("terminating")["at_s"], heard.report()


def assert_refused(heard: Heard, code: int, text: str) -> None:
    """The client reported one error, with this code and these words, and no session."""
    error = heard.one("Error")
    assert error["code"] == code, heard.report()
    assert text in error["text"], heard.report()
    assert not heard.of("Begin"), heard.report()


def assert_connected_with_a_limited_token(heard: Heard) -> None:
    """A token was made and used, and the session ends when the token says so."""
    assert heard.kinds[:2] == ["token", "Begin"], heard.report()
    expires_at = datetime.fromisoformat(heard.one("Begin")["expires_at"])
    assert expires_at <= datetime.now(UTC) + TOKEN_SESSION_LIMIT, heard.report()
