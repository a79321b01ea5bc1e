"""Terms as entries of the recogniser, and words back in the client's spelling."""

from __future__ import annotations

import pytest

from services.asr.engines.embedded.keyterms import MIN_PHONES, Share, TermBook
from services.asr.engines.embedded.pronunciation import MAX_VARIANTS, Phones, Pronouncer, Sound

ENTRIES = {
    "apple": ["AE P AH L"], "it": ["IH T"], "i": ["AY"], "t": ["T IY"], "q": ["K Y UW"], "x": ["EH K S"],
    "nine": ["N AY N"], "new": ["N UW"], "york": ["Y AO R K"], "live": ["L AY V", "L IH V"], "nokia": ["N OW K IY AH"],
}  # fmt: skip
COMMON = frozenset({"apple", "it", "i", "new", "york", "live"})
RULES = {f"|{letter}": (Sound((letter.upper(),), 1.0),) for letter in "abcdefghijklmnopqrstuvwxyz"}


def lookup(word: str) -> list[Phones]:
    """Return the pronunciations of a word."""
    return [tuple(phones.split()) for phones in ENTRIES.get(word, ())]


def book(*terms: str) -> TermBook:
    """Return some terms over a small dictionary whose rules read each letter as itself."""
    return TermBook(terms, Pronouncer(lookup, RULES, COMMON.__contains__), COMMON.__contains__)


def test_entry_of_a_term_has_its_sound_and_its_spelling():
    """One entry for all words of a term, each with its share of the phones."""
    (entry,) = book("Zab QX-9").entries.values()
    assert entry.phones == ("Z", "A", "B", "K", "Y", "UW", "EH", "K", "S", "N", "AY", "N")
    assert entry.words == (Share("Zab", 3), Share("QX-9", 9))


def test_entry_name_depends_on_the_sound_alone():
    """The dictionary of a decoder cannot forget: a name must never get another sound."""
    assert book("Zabel").entries.keys() == book("other", "zabel").entries.keys() - book("other").entries.keys()
    (name,) = book("nokia").entries
    assert not name[0].isalpha()
    assert lookup("nokia")[0] == tuple(name[1:].split("_"))


def test_entries_of_a_term_with_several_sounds_are_few():
    """The likeliest combinations only."""
    assert len(book("live live live").entries) == MAX_VARIANTS
    assert len(book("live Zab").entries) == 2


def test_entries_first_term_of_a_sound_wins():
    """Homophones cannot be told apart; the client's order decides."""
    (entry,) = book("Zab", "Zab.", "zab").entries.values()
    assert entry.words[0].text == "Zab"


@pytest.mark.parametrize("term", ["東京", "747", "", "Zab 🎉", "...", "I"])
def test_entries_of_a_term_that_cannot_be_said_or_is_too_short_are_none(term):
    """What English cannot say, has no letter, or has fewer phones than would be safe."""
    assert book(term).entries == {}
    assert len(ENTRIES["i"]) < MIN_PHONES


def test_entries_leave_out_lone_punctuation():
    """A dash between words is no word."""
    (entry,) = book("Zab - Kab").entries.values()
    assert [share.text for share in entry.words] == ["Zab", "Kab"]


@pytest.mark.parametrize(
    ("terms", "heard", "written"),
    [
        (["Apple"], "an apple a day", "an Apple a day"),
        (["apple"], "an apple", "an apple"),
        (["New York"], "in new york new", "in New York new"),
        (["New York", "York"], "new york york new", "New York York new"),
        (["York", "New York"], "new york", "New York"),
        (["IT"], "it is", "it is"),
        (["Nokia"], "nokia", "nokia"),
        ([], "it is", "it is"),
        (["Apple"], "", ""),
    ],
)
def test_spelled_words_of_a_term_get_its_spelling(terms, heard, written):
    """Longest first; only what the recogniser hears by itself, and only where it sounds the same."""
    assert " ".join(book(*terms).spelled(heard.split())) == written
