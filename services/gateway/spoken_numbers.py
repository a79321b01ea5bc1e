"""Spoken English numbers in a list of words: where they are and what they read in digits.

Shared by the written form, which wants a sentence to read well, and by redaction, which wants no number
missed. Compound numbers come from text2num (MIT); this module adds what speech has and prose has not: digits
one by one, "oh" for zero, "double five".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from text_to_num import find_numbers

DIGITS = {
    "zero": "0",
    "nought": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}
# Words that are a zero only beside other digits; in a sentence they are an exclamation or a letter.
LETTER_ZEROS = frozenset({"oh", "o"})
MULTIPLIERS = {"double": 2, "triple": 3}
LARGE_SCALES = frozenset({"million", "billion", "trillion"})
SCALES = LARGE_SCALES | {"hundred", "thousand"}
# "hundreds of people" is no 100, "two thirds" no ordinal.
_PLURAL_SCALES = frozenset({"hundreds", "thousands", "millions", "billions", "trillions"})
# What the library gets for a word outside ASCII: no English number has one, and it fails on lone surrogates.
_NO_NUMBER = "x"


@dataclass(frozen=True, slots=True)
class NumberSpan:
    """A number that covers the words ``first`` to ``end`` (exclusive).

    Attributes:
        text: digits, with a decimal point or an ordinal ending where one was spoken.
        spelled: the digits were spoken one by one.
    """

    first: int
    end: int
    text: str
    is_ordinal: bool = False
    spelled: bool = False


@dataclass(frozen=True, slots=True)
class _Word:
    """What text2num asks of a word."""

    content: str
    is_number_part: bool
    after_break: bool

    def text(self) -> str:
        return self.content

    def nt_separated(self, _previous: _Word) -> bool:
        return self.after_break

    def not_a_number_part(self) -> bool:
        return not self.is_number_part


def find_number_spans(
    words: Sequence[str], *, not_numbers: Collection[int] = (), breaks: Collection[int] = ()
) -> tuple[NumberSpan, ...]:
    """Return the numbers among lower-case words, in order, none overlapping.

    Args:
        not_numbers: places of words that belong to no number here.
        breaks: places of words that no number before them runs into.
    """
    heard = [
        _Word(
            content=word if word.isascii() else _NO_NUMBER,
            # A lone "o" would be read as zero; the digit runs below decide about it.
            is_number_part=place not in not_numbers and word not in _PLURAL_SCALES and word not in LETTER_ZEROS,
            after_break=place in breaks,
        )
        for place, word in enumerate(words)
    ]
    compounds = [
        NumberSpan(match.start, match.end, match.text, is_ordinal=match.is_ordinal)
        for match in find_numbers(heard, "en", threshold=0)
        if any(word not in DIGITS for word in words[match.start : match.end])
    ]
    taken = set(not_numbers).union(*(range(span.first, span.end) for span in compounds))
    spelled = _digit_runs(words, taken, breaks)
    return tuple(sorted([*compounds, *spelled], key=lambda span: span.first))


def _digit_runs(words: Sequence[str], taken: Collection[int], breaks: Collection[int]) -> list[NumberSpan]:
    """Return the runs of digits spoken one by one among the words no compound number has taken."""
    runs: list[NumberSpan] = []
    place = 0
    while place < len(words):
        digits, end = _digit_run(words, place, taken, breaks)
        if digits:
            runs.append(NumberSpan(place, end, digits, spelled=True))
        place = max(end, place + 1)
    return runs


def _digit_run(words: Sequence[str], first: int, taken: Collection[int], breaks: Collection[int]) -> tuple[str, int]:
    """Return the digits that start at a word, and where they end; letters for zero only where digits prove them.

    Without digits, the end is where to look next.
    """
    pieces: list[tuple[str, int, int, bool]] = []  # digits, first, end, sure
    place = first
    while place < len(words) and (place == first or place not in breaks):
        at = place
        if words[place] in MULTIPLIERS and place + 1 < len(words) and place + 1 not in breaks:
            at = place + 1
        if place in taken or at in taken:
            break
        digit = DIGITS.get(words[at], "0" if words[at] in LETTER_ZEROS else "")
        if not digit:
            break
        pieces.append((digit * MULTIPLIERS.get(words[place], 1), place, at + 1, words[at] in DIGITS))
        place = at + 1
    sure = [index for index, piece in enumerate(pieces) if piece[3]]
    if not sure:
        return "", place
    if len(sure) == 1:
        # One digit proves no zero beside it, unless it is one of several: "double oh seven".
        several = sure[0] > 0 and len(pieces[sure[0] - 1][0]) > 1
        pieces = pieces[sure[0] - several : sure[0] + 1]
        if pieces[0][1] > first:
            return "", pieces[0][1]
    return "".join(piece[0] for piece in pieces), pieces[-1][2]
