"""Recogniser events to messages: finality, utterances, onset, formatting, language."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import asr_v1_pb2 as asr
from services.gateway.models import TurnStyle
from services.gateway.turns import MessageRules, TurnAssembler
from tests.support.asr_events import (
    activity,
    hypothesis,
    language,
    ready,
    speech_started,
    statistics,
    turn_end,
    utterance_end,
)


def assembler(
    style: TurnStyle = TurnStyle.UNIVERSAL,
    *,
    format_turns: bool = False,
    include_partial_turns: bool = True,
    language_detection: bool = False,
    punctuates: bool = False,
) -> TurnAssembler:
    """Return an assembler before its first turn."""
    return TurnAssembler(
        MessageRules(style, format_turns, include_partial_turns, language_detection, punctuates=punctuates)
    )


def told(to: TurnAssembler, *events: asr.RecognizeResponse) -> list[dict[str, Any]]:
    """Return the messages of some events as a client reads them."""
    return [json.loads(message.encode()) for event in events for message in to.receive(event)]


def test_partial_universal_transcript_holds_final_words_only() -> None:
    """The text is what will not change; the rest shows in the words."""
    (partial,) = told(assembler(), hypothesis("pay the inv", final_words=2, score=0.25))
    assert partial["transcript"] == "pay the"
    assert [word["word_is_final"] for word in partial["words"]] == [True, True, False]
    assert partial["words"][2] == {
        "text": "inv", "start": 500, "end": 700, "confidence": 0.9, "word_is_final": False,
    }  # fmt: skip
    assert partial["end_of_turn_confidence"] == 0.25
    assert (partial["end_of_turn"], partial["turn_is_formatted"], partial["utterance"]) == (False, False, "")


def test_partial_universal_first_has_empty_transcript() -> None:
    """A first partial is one word that may still grow."""
    (partial,) = told(assembler(), hypothesis("inv"))
    assert partial["transcript"] == ""
    assert len(partial["words"]) == 1


def test_partial_pro_shows_the_whole_turn_with_no_word_final() -> None:
    """Pro partials are re-transcriptions: all text, nothing final, confidence 0."""
    (partial,) = told(assembler(TurnStyle.PRO), hypothesis("pay the inv", final_words=2, score=0.25))
    assert partial["transcript"] == "pay the inv"
    assert not any(word["word_is_final"] for word in partial["words"])
    assert (partial["end_of_turn_confidence"], partial["turn_is_formatted"], partial["utterance"]) == (0, False, "")


def test_partial_without_words_is_not_sent() -> None:
    """An empty hypothesis is nothing a client can use."""
    assert told(assembler(), hypothesis("")) == []


@pytest.mark.parametrize("style", TurnStyle)
def test_partial_not_wanted_is_not_sent(style: TurnStyle) -> None:
    """include_partial_turns=false leaves only finals, with their whole utterance."""
    quiet = assembler(style, include_partial_turns=False)
    assert told(quiet, hypothesis("one two"), utterance_end(0, 2)) == []
    (final,) = told(quiet, turn_end("one two"))
    assert final["utterance"] == final["transcript"]


def test_final_universal_is_raw_without_format_turns() -> None:
    """One final, unformatted, all words final, the model's score."""
    (final,) = told(assembler(), hypothesis("pay the"), turn_end("pay the invoice", score=0.83))[1:]
    assert (final["end_of_turn"], final["turn_is_formatted"]) == (True, False)
    assert final["transcript"] == final["utterance"] == "pay the invoice"
    assert all(word["word_is_final"] for word in final["words"])
    assert final["end_of_turn_confidence"] == 0.83


def test_final_universal_with_format_turns_is_one_formatted_message() -> None:
    """The one final has turn_is_formatted, without which Pipecat produces nothing."""
    messages = told(assembler(format_turns=True), turn_end("what i said"))
    assert [(m["turn_is_formatted"], m["transcript"]) for m in messages] == [(True, "What I said.")]
    assert [word["text"] for word in messages[0]["words"]] == ["What", "I", "said."]
    assert messages[0]["utterance"] == "What I said."


@pytest.mark.parametrize("format_turns", [False, True])
def test_final_pro_is_formatted_whatever_was_asked(format_turns: bool) -> None:
    """Exactly one final a turn, formatted, confidence 1, utterance equal to the transcript."""
    (final,) = told(assembler(TurnStyle.PRO, format_turns=format_turns), turn_end("what i said", score=0.2))
    assert (final["turn_is_formatted"], final["end_of_turn_confidence"]) == (True, 1)
    assert final["transcript"] == final["utterance"] == "What I said."


