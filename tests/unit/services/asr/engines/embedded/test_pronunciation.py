"""How words that clients spell are said: by the dictionary, in pieces, letter by letter, by the rules."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.asr.engines.embedded.pronunciation import (
    MAX_VARIANTS,
    MIN_RELATIVE_LIKELIHOOD,
    Pronouncer,
    Sound,
    Variant,
    contexts,
    is_speakable,
    likeliest,
    read_by_rules,
    read_rules,
    spoken_text,
)
from tests.support.make_letter_sounds import dictionary, phone_errors

ENTRIES = {
    "a": ["AH", "EY"], "b": ["B IY"], "i": ["AY"], "k": ["K EY"], "m": ["EH M"], "n": ["EH N"], "o": ["OW"],
    "p": ["P IY"], "q": ["K Y UW"], "s": ["EH S"], "u": ["Y UW"], "v": ["V IY"], "x": ["EH K S"], "g": ["JH IY"],
    "and": ["AH N D", "AE N D"], "plus": ["P L AH S"], "us": ["AH S"], "nasa": ["N AE S AH"],
    "live": ["L AY V", "L IH V"],
    "++bay++": ["+NOISE+"],
    "bay": ["B EY"], "o'brien": ["OW B R AY IH N"], "wood": ["W UH D"], "cutters": ["K AH T ER Z"], "node": ["N OW D"],
    "zero": ["Z IH R OW"], "oh": ["OW"], "one": ["W AH N"], "two": ["T UW"], "four": ["F AO R"], "five": ["F AY V"],
    "seven": ["S EH V AH N"], "nine": ["N AY N"], "nineteen": ["N AY N T IY N"], "twenty": ["T W EH N T IY"],
    "forty": ["F AO R T IY"], "hundred": ["HH AH N D R AH D"], "zoe": ["Z OW IY"],
}  # fmt: skip
RULES = read_rules()


@pytest.fixture(scope="module")
def pronouncer() -> Pronouncer:
    """Return a pronouncer with a small dictionary and the real rules."""
    return Pronouncer(
        lambda word: [tuple(phones.split()) for phones in ENTRIES.get(word, ())],
        RULES,
        {"wood", "cutters"}.__contains__,
    )


def texts(variants: tuple[Variant, ...]) -> list[str]:
    """Return pronunciations as the dictionary writes them."""
    return [" ".join(variant.phones) for variant in variants]


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("bay", ["B EY"]),
        ("Bay!", ["B EY"]),
        ("live", ["L AY V", "L IH V"]),
        ("Zoë", ["Z OW IY"]),
        ("O\N{RIGHT SINGLE QUOTATION MARK}Brien", ["OW B R AY IH N"]),
        ("NASA", ["N AE S AH"]),
        ("US", ["Y UW EH S"]),
        ("us", ["AH S"]),
        ("A", ["EY"]),
        ("QX-9", ["K Y UW EH K S N AY N"]),
        ("IPv4", ["AY P IY V IY F AO R"]),
        ("GPUs", ["JH IY P IY Y UW Z"]),
        ("vmx", ["V IY EH M EH K S"]),
        ("iBay", ["AY B EY"]),
        ("U&I", ["Y UW AH N D AY", "Y UW AE N D AY"]),
        ("U++", ["Y UW P L AH S P L AH S"]),
        ("++Bay++", ["P L AH S P L AH S B EY P L AH S P L AH S"]),
        ("Bay's", ["B EY Z"]),
        ("747", ["S EH V AH N F AO R T IY S EH V AH N", "S EH V AH N F AO R S EH V AH N"]),
        ("1905", ["N AY N T IY N OW F AY V", "W AH N N AY N Z IH R OW F AY V"]),
        ("900", ["N AY N HH AH N D R AH D", "N AY N Z IH R OW Z IH R OW"]),
        ("woodcutters", ["W UH D K AH T ER Z"]),
        ("WoodBay", ["W UH D B EY"]),
    ],
)
def test_say_word_gives_its_phones(pronouncer, word, phones):
    """Dictionary first; acronyms and digits are spelled, endings and signs spoken, parts joined."""
    assert texts(pronouncer.say(word)) == phones


def test_say_capitals_that_may_be_a_word_gives_both_ways(pronouncer):
    """Four or five capitals are letters to some people and a word to others; more are a word."""
    assert texts(pronouncer.say("MAXO"))[0] == "EH M EY EH K S OW"
    assert texts(read_by_rules("maxo", RULES))[0] in texts(pronouncer.say("MAXO"))
    assert pronouncer.say("KUBERNETES") == read_by_rules("kubernetes", RULES)


@pytest.mark.parametrize("word", ["東京", "Привет", "🎉", "Kube🎉", "a\x00b", "€5"])
def test_say_what_has_no_english_sound_gives_nothing(pronouncer, word):
    """Other scripts and signs are left out, not guessed."""
    assert spoken_text(word) is None
    assert pronouncer.say(word) == ()


@pytest.mark.parametrize(
    ("term", "speakable"),
    [
        ("Zephyr QX-9", True), ("Müller", True), ("Łódź", True), ("AT&T", True), ("C#", True), ("Zephyr - QX", True),
        ("", False), (" ", False), ("747", False), ("...", False), ("&", False), ("Tokyo 東京", False),
        ("x\x00", False),
    ],
)  # fmt: skip
def test_is_speakable_needs_a_letter_and_only_what_english_can_say(term, speakable):
    """One word that cannot be said spoils the term."""
    assert is_speakable(term) is speakable


def test_contexts_start_with_the_most_specific():
    """A rule sees up to four letters on either side; outside the word there are dots."""
    assert contexts("fox", 1)[0] == "...f|ox..."
    assert contexts("fox", 1)[-2:] == ["|ox", "|o"]


def test_read_by_rules_uses_the_most_specific_rule():
    """Sounds of all letters follow each other; an unlikely way is not told."""
    rules = {
        "|a": (Sound(("AE",), 0.6), Sound(("EY",), 0.4)),
        "|b": (Sound(("B",), 0.9), Sound((), 0.1)),
        "a|b.": (Sound(("V",), 1.0),),
    }
    assert texts(read_by_rules("ba", rules)) == ["B AE", "B EY"]
    assert texts(read_by_rules("ab", rules)) == ["AE V", "EY V"]


def test_rules_on_random_dictionary_words_get_most_phones_right():
    """Fewer than one phone in five is wrong, and one of the variants is right for half of the words."""
    words = dictionary()
    chosen = random.Random(0).sample(sorted(words), 2_000)
    said = [(read_by_rules(word, RULES), words[word]) for word in chosen]
    wrong = sum(phone_errors(ways[0].phones, phones) for ways, phones in said)
    assert wrong / sum(len(phones) for _, phones in said) < 0.2
    assert sum(any(way.phones == phones for way in ways) for ways, phones in said) > 1_000


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=60))
def test_read_by_rules_any_letters_have_an_answer(word):
    """There is a rule for every letter, and the variants are few, different and in order."""
    ways = read_by_rules(word, RULES)
    assert 1 <= len(ways) <= MAX_VARIANTS
    assert len({way.phones for way in ways}) == len(ways)
    assert ways[0].likelihood == 1.0
    assert all(one.likelihood >= two.likelihood for one, two in itertools.pairwise(ways))


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("aZ9-'.&+#é"), max_size=50))
def test_say_any_text_gives_phones_or_nothing(decoder, text):
    """Whatever a client sends, with the real dictionary: no error, and a sound for what can be said."""
    pronouncer = Pronouncer(decoder._lookup, RULES, decoder._knows)
    for word in text.split():
        ways = pronouncer.say(word)
        assert all(way.phones for way in ways)
        assert bool(ways) == bool(spoken_text(word))


def test_likeliest_keeps_each_sound_once():
    """The best of equal sounds counts, and what is far less likely goes."""
    rare = MIN_RELATIVE_LIKELIHOOD / 4
    variants = [Variant(("B",), 0.2), Variant(("P",), 0.4), Variant(("B",), 0.5), Variant(("F",), rare)]
    assert likeliest(variants) == (Variant(("B",), 1.0), Variant(("P",), 0.8))
