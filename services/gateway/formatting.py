"""Written form for engines that emit plain lower-case words."""

from __future__ import annotations

from collections.abc import Sequence

TERMINAL_MARKS = ".?!"
# The pronoun and its contractions are the only English words written upper-case everywhere.
_PRONOUN = {"i": "I", "i'm": "I'm", "i'll": "I'll", "i've": "I've", "i'd": "I'd"}


def sentence_case(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words of one turn as a sentence: first letter upper-case, one full stop at the end.

    The number of words stays the same, so that each keeps its times.
    """
    if not words:
        return ()
    written = [_PRONOUN.get(word, word) for word in words]
    written[0] = written[0][:1].upper() + written[0][1:]
    if written[-1][-1:] not in TERMINAL_MARKS:
        written[-1] += "."
    return tuple(written)
