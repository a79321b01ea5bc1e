"""What a session's keyterms are to the recogniser: entries it can hear, and spellings to give words back in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from services.asr.engines.embedded.pronunciation import (
    MAX_VARIANTS,
    Phones,
    Pronouncer,
    Variant,
    is_speakable,
    spoken_text,
)

# A shorter sound is found in too many words that were never said.
MIN_PHONES = 3
_ENTRY_MARK = "="


@dataclass(frozen=True, slots=True)
class Share:
    """A word of a term and its part of the term's length, in phones."""

    text: str
    phones: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to say one term, which the recogniser hears as a single word.

    Attributes:
        name: made from the sound, so that it means the same in every set of terms and is no word.
        words: the term's words as the client spells them.
    """

    name: str
    phones: Phones
    words: tuple[Share, ...]


class TermBook:
    """The keyterms of a session, ready for the recogniser.

    Attributes:
        entries: what to add to the recogniser's words, by name.
    """

    def __init__(self, terms: Iterable[str], pronouncer: Pronouncer, knows: Callable[[str], bool]) -> None:
        """Work out entries and spellings; terms nobody can say in English are left out.

        Args:
            knows: whether the recogniser hears a lower-case word anyway.
        """
        self.entries: dict[str, Entry] = {}
        self._spellings: dict[tuple[str, ...], tuple[str, ...]] = {}
        for term in terms:
            if is_speakable(term):
                self._add(tuple(word for word in term.split() if spoken_text(word)), pronouncer, knows)
        self._longest = max(map(len, self._spellings), default=0)

    def _add(self, words: tuple[str, ...], pronouncer: Pronouncer, knows: Callable[[str], bool]) -> None:
        plain = tuple(word.lower() for word in words)
        ways = _ways([pronouncer.say(word) for word in words])
        # "IT" is no way to write "it", which sounds otherwise.
        if all(map(knows, plain)) and _ways([pronouncer.say(word) for word in plain])[0] in ways:
            self._spellings.setdefault(plain, words)
        for way in ways:
            phones = tuple(phone for part in way for phone in part)
            if len(phones) >= MIN_PHONES:
                name = _ENTRY_MARK + "_".join(phones)
                shares = tuple(Share(word, len(part)) for word, part in zip(words, way, strict=True))
                self.entries.setdefault(name, Entry(name, phones, shares))

    def spelled(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return lower-case words in the spelling of the terms they make up, as many as before."""
        result: list[str] = []
        while len(result) < len(words):
            rest = words[len(result) :]
            lengths = range(min(self._longest, len(rest)), 0, -1)
            spellings = (self._spellings.get(tuple(rest[:length])) for length in lengths)
            result.extend(next(filter(None, spellings), rest[:1]))
        return tuple(result)


def _ways(said: Sequence[Sequence[Variant]]) -> tuple[tuple[Phones, ...], ...]:
    """Return the likeliest ways to say some words one after another."""
    ways: list[tuple[float, tuple[Phones, ...]]] = [(1.0, ())]
    for variants in said:
        longer = [
            (likelihood * variant.likelihood, (*way, variant.phones))
            for likelihood, way in ways
            for variant in variants
        ]
        ways = sorted(longer, key=lambda item: -item[0])[:MAX_VARIANTS]
    return tuple(way for _, way in ways)
