"""Redaction of personal data in final turns, by patterns, for English.

Works on spoken words ("four one one one ...") and on written ones alike, so that a turn is redacted whether
or not it is formatted. Numbers in digits are found in every language, number words only in English.

Known limits: each turn is looked at alone, so digits of one number that fall into two turns are two short
numbers; dates without number or month ("christmas", "last tuesday") are not dates here.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import phonenumbers
from stdnum import luhn
from stdnum.iso7064 import mod_97_10
from stdnum.us import ssn

from protos.session_v3 import TurnWord
from services.gateway.pii_spans import (
    NumberRun,
    Span,
    date_spans,
    email_spans,
    ip_spans,
    number_runs,
    url_spans,
)
from services.gateway.pii_tokens import Token, is_number_word, number_items, tokens_of


class Policy(StrEnum):
    """Kinds of data that can be redacted here, by the names clients ask for."""

    EMAIL_ADDRESS = "email_address"
    URL = "url"
    IP_ADDRESS = "ip_address"
    CREDIT_CARD_NUMBER = "credit_card_number"
    CREDIT_CARD_CVV = "credit_card_cvv"
    CREDIT_CARD_EXPIRATION = "credit_card_expiration"
    US_SOCIAL_SECURITY_NUMBER = "us_social_security_number"
    PHONE_NUMBER = "phone_number"
    BANKING_INFORMATION = "banking_information"
    DATE_OF_BIRTH = "date_of_birth"
    DATE = "date"
    NUMBER_SEQUENCE = "number_sequence"


class Substitution(StrEnum):
    """What stands in the place of redacted words."""

    HASH = "hash"
    ENTITY_NAME = "entity_name"


@dataclass(frozen=True, slots=True)
class Redaction:
    """Which personal data is taken out of a session's text, and what stands in its place."""

    policies: frozenset[Policy]
    substitution: Substitution


SUPPORTED_POLICIES = frozenset(policy.value for policy in Policy)

# Fewest digits of a run that a policy takes. Seven is the shortest number anyone can be called or charged by;
# in doubt about its kind, every policy for numbers takes it.
_MIN_DIGITS = {
    Policy.CREDIT_CARD_NUMBER: 7,
    Policy.US_SOCIAL_SECURITY_NUMBER: 7,
    Policy.PHONE_NUMBER: 7,
    Policy.BANKING_INFORMATION: 5,
    Policy.DATE_OF_BIRTH: 4,
    Policy.DATE: 4,
    Policy.CREDIT_CARD_CVV: 3,
    Policy.CREDIT_CARD_EXPIRATION: 3,
    Policy.NUMBER_SEQUENCE: 2,
}
# A word of the kind shortly before, and few digits are enough: "the card ending in four two four two".
_CONTEXT_TOKENS = 10
_CONTEXT_MIN_DIGITS = {
    Policy.CREDIT_CARD_NUMBER: 3,
    Policy.US_SOCIAL_SECURITY_NUMBER: 3,
    Policy.PHONE_NUMBER: 3,
    Policy.BANKING_INFORMATION: 3,
    Policy.DATE_OF_BIRTH: 2,
    Policy.CREDIT_CARD_CVV: 1,
    Policy.CREDIT_CARD_EXPIRATION: 1,
}
_CONTEXT = {
    Policy.CREDIT_CARD_CVV: frozenset({"cvv", "cvc", "code", "verification", "back"}),
    Policy.CREDIT_CARD_EXPIRATION: frozenset({"expires", "expiring", "expiration", "expiry", "exp", "valid"}),
    Policy.CREDIT_CARD_NUMBER: frozenset({"card", "visa", "mastercard", "amex", "credit", "debit"}),
    Policy.US_SOCIAL_SECURITY_NUMBER: frozenset({"social", "security", "ssn"}),
    Policy.PHONE_NUMBER: frozenset({"phone", "telephone", "cell", "mobile", "fax", "call", "dial", "text"}),
    Policy.BANKING_INFORMATION: frozenset({"iban", "bank", "account", "routing", "sort"}),
    Policy.DATE_OF_BIRTH: frozenset({"born", "birth", "birthday", "dob"}),
}
_DATE_POLICIES = (Policy.DATE_OF_BIRTH, Policy.CREDIT_CARD_EXPIRATION, Policy.DATE)
_FIRST_YEAR, _LAST_YEAR = 1900, 2099
_CARD_DIGITS = range(12, 20)
_SSN_DIGITS = 9
_IBAN_CHARACTERS = range(15, 35)
# Names a run that fits no form, most general first.
_UNNAMED = (
    Policy.NUMBER_SEQUENCE,
    Policy.DATE,
    Policy.DATE_OF_BIRTH,
    Policy.CREDIT_CARD_EXPIRATION,
    Policy.CREDIT_CARD_CVV,
    Policy.PHONE_NUMBER,
    Policy.CREDIT_CARD_NUMBER,
    Policy.US_SOCIAL_SECURITY_NUMBER,
    Policy.BANKING_INFORMATION,
)