def test_final_engine_that_punctuates_keeps_its_text() -> None:
    """Text that is already written is left alone."""
    (final,) = told(assembler(format_turns=True, punctuates=True), turn_end("iPhone, please"))
    assert (final["turn_is_formatted"], final["transcript"]) == (True, "iPhone, please")


def test_final_formatting_changes_no_time() -> None:
    """Only the text of a word may change at the end of its turn."""
    raw = told(assembler(), turn_end("what i said"))[0]["words"]
    written = told(assembler(format_turns=True), turn_end("what i said"))[0]["words"]
    assert [(w["start"], w["end"]) for w in raw] == [(w["start"], w["end"]) for w in written]


def test_utterance_inside_a_turn_is_told_when_it_ends() -> None:
    """A pause gives a message with the utterance, and the turn goes on."""
    (told_utterance,) = told(assembler(), hypothesis("yes please and then", final_words=2), utterance_end(0, 2))[1:]
    assert told_utterance["utterance"] == "yes please"
    assert told_utterance["transcript"] == "yes please"
    assert told_utterance["end_of_turn"] is False


def test_utterance_delivered_is_not_repeated_by_the_final() -> None:
    """The final of a turn whose words all went out in utterances has an empty one."""
    messages = told(assembler(), hypothesis("yes please"), utterance_end(0, 2), turn_end("yes please"))
    assert [m["utterance"] for m in messages] == ["", "yes please", ""]
    assert messages[-1]["transcript"] == "yes please"


def test_utterance_last_of_a_turn_comes_with_the_final() -> None:
    """Words after the last delivered utterance are the final's utterance."""
    messages = told(assembler(), hypothesis("yes please"), utterance_end(0, 2), turn_end("yes please and thanks"))
    assert messages[-1]["utterance"] == "and thanks"


def test_utterance_of_a_turn_does_not_shorten_the_next() -> None:
    """What was delivered is counted per turn."""
    turns = assembler()
    told(turns, hypothesis("yes please"), utterance_end(0, 2), turn_end("yes please"))
    (final,) = told(turns, turn_end("no thanks", turn_order=1))
    assert final["utterance"] == "no thanks"


def test_utterance_without_text_is_not_sent() -> None:
    """A pause before any word says nothing, and takes nothing from the final."""
    turns = assembler()
    assert told(turns, utterance_end(0, 2)) == []
    assert told(turns, turn_end("yes please"))[0]["utterance"] == "yes please"


def test_utterance_pro_is_not_sent() -> None:
    """Pro delivers whole turns."""
    assert told(assembler(TurnStyle.PRO), hypothesis("yes please"), utterance_end(0, 2))[1:] == []


def test_onset_pro_comes_right_before_the_first_text() -> None:
    """SpeechStarted waits until text was produced, then goes out once a turn, with confidence."""
    turns = assembler(TurnStyle.PRO)
    assert told(turns, speech_started(start_ms=2144, confidence=0.957)) == []
    messages = told(turns, hypothesis("yes"), hypothesis("yes please"), turn_end("yes please"))
    assert [m["type"] for m in messages] == ["SpeechStarted", "Turn", "Turn", "Turn"]
    assert messages[0] == {"type": "SpeechStarted", "timestamp": 2144, "confidence": 0.957}


def test_onset_pro_without_partials_comes_before_the_final() -> None:
    """A turn whose first message is its final is announced too."""
    messages = told(
        assembler(TurnStyle.PRO, include_partial_turns=False), speech_started(), hypothesis("a"), turn_end("a")
    )
    assert [m["type"] for m in messages] == ["SpeechStarted", "Turn"]


def test_onset_without_text_is_never_told() -> None:
    """Noise gives no SpeechStarted; the onset of the next real turn replaces it."""
    turns = assembler(TurnStyle.PRO)
    assert told(turns, speech_started(start_ms=100), speech_started(start_ms=900)) == []
    assert told(turns, turn_end("yes"))[0]["timestamp"] == 900


def test_onset_told_twice_by_the_engine_is_told_once_to_the_client() -> None:
    """A turn is announced once, also when an engine repeats itself."""
    messages = told(
        assembler(TurnStyle.PRO), speech_started(), hypothesis("yes"), speech_started(), hypothesis("yes please")
    )
    assert [m["type"] for m in messages] == ["SpeechStarted", "Turn", "Turn"]


def test_onset_each_turn_has_its_own() -> None:
    """The second turn is announced again."""
    turns = assembler(TurnStyle.PRO)
    told(turns, speech_started(), turn_end("one"))
    messages = told(turns, speech_started(1, 5000), turn_end("two", 1))
    assert [m["type"] for m in messages] == ["SpeechStarted", "Turn"]


