"""Where personal data lies in the tokens of a turn: addresses by their symbols, numbers by their length.

When in doubt, more is found rather than less. No check digit decides whether something is found, because
one misheard digit would give the others away. What is split over two turns cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.gateway.pii_tokens import SYMBOLS, NumberItem, Token
from services.gateway.spoken_numbers import LETTER_ZEROS, MULTIPLIERS

_MONTH = re.compile(
    "jan(?:uary)?|feb(?:ruary)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
# Verbs more often than months: they count only beside a number.
_MONTH_OR_VERB = re.compile("mar(?:ch)?|may")
_DATE_LINKS = frozenset({"of", "the", "in", "slash", "dash", "dot"})
_DATE_MAX_NUMBERS = 4
_LAST_DAY = 31
_TOP_LEVEL = frozenset({"com", "org", "net", "edu", "gov", "io", "co", "info"})
_MAIL_PROVIDERS = frozenset({"gmail", "hotmail", "yahoo", "outlook", "icloud", "aol", "protonmail"})
_ARTICLES = frozenset({"a", "an", "the", "this", "that", "each", "every", "polka"})
_DOMAIN_MAX_TOKENS = 6
_NAME_MAX_WORDS = 3
# Words that end the search for the beginning of an address said in several words.
_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        "is are was me my mine your our his her him us them it its it's that's that this the a an i i'm you we email "
        "e-mail mail e address website site page link to at on by for of from with as and or so yes yeah no okay um uh "
        "send write contact reach visit see open called goes please go",
    )
)
# Between the digits of one number; "oh" and "o" are digits there.
_FILLERS = frozenset(
    {*SYMBOLS, *LETTER_ZEROS, *MULTIPLIERS, "space", "uh", "um", "er", "ah", "hm", "okay", "area", "code", "extension"}
) - {"at"}
# What recognisers write for "two", "four", "eight", "one", "six"; and words people say between groups.
_MISHEARD_DIGITS = {"to": "2", "too": "2", "for": "4", "fore": "4", "ate": "8", "won": "1", "sex": "6"}
_DOUBTFUL_FILLERS = frozenset({*_MISHEARD_DIGITS, "and", "then", "or", "a", "i"})
_FILLERS_MAX = 6
_UNKNOWN_WORDS_MAX = 2
_GROUP_DIGITS = 3
_LONG_RUN_DIGITS = 7
_IPV4_MIN_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens ``first`` to ``end`` (exclusive)."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class NumberRun:
    """Numbers said one after the other, taken as one number.

    Attributes:
        code: its digits, and the single letters said between and before them.
    """

    first: int
    end: int
    items: tuple[NumberItem, ...]
    code: str

    @property
    def digits(self) -> str:
        """The digits alone."""
        return "".join(character for character in self.code if character.isdecimal())

    @property
    def is_quantity(self) -> bool:
        """One number of things, no sequence; a year such as "two thousand five" is none."""
        return len(self.items) == 1 and self.items[0].quantity


def email_spans(tokens: Sequence[Token]) -> Iterator[Span]:
    """Find e-mail addresses: a name, "at", a domain."""
    covered = 1
    for place, token in enumerate(tokens):
        domain = _domain_end(tokens, place + 1) if token.text == "at" and place >= covered else None
        if domain is not None:
            covered = domain
            yield Span(_name_start(tokens, place), domain)


def url_spans(tokens: Sequence[Token]) -> Iterator[Span]:
    """Find web addresses: names joined by "dot", with whatever path follows."""
    covered = 1
    for place in range(1, len(tokens)):
        if place >= covered and _is_dot(tokens, place) and _is_label(tokens, place + 1):
            known = tokens[place + 1].text in _TOP_LEVEL
            if known or tokens[place - 1].text not in _ARTICLES:
                covered = _domain_tail(tokens, place)
                yield Span(_name_start(tokens, place), covered)


def ip_spans(tokens: Sequence[Token], items: Sequence[NumberItem]) -> Iterator[Span]:
    """Find IP addresses: numbers joined by "dot" or "point" (three are enough), hex groups by "colon"."""
    groups = _joined_groups(items)
    chain: list[Span] = []
    for group in groups:
        if chain and group.first == chain[-1].end + 1 and tokens[chain[-1].end].text in {"dot", "point"}:
            chain.append(group)
            continue
        if len(chain) >= _IPV4_MIN_GROUPS:
            yield Span(chain[0].first, chain[-1].end)
        chain = [group]
    if len(chain) >= _IPV4_MIN_GROUPS:
        yield Span(chain[0].first, chain[-1].end)
    yield from _ipv6_spans(tokens, items)


def date_spans(tokens: Sequence[Token], items: Sequence[NumberItem]) -> Iterator[Span]:
    """Find dates with a month's name, and days such as "the fifteenth"; months alone count too."""
    starting = {item.first: item for item in items}
    ending = {item.end: item for item in items}
    for place, token in enumerate(tokens):
        surely = _MONTH.fullmatch(token.text)
        if not surely and not _MONTH_OR_VERB.fullmatch(token.text):
            continue
        first, end = _reach(tokens, place, ending, -1), _reach(tokens, place + 1, starting, 1)
        if surely or (first, end) != (place, place + 1):
            yield Span(first, end)
    for item in items:
        # "first" and "second" say an order more often than a day.
        day = item.is_ordinal and len(item.digits) <= 2 and 2 < int(item.digits) <= _LAST_DAY
        if day and item.first and tokens[item.first - 1].text in {"the", "on"}:
            yield Span(item.first, item.end)


