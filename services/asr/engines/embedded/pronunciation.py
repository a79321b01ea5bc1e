"""How a word that a client spells is said, in the phones of the recogniser's English model.

A word of the dictionary is said as it stands there. Others fall into pieces (at hyphens, digits and inner
capitals), and a piece the dictionary lacks is spelled letter by letter, or read by rules learned from the dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_VARIANTS = 3
# A second way to say something is worth an entry when it is at least this likely, next to the likeliest.
MIN_RELATIVE_LIKELIHOOD = 0.2
# The dictionary orders a word's pronunciations but gives no shares.
_LATER_ENTRY_LIKELIHOOD = 0.5
# Capitals: up to three letters are spelled, up to five spelled or said as a word, more are a word written loudly.
_ONLY_SPELLED_MAX_LETTERS = 3
_SPELLED_MAX_LETTERS = 5
_COMPOUND_PART_MIN_LETTERS = 4

RULES_FILE = Path(__file__).with_name("letter_sounds.txt")
# Letters to the left and right that rules look at, from the most general to the most specific.
CONTEXTS = ((0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 4), (4, 4))
_EDGE = "." * max(max(pair) for pair in CONTEXTS)

_FOLDED = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O"}
    | {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "th", "Ð": "Th", "þ": "th", "Þ": "Th", "ı": "i"}
)
_SILENT_SIGNS = "-\u2010\u2011\u2012\u2013\u2014\u2015'\".,:;!?()/_\u00ae"
_SILENT = re.compile(f"[{re.escape(_SILENT_SIGNS)}]+")
_SIGNS = {"&": "and", "+": "plus", "@": "at", "%": "percent", "#": "sharp"}
# Capitals before a word, before "s" or another lone letter, and before anything else; a word; digits; a sign.
_PIECE = re.compile(r"[A-Z]{2,}(?=[A-Z][a-z]{2}|[a-z]?(?![A-Za-z]))|[A-Z]?[a-z]+|[A-Z]+|\d+|[&+@%#]")
# What may stand in the dictionary as a word; letters have entries of their own, and so have noises ("++COUGH++").
_WHOLE_WORD = re.compile(r"[A-Za-z][A-Za-z0-9'.-]+")
_VOWEL_LETTERS = re.compile(r"[aeiouy]", re.IGNORECASE)
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})
_HISSING = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("oh", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

Phones = tuple[str, ...]
Lookup = Callable[[str], Sequence[Phones]]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to say something, and how likely it is next to the other ways (1.0 is the likeliest)."""

    phones: Phones
    likelihood: float = 1.0


@dataclass(frozen=True, slots=True)
class Sound:
    """What the letter in the middle of a rule stands for, and in which share of the words learned from."""

    phones: Phones
    share: float


Rules = Mapping[str, tuple[Sound, ...]]


def read_rules(path: Path = RULES_FILE) -> dict[str, tuple[Sound, ...]]:
    """Return the letter-to-sound rules of a file; ``tests/support/make_letter_sounds.py`` tells its form."""
    rules = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            context, *sounds = line.split()
            rules[context] = tuple(
                Sound(() if phones == "-" else tuple(phones.split("+")), int(percent) / 100)
                for phones, _, percent in (sound.partition("=") for sound in sounds)
            )
    return rules


def contexts(word: str, place: int) -> list[str]:
    """Return the contexts a rule for one letter may have, most specific first, as "left|letter and right"."""
    framed = f"{_EDGE}{word}{_EDGE}"
    at = place + len(_EDGE)
    return [f"{framed[at - left : at]}|{framed[at : at + 1 + right]}" for left, right in reversed(CONTEXTS)]


def spoken_text(word: str) -> str | None:
    """Return a word with accents taken off, "" when it is mere punctuation, None when English cannot say it."""
    decomposed = unicodedata.normalize("NFKD", word.replace("\u2122", ""))
    plain = "".join(character for character in decomposed if not unicodedata.combining(character)).translate(_FOLDED)
    if _PIECE.sub("", _SILENT.sub("", plain)):
        return None
    return plain if _PIECE.search(plain) else ""


def is_speakable(term: str) -> bool:
    """Say whether every word of a term can be said in English, and one of them has a letter."""
    spoken = [spoken_text(word) for word in term.split()]
    return None not in spoken and any(re.search("[A-Za-z]", text or "") for text in spoken)


