"""Written form of plain lower-case words."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.formatting import NUMBER_PAUSE_MS, sentence_case, written_form
from services.gateway.spoken_numbers import DIGITS
from tests.support.spoken_words import joined, spoken

_NUMBER_WORDS = (
    "zero one two three nine ten nineteen twenty ninety hundred thousand million and point oh o double triple first "
    "second third percent a dot hundreds thirds twenty-five the of i"
)


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("", ""),
        ("hello", "Hello."),
        ("what i said", "What I said."),
        ("i'm sure i've seen what i'd do and i'll go", "I'm sure I've seen what I'd do and I'll go."),
        ("the man is it", "The man is it."),
        ("see you on monday in december", "See you on Monday in December."),
        ("we may march in june", "We may march in June."),
        ("really?", "Really?"),
        ("stop!", "Stop!"),
        ("done.", "Done."),
    ],
)
def test_sentence_case_words_become_a_sentence(words: str, written: str) -> None:
    """First letter upper-case, the pronoun and calendar names upper-case, one terminal mark."""
    assert " ".join(sentence_case(words.split())) == written


@pytest.mark.parametrize(
    ("words", "mark"),
    [
        ("what is your name", "?"),
        ("do you know the way", "?"),
        ("is it on island", "?"),
        ("where's the station", "?"),
        ("can't we go", "?"),
        ("do not go there", "."),
        ("what i said", "."),
        ("is", "."),
        ("what is done is done and so we went on to the other house there", "."),
    ],
)
def test_sentence_case_clear_question_gets_a_question_mark(words: str, mark: str) -> None:
    """Only a short turn whose first two words ask is a question."""
    assert sentence_case(words.split())[-1][-1] == mark


@given(st.lists(st.text(min_size=1)))
def test_sentence_case_any_words_keep_their_number(words: list[str]) -> None:
    """Each word keeps its place, and so its times; only a terminal mark is ever added."""
    written = sentence_case(words)
    assert len(written) == len(words)
    assert not written or written[-1][-1:] in set(".?!")


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("twenty five people and three dogs", "25 people and 3 dogs."),
        ("one hundred and twenty five", "125."),
        ("a hundred and five", "105."),
        ("two thousand and five", "2005."),
        ("one million two hundred thousand", "1200000."),
        ("twenty-five", "25."),
        ("ten million dollars", "10 million dollars."),
        ("two point five million", "2.5 million."),
        ("three point one four", "3.14."),
        ("fifty percent", "50%."),
        ("we grew two point five percent", "We grew 2.5%."),
        ("one percent", "1%."),
    ],
)
def test_written_form_cardinals_become_digits(words: str, written: str) -> None:
    """Cardinals, decimals and percentages are one written word each; large round numbers keep their scale."""
    assert joined(written_form(spoken(words))) == written


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("the twenty third of june", "The 23rd of June."),
        ("may fifth", "May 5th."),
        ("one hundred first", "101st."),
        ("nineteen ninety nine", "1999."),
        ("in twenty twenty four we met", "In 2024 we met."),
        ("nineteen oh five", "1905."),
        ("twenty oh one", "2001."),
        ("eighteen hundred", "1800."),
        ("june fifth nineteen eighty four", "June 5th 1984."),
        ("eighteen nineteen twenty twenty one", "18 19 20 21."),
        ("fifty fifty", "50 50."),
    ],
)
def test_written_form_ordinals_and_years_become_digits(words: str, written: str) -> None:
    """Ordinals get their ending; two pairs are a year unless they count on."""
    assert joined(written_form(spoken(words))) == written


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("one two three four", "1234."),
        ("my number is five five five one two three four", "My number is 5551234."),
        ("five oh five", "505."),
        ("five five oh", "550."),
        ("oh one two three", "0123."),
        ("zero zero seven", "007."),
        ("double oh seven", "007."),
        ("double five", "55."),
        ("triple six one", "6661."),
        ("nine oh two one oh", "90210."),
        ("four hundred fifteen five five five twelve thirty four", "415 555 12 34."),
        ("five six people", "5 6 people."),
    ],
)
def test_written_form_digits_one_by_one_are_joined(words: str, written: str) -> None:
    """Three digits and more said one by one are one word; "oh" is a zero only among digits."""
    assert joined(written_form(spoken(words))) == written


@pytest.mark.parametrize(
    "words",
    [
        "one of them",
        "no one knows",
        "the one and only",
        "i have two",
        "first of all",
        "wait a second",
        "the second one",
        "two thirds",
        "a fifth of it",
        "hundreds of people",
        "a hundred",
        "a couple of thousand",
        "oh my god",
        "oh one of them",
        "double the price",
        "one-on-one",
        "to go for it too",
    ],
)
def test_written_form_words_that_are_no_numbers_stay(words: str) -> None:
    """Case and the full stop apart, nothing changes."""
    assert joined(written_form(spoken(words))).lower().rstrip(".") == words


def test_written_form_merged_words_span_first_to_last_and_keep_the_least_confidence() -> None:
    """A number is as sure as its least sure word, and final when all of it is."""
    first, second = spoken("twenty five", confidence=0.9)
    second = msgspec.structs.replace(second, confidence=0.4, word_is_final=False)
    (number,) = written_form((first, second))
    assert (number.text, number.start, number.end) == ("25.", first.start, second.end)
    assert (number.confidence, number.word_is_final) == (0.4, False)


def test_written_form_long_pause_separates_numbers() -> None:
    """Numbers on both sides of a long pause are two."""
    first, second = spoken("twenty five")
    pause = first.end + NUMBER_PAUSE_MS
    joint = msgspec.structs.replace(second, start=pause, end=pause + 100)
    apart = msgspec.structs.replace(second, start=pause + 1, end=pause + 100)
    assert joined(written_form((first, joint))) == "25."
    assert joined(written_form((first, apart))) == "20 5."


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("iPhone seventeen is here", "iPhone 17 is here."),
        ("the Zephyr QX-9 runs Kubernetes", "The Zephyr QX-9 runs Kubernetes."),
        ("we heard Twenty One Pilots twenty one times", "We heard Twenty One Pilots 21 times."),
        ("call Seven eleven on monday", "Call Seven 11 on Monday."),
        ("nineteen Oh five", "19 Oh 5."),
        ("AT&T", "AT&T."),
        ("sign up for Yahoo!", "Sign up for Yahoo!"),
        ("Is it Kubernetes", "Is it Kubernetes?"),
    ],
)
def test_written_form_words_with_capitals_stay_as_they_are(words: str, written: str) -> None:
    """A keyterm keeps the client's spelling at the start of a sentence and where it looks like a number."""
    assert joined(written_form(spoken(words))) == written


