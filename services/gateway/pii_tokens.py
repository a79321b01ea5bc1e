"""Words of a turn as the tokens redaction looks at: one shape for what was spoken and what was written.

"john.smith@example.com" and "john dot smith at example dot com" give the same tokens, and so do "555-1234"
and "five five five dash one two three four".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway.spoken_numbers import LARGE_SCALES, LETTER_ZEROS, MULTIPLIERS, find_number_spans

_PIECE = re.compile(r"[^\W_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}][^\W_]+)*|[@._\-/:+]")
_WRITTEN_SYMBOLS = {
    "@": "at",
    ".": "dot",
    "_": "underscore",
    "-": "dash",
    "/": "slash",
    ":": "colon",
    "+": "plus",
}
SYMBOLS = frozenset({*_WRITTEN_SYMBOLS.values(), "point", "hyphen", "minus"})
_WRITTEN_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a piece of one, or a symbol inside one; ``word`` is the place of the word it belongs to."""

    text: str
    word: int


@dataclass(frozen=True, slots=True)
class NumberItem:
    """A number that covers the tokens ``first`` to ``end`` (exclusive).

    Attributes:
        digits: its digits; letters of a code such as ``DE89`` are left out.
        in_sequence: written in digits or spoken digit by digit, so likely part of a longer number.
        quantity: spoken with "thousand" or more, so a number of things unless other numbers stand beside it.
    """

    first: int
    end: int
    digits: str
    is_ordinal: bool
    in_sequence: bool
    quantity: bool


def tokens_of(texts: Sequence[str]) -> tuple[Token, ...]:
    """Return the tokens of words in lower case; symbols count only inside a word, never at its ends."""
    tokens: list[Token] = []
    for word, text in enumerate(texts):
        pieces = _PIECE.findall(unicodedata.normalize("NFKC", text).lower())
        while pieces and pieces[-1] in _WRITTEN_SYMBOLS:
            pieces.pop()
        while pieces and pieces[0] in _WRITTEN_SYMBOLS and pieces[0] not in "@+":
            pieces.pop(0)
        tokens.extend(Token(_WRITTEN_SYMBOLS.get(piece, piece), word) for piece in pieces)
    return tuple(tokens)


def number_items(tokens: Sequence[Token]) -> tuple[NumberItem, ...]:
    """Return every number among the tokens, in order, in digits; a doubtful word counts as a number."""
    texts = [token.text for token in tokens]
    written = {place for place, text in enumerate(texts) if _digits(text)}
    apart = written | {place for place, text in enumerate(texts) if text in SYMBOLS}
    items = [
        NumberItem(
            first=place,
            end=place + 1,
            digits=_digits(texts[place]),
            is_ordinal=bool(_WRITTEN_ORDINAL.fullmatch(texts[place])),
            in_sequence=True,
            quantity=False,
        )
        for place in written
    ]
    items.extend(
        NumberItem(
            first=span.first,
            end=span.end,
            digits=_digits(span.text),
            is_ordinal=span.is_ordinal,
            in_sequence=span.spelled,
            quantity=not (LARGE_SCALES | {"thousand"}).isdisjoint(texts[span.first : span.end]),
        )
        for span in find_number_spans(texts, not_numbers=apart)
    )
    return tuple(sorted(items, key=lambda item: item.first))


def is_number_word(text: str) -> bool:
    """Say whether a token is a spoken number or part of one, wherever it stands."""
    return text in LETTER_ZEROS or text in MULTIPLIERS or bool(find_number_spans([text]))


def _digits(text: str) -> str:
    """Return the decimal digits of any script in a text, as ASCII."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())