def number_runs(tokens: Sequence[Token], items: Sequence[NumberItem]) -> tuple[NumberRun, ...]:
    """Join numbers into runs over pauses, fillers, spelled letters and the odd misheard word."""
    runs: list[NumberRun] = []
    open_items: list[NumberItem] = []
    code = ""
    for item in (item for item in items if not item.is_ordinal):
        gap = tokens[open_items[-1].end : item.first] if open_items else ()
        if open_items and _bridges(gap, open_items, code, item):
            code += _gap_code(gap) + item.digits
            open_items.append(item)
            continue
        if open_items:
            runs.append(_run(tokens, open_items, code))
        open_items, code = [item], item.digits
    if open_items:
        runs.append(_run(tokens, open_items, code))
    return tuple(runs)


def _run(tokens: Sequence[Token], items: Sequence[NumberItem], code: str) -> NumberRun:
    """Close a run; zeros and letters said right beside it belong to it, beside a long one misheard digits too."""
    first, end = items[0].first, items[-1].end
    while first and _is_code_letter(tokens, first - 1):
        first -= 1
        code = _letter(tokens[first].text) + code
    while end < len(tokens) and _is_code_letter(tokens, end):
        code += _letter(tokens[end].text)
        end += 1
    if len(code) >= _LONG_RUN_DIGITS:
        while first and tokens[first - 1].text in _MISHEARD_DIGITS:
            first -= 1
        while end < len(tokens) and tokens[end].text in _MISHEARD_DIGITS:
            end += 1
    return NumberRun(first, end, tuple(items), code)


def _is_code_letter(tokens: Sequence[Token], place: int) -> bool:
    text = tokens[place].text
    return text in LETTER_ZEROS or (len(text) == 1 and text.isalpha() and text not in {"a", "i"})


def _letter(text: str) -> str:
    return "0" if text in LETTER_ZEROS else _MISHEARD_DIGITS.get(text, text)


def _gap_code(gap: Sequence[Token]) -> str:
    """Return what a gap adds to a number: spelled letters, zeros, misheard digits."""
    codes = (_letter(token.text) for token in gap)
    return "".join(code for code in codes if len(code) == 1)


def _bridges(gap: Sequence[Token], before: Sequence[NumberItem], code: str, item: NumberItem) -> bool:
    """Say whether a number goes on after a gap."""
    plain = all(token.text in _FILLERS or (len(token.text) == 1 and token.text not in {"a", "i"}) for token in gap)
    if plain:
        return len(gap) <= _FILLERS_MAX
    sequence = before[-1].in_sequence and item.in_sequence
    if sequence and all(token.text in _FILLERS | _DOUBTFUL_FILLERS or len(token.text) == 1 for token in gap):
        return len(gap) <= _FILLERS_MAX
    long_enough = len(code) >= _GROUP_DIGITS and len(item.digits) >= _GROUP_DIGITS
    return sequence and long_enough and len(gap) <= _UNKNOWN_WORDS_MAX