@given(st.lists(st.one_of(st.sampled_from(_NUMBER_WORDS.split()), st.text(min_size=1, max_size=6)), max_size=20))
def test_written_form_any_words_keep_order_and_times(texts: list[str]) -> None:
    """Written words cover the spoken ones in order: none lost, none twice."""
    words = spoken(texts)
    written = written_form(words)
    assert bool(written) == bool(words)
    starts, ends = {word.start for word in words}, {word.end for word in words}
    assert all(word.start in starts and word.end in ends and word.start < word.end for word in written)
    assert all(before.end < after.start for before, after in itertools.pairwise(written))
    if words:
        assert (written[0].start, written[-1].end) == (words[0].start, words[-1].end)


@given(st.lists(st.sampled_from(["fox", "runs", "quickly", "so", "no", "house's"]), min_size=1))
def test_written_form_plain_words_change_only_case_and_final_mark(texts: list[str]) -> None:
    """Words that are no numbers keep their letters."""
    assert joined(written_form(spoken(texts))).lower() == " ".join(texts) + "."


@given(st.lists(st.sampled_from(sorted(DIGITS)), min_size=3, max_size=20))
def test_written_form_any_digits_are_written_in_full(texts: list[str]) -> None:
    """Every digit said one by one is in the written number."""
    assert joined(written_form(spoken(texts))) == "".join(DIGITS[text] for text in texts) + "."
