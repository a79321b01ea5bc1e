"""Profanity filter: whole words, punctuation kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.profanity import MASK, filter_profanity
from tests.support.spoken_words import joined, spoken


@pytest.mark.parametrize(
    ("text", "filtered"),
    [
        ("what the fuck", "what the ***"),
        ("Fucking hell, motherfucker!", "*** hell, ***!"),
        ("shits happen, shitty day.", "*** happen, *** day."),
        ("that bastard's car", "that *** car"),
        ("a kick-ass son-of-a-bitch", "a *** ***"),
        ("BULLSHIT", "***"),
    ],
)
def test_filter_profanity_profane_words_are_masked(text: str, filtered: str) -> None:
    """Every inflection and case is masked; punctuation stays."""
    assert joined(filter_profanity(spoken(text))) == filtered


@pytest.mark.parametrize(
    "text",
    [
        "Scunthorpe and Penistone assess the class",
        "Matsushita and Takeshita took a cockpit swanky",
        "she was raped, the court heard of intercourse",
        "the vagina and the rectum were examined",
        "Dick has a cock and a hen, damn it to hell",
        "niggardly passes, compass, bass, assassin, snigger, shiitake, whitewash, piston",
        "he was tied up, an escort came, how to kill a process",
    ],
)
def test_filter_profanity_innocent_words_stay(text: str) -> None:
    """A profane word inside another word, and words of medicine and law, are left alone."""
    assert joined(filter_profanity(spoken(text))) == text


@given(st.lists(st.text(min_size=1, max_size=12)))
def test_filter_profanity_any_words_keep_number_and_times(texts: list[str]) -> None:
    """Whatever comes, only texts change."""
    words = spoken(texts)
    filtered = filter_profanity(words)
    assert [(word.start, word.end, word.confidence) for word in filtered] == [
        (word.start, word.end, word.confidence) for word in words
    ]
    assert filter_profanity(filtered) == filtered
    assert all(MASK in after.text or after == before for before, after in zip(words, filtered, strict=True))
