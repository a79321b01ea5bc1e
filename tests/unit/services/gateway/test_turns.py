"""Recogniser events to messages: finality, utterances, onset, formatting, language."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import asr_v1_pb2 as asr
from services.gateway.models import TurnStyle
from services.gateway.pii import Policy, Redaction, Substitution
from services.gateway.profanity import MASK
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
    word,
)


def assembler(
    style: TurnStyle = TurnStyle.UNIVERSAL,
    *,
    format_turns: bool = False,
    include_partial_turns: bool = True,
    language_detection: bool = False,
    **rules: Any,
) -> TurnAssembler:
    """Return an assembler before its first turn."""
    return TurnAssembler(MessageRules(style, format_turns, include_partial_turns, language_detection, **rules))


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


def revision(*words: asr.Word) -> asr.RecognizeResponse:
    """Return the open turn with words of any times."""
    return asr.RecognizeResponse(hypothesis=asr.Hypothesis(words=words))


def ended(*words: asr.Word) -> asr.RecognizeResponse:
    """Return a turn end with words of any times."""
    return asr.RecognizeResponse(turn_end=asr.TurnEnd(words=words))


def texts(message: dict[str, Any]) -> list[str]:
    """Return the texts of a message's words."""
    return [each["text"] for each in message["words"]]