class Pronouncer:
    """Says words: by the dictionary, else by their pieces."""

    def __init__(self, lookup: Lookup, rules: Rules, is_common: Callable[[str], bool]) -> None:
        """Keep what to ask.

        Args:
            lookup: the pronunciations of a lower-case word in the dictionary, commonest first; empty without any.
            is_common: whether a lower-case word may be a part of a compound.
        """
        self._lookup = lookup
        self._rules = rules
        self._is_common = is_common

    def say(self, word: str) -> tuple[Variant, ...]:
        """Return the ways to say a word as a client spells it, likeliest first; none when it has no sound."""
        text = spoken_text(word)
        if not text:
            return ()
        whole = text.strip(_SILENT_SIGNS)
        if _WHOLE_WORD.fullmatch(whole) and not _is_short_acronym(whole):
            found = self._in_dictionary(whole.lower())
            if found:
                return found
        pieces = [piece for part in re.split(_SILENT, text) for piece in _PIECE.findall(part)]
        return self._say_pieces(pieces, is_possessive=text.lower().endswith("'s"))

    def _say_pieces(self, pieces: Sequence[str], *, is_possessive: bool) -> tuple[Variant, ...]:
        said: tuple[Variant, ...] = (Variant(()),)
        for place, piece in enumerate(pieces):
            follows_acronym = place > 0 and pieces[place - 1].isupper()
            is_ending = place > 0 and piece == "s" and place == len(pieces) - 1 and (follows_acronym or is_possessive)
            if is_ending:
                said = tuple(Variant(_with_s(variant.phones), variant.likelihood) for variant in said)
            else:
                said = joined(said, self._say_piece(piece))
        return said

    def _say_piece(self, piece: str) -> tuple[Variant, ...]:
        if piece in _SIGNS:
            return self._in_dictionary(_SIGNS[piece])
        if piece.isdigit():
            return self._say_digits(piece)
        lower = piece.lower()
        if len(piece) == 1 or not _VOWEL_LETTERS.search(piece) or _is_short_acronym(piece):
            return self._spell(lower)
        found = self._in_dictionary(lower)
        if found:
            return found
        spelled = self._spell(lower) if piece.isupper() and len(piece) <= _SPELLED_MAX_LETTERS else ()
        return likeliest([*spelled, *self._read(lower)])

    def _in_dictionary(self, word: str) -> tuple[Variant, ...]:
        return likeliest(
            Variant(phones, 1.0 if place == 0 else _LATER_ENTRY_LIKELIHOOD)
            for place, phones in enumerate(self._lookup(word))
        )

    def _spell(self, letters: str) -> tuple[Variant, ...]:
        phones: Phones = ()
        for letter in letters:
            # The dictionary's first "a" is the article.
            phones += ("EY",) if letter == "a" else self._lookup(letter)[0]
        return (Variant(phones),)

    def _say_digits(self, digits: str) -> tuple[Variant, ...]:
        """Return digits said one by one and, from two on, in pairs: "seven forty seven"."""
        ways = [[_DIGITS[int(digit)] for digit in digits]]
        if len(digits) > 1:
            head = len(digits) % 2
            pairs = [digits[at : at + 2] for at in range(head, len(digits), 2)]
            ways.insert(
                0, [_DIGITS[int(digit)] for digit in digits[:head]] + [w for pair in pairs for w in _pair(pair)]
            )
        return likeliest(
            Variant(tuple(phone for word in way for phone in self._lookup(word)[0]), _LATER_ENTRY_LIKELIHOOD**place)
            for place, way in enumerate(ways)
        )

    def _read(self, word: str) -> tuple[Variant, ...]:
        """Return what a lower-case word without an entry sounds like: two words joined, or by the rules."""
        return likeliest([*self._compound(word), *read_by_rules(word, self._rules)])

    def _compound(self, word: str) -> tuple[Variant, ...]:
        least = _COMPOUND_PART_MIN_LETTERS
        for cut in range(len(word) - least, least - 1, -1):
            head, tail = word[:cut], word[cut:]
            if self._is_common(head) and self._is_common(tail):
                parts = (self._lookup(head), self._lookup(tail))
                if all(parts):
                    return (Variant(parts[0][0] + parts[1][0]),)
        return ()


def read_by_rules(word: str, rules: Rules) -> tuple[Variant, ...]:
    """Return what the letters of a lower-case word sound like, likeliest first."""
    said: tuple[Variant, ...] = (Variant(()),)
    for place in range(len(word)):
        sounds = next(rules[context] for context in contexts(word, place) if context in rules)
        said = joined(said, [Variant(sound.phones, sound.share) for sound in sounds])
    return said


def joined(heads: Iterable[Variant], tails: Iterable[Variant]) -> tuple[Variant, ...]:
    """Return the likeliest ways to say one thing after another."""
    tails = tuple(tails)
    return likeliest(
        Variant(head.phones + tail.phones, head.likelihood * tail.likelihood) for head in heads for tail in tails
    )


def likeliest(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """Return the likeliest of some variants, each once, with likelihoods relative to the first."""
    best: dict[Phones, float] = {}
    for variant in variants:
        best[variant.phones] = max(variant.likelihood, best.get(variant.phones, 0.0))
    ordered = sorted(best.items(), key=lambda item: -item[1])[:MAX_VARIANTS]
    return tuple(
        Variant(phones, likelihood / ordered[0][1])
        for phones, likelihood in ordered
        if likelihood >= MIN_RELATIVE_LIKELIHOOD * ordered[0][1]
    )


def _is_short_acronym(piece: str) -> bool:
    """Say whether letters are spelled although a word may be written with them: US, IT, WHO."""
    return piece.isupper() and piece.isalpha() and len(piece) <= _ONLY_SPELLED_MAX_LETTERS


def _with_s(phones: Phones) -> Phones:
    """Return a word with the ending of a plural or a possessive."""
    if not phones or phones[-1] in _HISSING:
        return (*phones, "IH", "Z")
    return (*phones, "S" if phones[-1] in _VOICELESS else "Z")


def _pair(digits: str) -> list[str]:
    """Return two digits as they are said in a longer number."""
    tens, ones = int(digits[0]), int(digits[1])
    if tens == 1:
        return [_TEENS[ones]]
    if tens == 0 and ones == 0:
        return ["hundred"]
    return [_TENS[tens], _DIGITS[ones]] if ones else [_TENS[tens]]