def test_onset_universal_is_not_sent() -> None:
    """Universal-Streaming clients never see SpeechStarted."""
    assert [m["type"] for m in told(assembler(), speech_started(), hypothesis("a"), turn_end("a"))] == ["Turn", "Turn"]


def test_language_is_told_on_utterances_and_finals_only() -> None:
    """Partials have no language; complete utterances and the final of the same turn both do."""
    messages = told(
        assembler(language_detection=True),
        hypothesis("ja bitte"), language("de", 0.97), hypothesis("ja bitte"), utterance_end(0, 2), turn_end("ja bitte"),
    )  # fmt: skip
    assert ["language_code" in m for m in messages] == [False, False, True, True]
    assert (messages[-1]["language_code"], messages[-1]["language_confidence"]) == ("de", 0.97)


def test_language_of_a_turn_is_not_the_next_ones() -> None:
    """A turn whose language is unknown leaves the members out."""
    turns = assembler(language_detection=True)
    told(turns, language("de"), turn_end("ja"))
    (final,) = told(turns, turn_end("yes", 1))
    assert "language_code" not in final
    assert "language_confidence" not in final


def test_language_not_asked_for_is_left_out_not_null() -> None:
    """A null language makes LiveKit lose the turn."""
    (final,) = told(assembler(), language("de"), turn_end("ja"))
    assert "language_code" not in final


@pytest.mark.parametrize("event", [ready(), activity(1000), statistics(), asr.RecognizeResponse()])
def test_event_clients_do_not_see_gives_no_message(event: asr.RecognizeResponse) -> None:
    """Progress and bookkeeping stay inside."""
    assert told(assembler(), event) == []


def test_finished_turns_are_counted() -> None:
    """Partials do not count."""
    turns = assembler()
    told(turns, hypothesis("a"), turn_end("a"), turn_end("b", 1))
    assert turns.finished_turns == 2


@st.composite
def engine_turns(draw: st.DrawFn) -> list[asr.RecognizeResponse]:
    """Return the events of a few turns, in an order an engine may report them."""
    events: list[asr.RecognizeResponse] = []
    for turn_order in range(draw(st.integers(1, 4))):
        text = " ".join(draw(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=4)))
        if draw(st.booleans()):
            events.append(speech_started(turn_order))
        for _ in range(draw(st.integers(0, 3))):
            events.append(hypothesis(text, turn_order, final_words=draw(st.integers(0, 4))))
            if draw(st.booleans()):
                events.append(utterance_end(0, len(text.split()), turn_order))
            if draw(st.booleans()):
                events.append(language("en", turn_order=turn_order))
        events.append(turn_end(text, turn_order))
    return events


@given(engine_turns(), st.sampled_from(list(TurnStyle)), st.booleans(), st.booleans(), st.booleans())
def test_messages_of_any_turns_follow_the_protocol(
    events: list[asr.RecognizeResponse], style: TurnStyle, format_turns: bool, partials: bool, detection: bool
) -> None:
    """Whatever the engine reports: required members, integer times, no null, rising order, one final a turn."""
    turns = assembler(style, format_turns=format_turns, include_partial_turns=partials, language_detection=detection)
    messages = told(turns, *events)
    turn_messages = [m for m in messages if m["type"] == "Turn"]
    orders = [m["turn_order"] for m in turn_messages]
    assert orders == sorted(orders)
    finals = [m for m in turn_messages if m["end_of_turn"]]
    assert [m["turn_order"] for m in finals] == list(range(turns.finished_turns))
    assert all(m["transcript"] for m in finals)
    assert all(m["turn_is_formatted"] is (style is TurnStyle.PRO or format_turns) for m in finals)
    for message in messages:
        assert None not in message.values()
        assert "error" not in message
    for message in turn_messages:
        assert {
            "turn_order", "turn_is_formatted", "end_of_turn", "transcript", "utterance", "words",
            "end_of_turn_confidence",
        } <= message.keys()  # fmt: skip
        assert 0 <= message["end_of_turn_confidence"] <= 1
        for word in message["words"]:
            assert word.keys() == {"text", "start", "end", "confidence", "word_is_final"}
            assert isinstance(word["start"], int)
            assert isinstance(word["end"], int)
            assert isinstance(word["word_is_final"], bool)
    announced = [at for at, m in enumerate(messages) if m["type"] == "SpeechStarted"]
    assert all(messages[at + 1]["type"] == "Turn" for at in announced)
    assert len(announced) <= turns.finished_turns