def unsupported_policies(requested: Collection[str]) -> tuple[str, ...]:
    """Return the policies that cannot be honoured here, in the order they were asked for."""
    return tuple(dict.fromkeys(policy for policy in requested if policy not in SUPPORTED_POLICIES))


def redact_pii(
    words: Sequence[TurnWord], policies: Collection[str], substitution: Substitution = Substitution.HASH
) -> tuple[TurnWord, ...]:
    """Return the words of a final turn with every word of personal data replaced.

    Number, order, times and confidences of the words stay. ``hash`` writes ``#`` for letters and digits and
    keeps punctuation; a spoken number word becomes one ``#``, because its length would give the digit away.

    Raises:
        ValueError: a policy is not one of ``SUPPORTED_POLICIES``; callers refuse those before the session.
    """
    wanted = frozenset(Policy(policy) for policy in policies)
    texts = [word.text for word in words]
    tokens = tokens_of(texts)
    labels: dict[int, Policy] = {}
    for policy, span in _entities(texts, tokens, wanted):
        for token in tokens[span.first : span.end]:
            labels.setdefault(token.word, policy)
    return tuple(
        word
        if place not in labels
        else msgspec.structs.replace(word, text=_substitute(word.text, labels[place], substitution))
        for place, word in enumerate(words)
    )


def _entities(
    texts: Sequence[str], tokens: Sequence[Token], wanted: Collection[Policy]
) -> Iterator[tuple[Policy, Span]]:
    """Yield what is to be redacted; where two overlap, the first names the word."""
    items = number_items(tokens)
    if Policy.EMAIL_ADDRESS in wanted:
        yield from ((Policy.EMAIL_ADDRESS, span) for span in email_spans(tokens))
    if Policy.IP_ADDRESS in wanted:
        yield from ((Policy.IP_ADDRESS, span) for span in ip_spans(tokens, items))
        yield from ((Policy.IP_ADDRESS, span) for span in _written_ip_spans(texts, tokens))
    if Policy.URL in wanted:
        yield from ((Policy.URL, span) for span in url_spans(tokens))
    dates = [policy for policy in _DATE_POLICIES if policy in wanted]
    if dates:
        yield from ((_nearest(dates, tokens, span.first) or dates[-1], span) for span in date_spans(tokens, items))
    for run in number_runs(tokens, items):
        policy = _number_policy(run, tokens, wanted)
        if policy is not None:
            yield policy, Span(run.first, run.end)


def _written_ip_spans(texts: Sequence[str], tokens: Sequence[Token]) -> Iterator[Span]:
    """Find the words that are an IP address as written, such as ``::1``."""
    for place, token in enumerate(tokens):
        try:
            ipaddress.ip_address(texts[token.word].strip(".,;!?()[]"))
        except ValueError:
            continue
        yield Span(place, place + 1)


