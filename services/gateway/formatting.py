"""Written form for engines that emit plain lower-case English words.

Case, final punctuation, digits. Engines that punctuate, and every other language, are left alone by the
caller: nothing here knows their rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from protos.session_v3 import TurnWord
from services.gateway.spoken_numbers import (
    DIGITS,
    LARGE_SCALES,
    LETTER_ZEROS,
    MULTIPLIERS,
    SCALES,
    NumberSpan,
    find_number_spans,
)

TERMINAL_MARKS = ".?!"
# Longer than the gaps inside a number said in one go: after such a pause "twenty ... five" is 20 and 5.
NUMBER_PAUSE_MS = 600

# The pronoun and its contractions are the only English words written upper-case everywhere.
_PRONOUN = {"i": "I", "i'm": "I'm", "i'll": "I'll", "i've": "I've", "i'd": "I'd"}
# "march" and "may" are left out: mostly they are verbs.
_CALENDAR_NAME = re.compile(
    "(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|april|june|july|august|(?:septem|octo|novem|decem)ber"
)
# A long turn holds several sentences, and its first words say nothing about the last one.
_QUESTION_MAX_WORDS = 12
_AUXILIARY = "(?:(?:is|are|was|were|do|does|did|could|would|should|has|have)(?:n't)?|can|will|can't|won't)"
_SUBJECT = "(?:i|you|he|she|it|we|they|this|that|there|these|those|anyone|anybody|someone)"
_QUESTION_START = re.compile(
    rf"{_AUXILIARY} {_SUBJECT}|(?:what|where|when|why|who|how|which|whose) {_AUXILIARY}|(?:what|where|who|how|why)'s .*"
)

# Below this, a number that stands alone stays a word: "one of them", "no one", "first of all", "wait a second".
_ALONE_FROM = 3
_LONE_WORDS = frozenset({*DIGITS, "first", "second"})
_JOINED_DIGITS_FROM = 3
_CENTURY = re.compile(r"1[6-9]|20")
_YEAR_OF_CENTURY = re.compile(r"[1-9]\d")


def written_form(words: Sequence[TurnWord]) -> tuple[TurnWord, ...]:
    """Return the words of one turn as a written sentence with numbers in digits.

    Words that make one number become one word: it starts with the first, ends with the last, and is as
    sure as the least sure of them, for a number is right only when all of it is. Order and times are kept.
    A word with a capital is a client's keyterm in the client's spelling, and stays as it is.
    """
    texts = [word.text for word in words]
    breaks = {place for place in range(1, len(words)) if words[place].start - words[place - 1].end > NUMBER_PAUSE_MS}
    written: list[TurnWord] = []
    for span in _with_gaps(_written_spans(texts, breaks), len(words)):
        part = words[span.first : span.end]
        written.append(
            msgspec.structs.replace(
                part[0],
                text=span.text or part[0].text,
                end=part[-1].end,
                confidence=min(word.confidence for word in part),
                word_is_final=all(word.word_is_final for word in part),
            )
        )
    cased = sentence_case([word.text for word in written])
    return tuple(msgspec.structs.replace(word, text=text) for word, text in zip(written, cased, strict=True))


def sentence_case(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words of one turn as a sentence: first letter upper-case, one terminal mark at the end.

    The number of words stays the same, so that each keeps its times.
    """
    if not words:
        return ()
    written = [_PRONOUN.get(word) or (word.capitalize() if _CALENDAR_NAME.fullmatch(word) else word) for word in words]
    if not _has_capital(written[0]):
        written[0] = written[0][:1].upper() + written[0][1:]
    if written[-1][-1:] not in TERMINAL_MARKS or not written[-1]:
        written[-1] += "?" if _is_question(words) else "."
    return tuple(written)


def _has_capital(word: str) -> bool:
    return word != word.lower()


def _is_question(words: Sequence[str]) -> bool:
    """Say whether a short turn is a question by its first two words; doubt is a statement."""
    if not 2 <= len(words) <= _QUESTION_MAX_WORDS:
        return False
    return bool(_QUESTION_START.fullmatch(" ".join(words[:2]).lower()))


def _written_spans(texts: Sequence[str], breaks: set[int]) -> list[NumberSpan]:
    """Return the words to write otherwise, in order."""
    found = find_number_spans(texts, not_numbers=_not_numbers(texts), breaks=breaks)
    spans: list[NumberSpan] = []
    for span in _years(found, texts, breaks):
        spans.extend(_settled(span, found, texts, breaks))
    return [_percentage(span, texts) for span in spans]