def _reach(tokens: Sequence[Token], place: int, numbers: dict[int, NumberItem], step: int) -> int:
    """Follow numbers and the links between them away from a month's name; links count only before a number."""
    edge = here = place
    left = _DATE_MAX_NUMBERS
    while left:
        item = numbers.get(here)
        if item is not None:
            edge = here = item.end if step > 0 else item.first
            left -= 1
            continue
        at = here if step > 0 else here - 1
        if not 0 <= at < len(tokens) or tokens[at].text not in _DATE_LINKS:
            break
        here += step
    return edge


def _joined_groups(items: Sequence[NumberItem]) -> list[Span]:
    """Join numbers with nothing between them: "one" "ninety two" is one part of an address."""
    groups: list[Span] = []
    for item in items:
        if groups and groups[-1].end == item.first:
            groups[-1] = Span(groups[-1].first, item.end)
        else:
            groups.append(Span(item.first, item.end))
    return groups


def _ipv6_spans(tokens: Sequence[Token], items: Sequence[NumberItem]) -> Iterator[Span]:
    numeric = {place for item in items for place in range(item.first, item.end)}
    first = 0
    while first < len(tokens):
        end = first
        while end < len(tokens) and (
            end in numeric
            or tokens[end].text in {"colon", "double"}
            or re.fullmatch("[0-9a-f]{1,4}|oh?", tokens[end].text)
        ):
            end += 1
        colons = [place for place in range(first, end) if tokens[place].text == "colon"]
        doubled = any(place - 1 in colons or tokens[place - 1].text == "double" for place in colons if place > first)
        # Two single colons are a time of day.
        if len(colons) > 2 or doubled:
            yield Span(first, end)
        first = end + 1


def _is_dot(tokens: Sequence[Token], place: int) -> bool:
    if tokens[place].text == "dot":
        return True
    after = tokens[place + 1].text if place + 1 < len(tokens) else ""
    return tokens[place].text in {"point", "period"} and after in _TOP_LEVEL


def _is_label(tokens: Sequence[Token], place: int) -> bool:
    """Say whether a token can end a domain: letters, more than one; "c o m" is spelled out."""
    if place >= len(tokens) or not tokens[place].text[:1].isalpha() or tokens[place].text in SYMBOLS:
        return False
    spelled_on = (
        place + 1 < len(tokens) and len(tokens[place + 1].text) == 1 and tokens[place].word != tokens[place - 1].word
    )
    return len(tokens[place].text) > 1 or spelled_on


def _domain_end(tokens: Sequence[Token], first: int) -> int | None:
    """Return where a domain that starts at a token ends, or nothing when none starts there."""
    for place in range(first, min(first + _DOMAIN_MAX_TOKENS, len(tokens))):
        if tokens[place].text == "at":
            return None
        if place > first and _is_dot(tokens, place) and _is_label(tokens, place + 1):
            return _domain_tail(tokens, place)
        if place == first and tokens[place].text in _MAIL_PROVIDERS:
            following = place + 1 < len(tokens) and _is_dot(tokens, place + 1)
            return _domain_tail(tokens, place + 1) if following else place + 1
    return None


def _domain_tail(tokens: Sequence[Token], dot: int) -> int:
    """Return where an address ends whose dot stands at a place: labels, spelled letters, path."""
    end = min(dot + 2, len(tokens))
    while end < len(tokens):
        spelled = len(tokens[end].text) == 1 and len(tokens[end - 1].text) == 1
        if tokens[end].text in SYMBOLS - {"at", "minus"} and end + 1 < len(tokens):
            end += 2
        elif spelled or (tokens[end].word == tokens[end - 1].word):
            end += 1
        else:
            break
    return end


def _name_start(tokens: Sequence[Token], end: int) -> int:
    """Return where a name that ends before a place starts: joined, spelled or said in up to three words."""
    first = end - 1
    words = 1
    # Written in one piece, it is whole: other words are not part of it.
    written = tokens[first].word == tokens[end].word
    while first > 0 and (not written or tokens[first - 1].word == tokens[end].word):
        if not _is_joined(tokens[first - 1], tokens[first]):
            words += 1
            if words > _NAME_MAX_WORDS or tokens[first - 1].text in _STOP_WORDS:
                break
        first -= 1
    return first


def _is_joined(before: Token, token: Token) -> bool:
    """Say whether two tokens belong to one name: a symbol between, one word, or spelled letters."""
    spelled = len(before.text) == 1 and (len(token.text) == 1 or before.text not in {"a", "i"})
    return before.text in SYMBOLS - {"at"} or token.text in SYMBOLS or before.word == token.word or spelled