def _number_policy(run: NumberRun, tokens: Sequence[Token], wanted: Collection[Policy]) -> Policy | None:
    """Return the policy that takes a run: by the words before it, by its form, else the first that would."""
    candidates = [policy for policy in _MIN_DIGITS if policy in wanted and _takes(policy, run, tokens)]
    if not candidates:
        return None
    fitting = (policy for policy in candidates if _fits(policy, run))
    return _nearest(candidates, tokens, run.first) or next(fitting, min(candidates, key=_UNNAMED.index))


def _takes(policy: Policy, run: NumberRun, tokens: Sequence[Token]) -> bool:
    digits = run.digits
    if policy is Policy.NUMBER_SEQUENCE:
        return len(digits) >= _MIN_DIGITS[policy]
    if policy in _DATE_POLICIES and any(token.text == "slash" for token in tokens[run.first : run.end]):
        return True
    if run.is_quantity:
        return policy in _DATE_POLICIES and _FIRST_YEAR <= int(digits) <= _LAST_YEAR
    near = _context_place(policy, tokens, run.first) >= 0
    return len(digits) >= (_CONTEXT_MIN_DIGITS[policy] if near else _MIN_DIGITS[policy])


def _fits(policy: Policy, run: NumberRun) -> bool:
    """Say whether a run has the form of a kind of number; this only chooses its name."""
    digits = run.digits
    if policy is Policy.CREDIT_CARD_NUMBER:
        return len(digits) in _CARD_DIGITS and luhn.is_valid(digits)
    if policy is Policy.DATE:
        return len(digits) == 4 and _FIRST_YEAR <= int(digits) <= _LAST_YEAR
    if policy is Policy.US_SOCIAL_SECURITY_NUMBER:
        return len(digits) == _SSN_DIGITS and ssn.is_valid(digits)
    if policy is Policy.PHONE_NUMBER:
        return _is_phone_number(digits)
    if policy is Policy.BANKING_INFORMATION:
        code = run.code.upper()
        return (
            len(code) in _IBAN_CHARACTERS
            and code[:2].isalpha()
            and code.isascii()
            and mod_97_10.is_valid(code[4:] + code[:4])
        )
    return False


def _is_phone_number(digits: str) -> bool:
    try:
        return any(phonenumbers.is_valid_number(phonenumbers.parse(number, "US")) for number in (digits, f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def _nearest(policies: Sequence[Policy], tokens: Sequence[Token], place: int) -> Policy | None:
    """Return the policy whose words stand nearest before a place, if any do."""
    nearest = max(policies, key=lambda policy: _context_place(policy, tokens, place))
    return nearest if _context_place(nearest, tokens, place) >= 0 else None


def _context_place(policy: Policy, tokens: Sequence[Token], place: int) -> int:
    """Return where the last word that announces a policy stands before a place; -1 when none does."""
    announcing = _CONTEXT.get(policy, frozenset())
    before = range(max(place - _CONTEXT_TOKENS, 0), place)
    return max((at for at in before if tokens[at].text in announcing), default=-1)


def _substitute(text: str, policy: Policy, substitution: Substitution) -> str:
    if substitution is Substitution.ENTITY_NAME:
        first = next((at for at, character in enumerate(text) if not _is_punctuation(character)), len(text))
        end = max((at + 1 for at, character in enumerate(text) if not _is_punctuation(character)), default=first)
        return f"{text[:first]}[{policy.upper()}]{text[end:]}"
    pieces = [piece.text for piece in tokens_of([text])]
    if pieces and not any(character.isdecimal() for character in text) and all(map(is_number_word, pieces)):
        first = next(at for at, character in enumerate(text) if not _is_punctuation(character))
        end = max(at + 1 for at, character in enumerate(text) if not _is_punctuation(character))
        return f"{text[:first]}#{text[end:]}"
    return "".join(character if _is_punctuation(character) else "#" for character in text)


def _is_punctuation(character: str) -> bool:
    """Say whether a character carries no content: no letter, digit or mark in any script."""
    return unicodedata.category(character)[0] in "PZSC"