def final_words(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a message's final words."""
    return [each for each in message["words"] if each["word_is_final"]]


def test_word_not_final_may_grow() -> None:
    """A fragment becomes the word it is part of."""
    messages = told(assembler(), hypothesis("pay the inv", final_words=2), hypothesis("pay the invoice", final_words=3))
    assert [m["words"][2]["text"] for m in messages] == ["inv", "invoice"]


def test_word_becoming_final_is_told_although_no_text_changed() -> None:
    """Every finalisation is emitted, not only the last of a turn."""
    messages = told(assembler(), *(hypothesis("pay the bill", final_words=number) for number in (1, 2, 3)))
    assert [m["transcript"] for m in messages] == ["pay", "pay the", "pay the bill"]


def test_word_sent_as_final_keeps_its_text_and_times() -> None:
    """Whatever the engine says of it later, in its place or with other times."""
    first, second, third = told(
        assembler(),
        hypothesis("pay the", final_words=2),
        revision(word("say", 0), word("the", 250), word("in", 500)),
        revision(word("pay", 30), word("the", 280), word("invoice", 520)),
    )
    assert first["words"] == second["words"][:2] == third["words"][:2]
    assert [second["transcript"], third["transcript"]] == ["pay the", "pay the"]
    assert (texts(second)[2:], texts(third)[2:]) == (["in"], ["invoice"])


def test_word_sent_as_final_stays_final_when_the_engine_takes_it_back() -> None:
    """Also when the turn gets shorter."""
    messages = told(assembler(), hypothesis("pay the", final_words=2), hypothesis("pay the"), hypothesis("pay"))
    assert [m["transcript"] for m in messages] == ["pay the"] * 3


def test_word_sent_as_final_is_not_doubled_by_its_revision() -> None:
    """A longer form of the same sound, or one word in place of two, is the same stretch of speech."""
    messages = told(
        assembler(),
        revision(word("pay", 0, is_final=True), word("inv", 250, is_final=True)),
        revision(word("pay", 0), asr.Word(text="invoice", start_ms=250, end_ms=600), word("now", 600)),
        revision(asr.Word(text="payment", start_ms=0, end_ms=440), word("now", 600)),
    )
    assert [texts(m) for m in messages[1:]] == [["pay", "inv", "now"]] * 2


def test_word_after_a_revised_one_is_not_lost_and_starts_no_earlier_than_it_ended() -> None:
    """Times of neighbours differ a little from pass to pass."""
    first, second = told(
        assembler(),
        revision(word("pay", 0, is_final=True)),
        revision(asr.Word(text="say", start_ms=0, end_ms=180), asr.Word(text="it", start_ms=180, end_ms=400)),
    )
    assert texts(second) == ["pay", "it"]
    assert second["words"][1]["start"] == first["words"][0]["end"] == 200


def test_word_final_behind_one_that_is_not_is_not_sent_as_final() -> None:
    """The transcript grows at its end only."""
    (partial,) = told(assembler(), revision(word("pay", 0, is_final=True), word("th", 250), word("bill", 500)))
    assert [each["word_is_final"] for each in partial["words"]] == [True, False, False]


def test_final_keeps_the_words_sent_as_final() -> None:
    """An engine that contradicts one of them at the end of the turn does not change it."""
    messages = told(
        assembler(),
        hypothesis("pay the inv", final_words=2),
        ended(word("play", 0, is_final=True), word("the", 250, is_final=True), word("invoice", 500, is_final=True)),
    )
    assert messages[1]["transcript"] == "pay the invoice"
    assert messages[1]["words"][:2] == messages[0]["words"][:2]


def test_final_without_words_sent_as_final_still_has_them() -> None:
    """A word the client has does not vanish."""
    final = told(assembler(), hypothesis("pay the", final_words=2), ended(word("bill", 500)))[1]
    assert final["transcript"] == "pay the bill"


def test_final_formats_the_words_sent_as_final() -> None:
    """Case, punctuation and numbers may change at the end of the turn, after the contradiction was settled."""
    final = told(
        assembler(format_turns=True),
        hypothesis("twenty five dollars", final_words=3),
        turn_end("thirty five dollars"),
    )[1]
    assert final["transcript"] == "25 dollars."
    assert final["words"][0]["start"] == 0


def test_final_engine_that_punctuates_may_write_words_sent_as_final() -> None:
    """Its case and punctuation are the formatting; its other changes are not."""
    messages = told(
        assembler(format_turns=True, punctuates=True),
        hypothesis("pay the bill", final_words=3),
        turn_end("Pay the bill."),
    )
    assert messages[1]["transcript"] == "Pay the bill."
    assert [(w["start"], w["end"]) for w in messages[1]["words"]] == [
        (w["start"], w["end"]) for w in messages[0]["words"]
    ]


def test_final_words_of_a_turn_do_not_bind_the_next() -> None:
    """Immutable within a turn."""
    turns = assembler()
    told(turns, hypothesis("yes", final_words=1), turn_end("yes"))
    (partial,) = told(turns, hypothesis("no", 1, final_words=1))
    assert partial["transcript"] == "no"


def test_final_of_a_client_without_partials_is_what_the_engine_says_last() -> None:
    """What was never sent binds nothing."""
    quiet = assembler(include_partial_turns=False)
    assert told(quiet, hypothesis("pay", final_words=1), turn_end("say"))[0]["transcript"] == "say"


def test_profanity_filter_gives_the_same_final_words_the_same_text() -> None:
    """Masked when they become final, masked later."""
    messages = told(
        assembler(filter_profanity=True),
        hypothesis("oh shit the", final_words=2),
        hypothesis("oh shit the bill", final_words=4),
        turn_end("oh spit the bill"),
    )
    assert [m["transcript"] for m in messages] == [f"oh {MASK}", f"oh {MASK} the bill", f"oh {MASK} the bill"]


SPOKEN_CARD = "my card is four one one one one one one one one one one one one one one one"


def test_redaction_leaves_words_open_until_the_turn_ends() -> None:
    """The first digit of a card number is no secret before the others: no word is final, no utterance over."""
    redaction = Redaction(frozenset({Policy.CREDIT_CARD_NUMBER}), Substitution.HASH)
    first, second, final = told(
        assembler(redaction=redaction),
        hypothesis("my card is four", final_words=4),
        utterance_end(0, 4),
        hypothesis(SPOKEN_CARD, final_words=19),
        utterance_end(4, 19),
        turn_end(SPOKEN_CARD),
    )
    assert not final_words(first)
    assert not final_words(second)
    assert second["words"][3]["text"] == "#"
    assert final["transcript"] == final["utterance"] == "my card is" + 16 * " #"


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
    """A pause gives a message with the utterance and the model's score, and the turn goes on."""
    (told_utterance,) = told(
        assembler(), hypothesis("yes please and then", final_words=2, score=0.25), utterance_end(0, 2)
    )[1:]
    assert told_utterance["utterance"] == "yes please"
    assert told_utterance["end_of_turn_confidence"] == 0.25
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


def test_utterance_may_end_before_its_last_word_is_final() -> None:
    """Its text has all its words, the transcript only the final ones."""
    partial = told(assembler(), hypothesis("yes please", final_words=1), utterance_end(0, 2))[1]
    assert (partial["utterance"], partial["transcript"]) == ("yes please", "yes")


def test_utterance_second_of_a_turn_holds_only_its_own_words() -> None:
    """What went out before is not repeated."""
    messages = told(
        assembler(),
        hypothesis("yes please", final_words=2), utterance_end(0, 2),
        hypothesis("yes please and thanks", final_words=4), utterance_end(2, 4),
        turn_end("yes please and thanks"),
    )  # fmt: skip
    assert [m["utterance"] for m in messages] == ["", "yes please", "", "and thanks", ""]


def test_utterance_told_twice_by_the_engine_is_sent_once() -> None:
    """Nothing of it is new."""
    messages = told(assembler(), hypothesis("yes please", final_words=2), utterance_end(0, 2), utterance_end(0, 2))
    assert len(messages) == 2


def test_utterance_ending_with_its_turn_comes_with_the_final() -> None:
    """Then one message carries both."""
    (final,) = told(assembler(), turn_end("yes please"))
    assert (final["end_of_turn"], final["utterance"]) == (True, "yes please")


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


def test_final_without_words_is_not_sent() -> None:
    """Clients never get an empty final; it counts as no turn."""
    turns = assembler(TurnStyle.PRO)
    assert told(turns, speech_started(), turn_end("")) == []
    assert turns.finished_turns == 0


@pytest.mark.parametrize("late", [hypothesis("a b"), utterance_end(0, 1), turn_end("a b")])
def test_event_of_an_earlier_turn_is_not_told(late: asr.RecognizeResponse) -> None:
    """Turn numbers never go back, and a turn that ended is never spoken of again."""
    turns = assembler()
    told(turns, hypothesis("a"), turn_end("a"))
    assert told(turns, late) == []
    told(turns, hypothesis("b", 1, final_words=1))
    assert told(turns, late) == []


def test_turn_that_never_ended_gives_nothing_to_the_next() -> None:
    """A recogniser that drops a turn takes its words with it."""
    turns = assembler()
    told(turns, hypothesis("yes", final_words=1), utterance_end(0, 1))
    (final,) = told(turns, turn_end("no", 1))
    assert final["transcript"] == final["utterance"] == "no"


@pytest.mark.parametrize(("reported", "sent"), [(-1.0, 0), (7.0, 1), (float("nan"), 0), (float("inf"), 1)])
def test_confidence_out_of_range_is_sent_in_range(reported: float, sent: float) -> None:
    """Clients read numbers between 0 and 1, whatever a recogniser computes."""
    (final,) = told(assembler(), turn_end("yes", score=reported))
    assert final["end_of_turn_confidence"] == sent


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
        for each in message["words"]:
            assert each.keys() == {"text", "start", "end", "confidence", "word_is_final"}
            assert isinstance(each["start"], int)
            assert isinstance(each["end"], int)
            assert isinstance(each["word_is_final"], bool)
    announced = [at for at, m in enumerate(messages) if m["type"] == "SpeechStarted"]
    assert all(messages[at + 1]["type"] == "Turn" for at in announced)
    assert len(announced) <= turns.finished_turns


@st.composite
def moody_engine(draw: st.DrawFn) -> list[asr.RecognizeResponse]:
    """Return the events of one turn of an engine that changes its mind about everything."""
    events = []
    for _ in range(draw(st.integers(1, 6))):
        at_ms, said = 0, []
        for _ in range(draw(st.integers(0, 5))):
            at_ms += draw(st.integers(0, 200))
            end_ms = at_ms + draw(st.integers(0, 300))
            text = draw(st.sampled_from(["one", "two", "Two.", "three"]))
            said.append(asr.Word(text=text, start_ms=at_ms, end_ms=end_ms, is_final=draw(st.booleans())))
            at_ms = end_ms
        events.append(revision(*said))
        if draw(st.booleans()):
            events.append(utterance_end(0, draw(st.integers(0, 6))))
    return [*events, ended(*said, word("last", at_ms))]


@given(moody_engine(), st.booleans())
def test_final_words_of_any_engine_never_change(events: list[asr.RecognizeResponse], filtered: bool) -> None:
    """Each message of a turn begins with the final words of the one before, in order of time."""
    messages = told(assembler(filter_profanity=filtered), *events)
    for before, after in itertools.pairwise(messages[:-1]):
        settled = final_words(before)
        assert final_words(after)[: len(settled)] == settled
    for message in messages:
        final = final_words(message)
        assert message["words"][: len(final)] == final
        assert message["transcript"] == " ".join(each["text"] for each in final)
        times = [time for each in message["words"] for time in (each["start"], each["end"])]
        assert times == sorted(times)
    settled = final_words(messages[-2]) if len(messages) > 1 else []
    kept = messages[-1]["words"][: len(settled)]
    assert [(w["start"], w["end"]) for w in kept] == [(w["start"], w["end"]) for w in settled]
    assert [w["text"].strip(".").lower() for w in kept] == [w["text"].strip(".").lower() for w in settled]