def _not_numbers(texts: Sequence[str]) -> set[int]:
    """Return the places of words that look like numbers and are none in a written sentence."""
    apart = set()
    for place, word in enumerate(texts):
        after = texts[place + 1] if place + 1 < len(texts) else ""
        # "ten million", "a hundred": written as said. "one million two hundred thousand" is one number.
        if word in LARGE_SCALES and not find_number_spans([after]):
            apart.add(place)
        if _has_capital(word):
            apart.add(place)
        # Several points are no decimal: an address, a version.
        if word == "point" and {"point", "dot"} & {*texts[max(place - 4, 0) : place], *texts[place + 1 : place + 5]}:
            apart.add(place)
    return apart


def _years(found: Sequence[NumberSpan], texts: Sequence[str], breaks: set[int]) -> list[NumberSpan]:
    """Join "nineteen" + "ninety nine" and "nineteen" + "oh" + "five", unless more numbers stand beside them."""
    spans: list[NumberSpan] = []
    rest = list(found)
    while rest:
        span = rest.pop(0)
        follower = rest[0] if rest else None
        listed = (spans and _counts_on(spans[-1], span)) or (len(rest) > 1 and _counts_on(rest[0], rest[1]))
        if follower and not listed and _CENTURY.fullmatch(span.text) and follower.first not in breaks:
            gap = texts[span.end : follower.first]
            if not gap and _YEAR_OF_CENTURY.fullmatch(follower.text) and not follower.spelled:
                rest[0] = NumberSpan(span.first, follower.end, span.text + follower.text)
                continue
            said_oh = len(gap) == 1 and gap[0] in LETTER_ZEROS and span.end not in breaks
            if said_oh and follower.spelled and len(follower.text) == 1:
                rest[0] = NumberSpan(span.first, follower.end, f"{span.text}0{follower.text}")
                continue
        spans.append(span)
    return spans


def _counts_on(span: NumberSpan, follower: NumberSpan) -> bool:
    """Say whether two numbers are neighbours in a list, such as "eighteen nineteen twenty"."""
    return span.end == follower.first and not (span.is_ordinal or span.spelled or follower.spelled)


def _settled(span: NumberSpan, found: Sequence[NumberSpan], texts: Sequence[str], breaks: set[int]) -> list[NumberSpan]:
    """Return a span as it is written: joined digits, single digits, or nothing where the words stay."""
    spoken = texts[span.first : span.end]
    before = texts[span.first - 1] if span.first else ""
    after = texts[span.end] if span.end < len(texts) else ""
    follower = next((other for other in found if other.first == span.end), None)
    if span.spelled and (len(span.text) >= _JOINED_DIGITS_FROM or not MULTIPLIERS.keys().isdisjoint(spoken)):
        return [span]
    if span.spelled:
        # "one thirty": a small digit right before a number is part of it.
        leads_on = follower is not None and not follower.is_ordinal and span.end not in breaks
        return [
            NumberSpan(span.first + offset, span.first + offset + 1, digit, spelled=True)
            for offset, digit in enumerate(span.text)
            if int(digit) >= _ALONE_FROM or after == "percent" or leads_on
        ]
    if span.is_ordinal:
        # "one third", "a fifth", "three second rule": part or name of a unit, no rank.
        fraction = before in {"a", "an", "half"} or any(
            other.end == span.first and not other.is_ordinal for other in found
        )
        plural = span.text.endswith("s")
        alone = len(spoken) == 1 and spoken[0] in _LONE_WORDS
        return [] if fraction or plural or alone else [span]
    if spoken[0] in SCALES:
        # "a hundred" stays, "a hundred and five" is 105 and takes its article along.
        if len(spoken) == 1:
            return []
        return [NumberSpan(span.first - (before == "a"), span.end, span.text)]
    return [span]


def _percentage(span: NumberSpan, texts: Sequence[str]) -> NumberSpan:
    """Take the word "percent" into the number before it."""
    if span.is_ordinal or span.end >= len(texts) or texts[span.end] != "percent":
        return span
    return NumberSpan(span.first, span.end + 1, f"{span.text}%")


def _with_gaps(spans: Sequence[NumberSpan], count: int) -> list[NumberSpan]:
    """Return spans that cover every word once; those between numbers are one word long and carry no text."""
    covered: list[NumberSpan] = []
    place = 0
    for span in spans:
        covered.extend(NumberSpan(between, between + 1, "") for between in range(place, span.first))
        covered.append(span)
        place = span.end
    covered.extend(NumberSpan(between, between + 1, "") for between in range(place, count))
    return covered
