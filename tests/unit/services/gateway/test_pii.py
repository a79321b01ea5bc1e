"""Redaction of personal data, spoken and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.formatting import written_form
from services.gateway.pii import SUPPORTED_POLICIES, Policy, Substitution, redact_pii, unsupported_policies
from services.gateway.spoken_numbers import DIGITS
from tests.support.spoken_words import joined, spoken

_DIGIT_WORDS = {digit: word for word, digit in DIGITS.items() if word != "nought"}
_CARD = "4111111111111111"
_SPOKEN_CARD = "four " + " ".join(["one"] * 15)


def kept(line: str, *policies: Policy) -> str:
    """Return what redaction leaves of a line, spoken and written alike, in lower case."""
    by_words = [word for word in redact_pii(spoken(line), policies) if "#" not in word.text]
    by_form = [word for word in redact_pii(written_form(spoken(line)), policies) if "#" not in word.text]
    assert joined(by_form).lower().rstrip(".?") == joined(by_words).lower().rstrip(".?")
    return joined(by_words)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"my card is {_SPOKEN_CARD} thanks", "my card is thanks"),
        ("four one one one uh one one one one then one one one one one one one one", ""),
        ("it is forty one eleven eleven eleven eleven eleven eleven eleven okay", "it is okay"),
        ("four triple one double one oh oh oh oh oh oh oh oh oh oh okay", "okay"),
        ("four one one one one banana one one one one one one one one one one yes", "yes"),
        ("four one one one dash one one one one dash one one one one dash one one one one", ""),
        ("the card ends in four two four two", "the card ends in"),
        ("i have one card and two dogs", "i have one card and two dogs"),
        ("we have two million dollars", "we have two million dollars"),
    ],
)
def test_redact_pii_card_spoken_leaves_no_digit(line: str, left: str) -> None:
    """Digits one by one, in groups, doubled, with fillers and a misheard word between: all go."""
    assert kept(line, Policy.CREDIT_CARD_NUMBER) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("call me at four one five five five five one two three four tomorrow", "call me at tomorrow"),
        ("call four hundred fifteen five five five twelve thirty four", "call"),
        ("eight hundred five five five one two one two please", "please"),
        ("my number is five five five four thousand", "my number is"),
        ("five five five dash one two one two extension forty two", ""),
        ("oh two oh seven nine four six oh nine five eight", ""),
        ("area code four one five then five five five one two one two", "area code"),
        ("five five five one for one two", ""),
        ("in nineteen ninety nine we met", "in nineteen ninety nine we met"),
    ],
)
def test_redact_pii_phone_spoken_leaves_no_digit(line: str, left: str) -> None:
    """However the groups are said, the number goes; a year alone is none."""
    by_words = [word for word in redact_pii(spoken(line), [Policy.PHONE_NUMBER]) if "#" not in word.text]
    assert joined(by_words) == left
    written = redact_pii(written_form(spoken(line)), [Policy.PHONE_NUMBER])
    assert any(word.text.strip(".").isdigit() for word in written) == ("nineteen" in left)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("my social is one two three four five six seven eight nine", "my social is"),
        ("social security number one twenty three forty five sixty seven eighty nine", "social security number"),
        ("my social ends in six seven eight nine", "my social ends in"),
        ("oh seven eight oh five one one two oh", ""),
    ],
)
def test_redact_pii_ssn_spoken_leaves_no_digit(line: str, left: str) -> None:
    """Digit by digit, in pairs, and its last four after the words that announce it."""
    assert kept(line, Policy.US_SOCIAL_SECURITY_NUMBER) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("john dot smith at example dot com", ""),
        ("my email is j o h n underscore forty two at gmail dot com thanks", "my email is thanks"),
        ("email john smith at open street map dot org please", "email please"),
        ("write to me at john at gmail", "write to me at"),
        ("it is anna at mail dot example dot co dot uk okay", "it is okay"),
        ("look at the house at the corner", "look at the house at the corner"),
    ],
)
def test_redact_pii_email_spoken_is_redacted_whole(line: str, left: str) -> None:
    """Name, "at" and domain go; other uses of "at" stay."""
    assert kept(line, Policy.EMAIL_ADDRESS) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("w w w dot example dot com slash login", ""),
        ("go to h t t p s colon slash slash example dot org now", "go to now"),
        ("see example dot c o m", "see"),
        ("visit example point com", "visit"),
        ("he came on the dot he said", "he came on the dot he said"),
    ],
)
def test_redact_pii_url_spoken_is_redacted_whole(line: str, left: str) -> None:
    """Scheme, labels and path go."""
    assert kept(line, Policy.URL) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("the server is one ninety two dot one sixty eight dot one dot one okay", "the server is okay"),
        ("ten point zero point zero point one", ""),
        ("two zero zero one colon d b eight colon colon one", ""),
        ("three point five percent", "three point five percent"),
    ],
)
def test_redact_pii_ip_spoken_is_redacted_whole(line: str, left: str) -> None:
    """Four numbers with "dot" or "point" between; hex groups with "colon"."""
    assert joined([word for word in redact_pii(spoken(line), [Policy.IP_ADDRESS]) if "#" not in word.text]) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("i was born on december eighteenth nineteen eighty", "i was born on"),
        ("the fifth of may two thousand and five", "the"),
        ("on march third", "on"),
        ("twelve slash eighteen slash ninety", ""),
        ("in nineteen oh five it was", "in it was"),
        ("come on the fifteenth please", "come on the please"),
        ("i may march on", "i may march on"),
    ],
)
def test_redact_pii_date_spoken_is_redacted(line: str, left: str) -> None:
    """Months with their numbers, numeric dates, years and days; verbs stay."""
    assert kept(line, Policy.DATE) == left
    assert kept(line, Policy.DATE_OF_BIRTH) == left


@pytest.mark.parametrize(
    ("policy", "line", "left"),
    [
        (Policy.CREDIT_CARD_CVV, "the code on the back is one two three", "the code on the back is"),
        (Policy.CREDIT_CARD_EXPIRATION, "expires oh five twenty seven", "expires"),
        (Policy.CREDIT_CARD_EXPIRATION, "expires in may twenty twenty seven", "expires in"),
        (Policy.BANKING_INFORMATION, "account one two three four five", "account"),
        (
            Policy.BANKING_INFORMATION,
            "iban d e eight nine three seven oh four oh oh four four oh five three two oh one three oh oh oh",
            "iban",
        ),
        (Policy.NUMBER_SEQUENCE, "take forty two or seven", "take or seven"),
    ],
)
def test_redact_pii_short_numbers_spoken_are_redacted(policy: Policy, line: str, left: str) -> None:
    """Codes, expiry dates, account numbers and lone numbers, each by its own policy."""
    assert joined([word for word in redact_pii(spoken(line), [policy]) if "#" not in word.text]) == left


@pytest.mark.parametrize(
    ("policy", "text", "redacted"),
    [
        (Policy.EMAIL_ADDRESS, "Mail john.smith@example.com, please.", "Mail ####.#####@#######.###, please."),
        (Policy.EMAIL_ADDRESS, "Mail John at example.com.", "Mail #### ## #######.###."),
        (Policy.PHONE_NUMBER, "Call (415) 555-1234 now.", "Call (###) ###-#### now."),
        (Policy.CREDIT_CARD_NUMBER, "It is 4111-1111-1111-1111.", "It is ####-####-####-####."),
        (Policy.CREDIT_CARD_NUMBER, "It is 4111 1111 1111 1112.", "It is #### #### #### ####."),
        (Policy.US_SOCIAL_SECURITY_NUMBER, "SSN: 078-05-1120", "SSN: ###-##-####"),
        (Policy.IP_ADDRESS, "At 192.168.1.1, fe80::1 and ::1.", "At ###.###.#.#, ####::# and ::#."),
        (Policy.URL, "See https://www.example.com/a?b=c!", "See #####://###.#######.###/#?#=#!"),
        (Policy.URL, "It ends. Then e.g. U.S.A. follows.", "It ends. Then e.g. U.S.A. follows."),
        (Policy.BANKING_INFORMATION, "DE89 3704 0044 0532 0130 00", "#### #### #### #### #### ##"),
        (Policy.DATE, "On 12/18/2024 and Dec. 5, 1999.", "On ##/##/#### and ###. #, ####."),
        (Policy.PHONE_NUMBER, "٤١٥٥٥٥١٢٣٤", "##########"),
    ],
)
def test_redact_pii_written_text_keeps_its_punctuation(policy: Policy, text: str, redacted: str) -> None:
    """Text of engines that punctuate: letters and digits of any script become ``#``."""
    assert joined(redact_pii(spoken(text), [policy])) == redacted


def test_redact_pii_entity_name_stands_for_each_word() -> None:
    """Every word of an entity is replaced by its name; punctuation around it stays."""
    words = spoken("call (415) 555-1234, thanks")
    assert joined(redact_pii(words, [Policy.PHONE_NUMBER], Substitution.ENTITY_NAME)) == (
        "call ([PHONE_NUMBER]) [PHONE_NUMBER], thanks"
    )


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"i said {_SPOKEN_CARD}", "[CREDIT_CARD_NUMBER]"),
        ("my social is one two three four five six seven eight nine", "[US_SOCIAL_SECURITY_NUMBER]"),
        ("i said four one five five five five two six seven one", "[PHONE_NUMBER]"),
        ("my birthday is june fifth", "[DATE_OF_BIRTH]"),
        ("that was in nineteen ninety", "[DATE]"),
        ("take forty two", "[NUMBER_SEQUENCE]"),
    ],
)
def test_redact_pii_all_policies_name_the_likeliest(line: str, name: str) -> None:
    """The words before, then the form of the number choose the name."""
    assert joined(redact_pii(spoken(line), SUPPORTED_POLICIES, Substitution.ENTITY_NAME)).endswith(name)


def test_redact_pii_hash_of_spoken_digits_does_not_show_their_length() -> None:
    """A spoken digit is one ``#``: "three" and "one" must look alike."""
    words = redact_pii(spoken("three one seven two eight six nine"), [Policy.PHONE_NUMBER])
    assert {word.text for word in words} == {"#"}


def test_redact_pii_no_policy_changes_nothing() -> None:
    """Only what was asked for is redacted."""
    words = spoken(_SPOKEN_CARD)
    assert redact_pii(words, []) == words


def test_redact_pii_unknown_policy_is_refused() -> None:
    """A policy is never silently ignored."""
    with pytest.raises(ValueError, match="person_name"):
        redact_pii((), ["person_name"])


def test_unsupported_policies_names_each_once_in_order() -> None:
    """Callers refuse a session with these names."""
    requested = ["person_name", "phone_number", "location", "person_name"]
    assert unsupported_policies(requested) == ("person_name", "location")
    assert unsupported_policies(sorted(SUPPORTED_POLICIES)) == ()


_PLAIN = st.lists(st.sampled_from(["so", "well", "please", "yes", "thank", "you", "it", "is"]), max_size=5)
_NUMERIC = st.sampled_from(["zero", "twenty", "five", "oh", "double", "thousand", "and", "to", "555", "at", "dot", "."])


@given(
    st.text("0123456789", min_size=13, max_size=19),
    _PLAIN,
    _PLAIN,
    st.sampled_from(["credit_card_number", "phone_number", "us_social_security_number", "number_sequence"]),
)
def test_redact_pii_any_planted_number_does_not_survive(
    digits: str, before: list[str], after: list[str], policy: str
) -> None:
    """Spoken digit by digit in any sentence, raw or formatted, no digit and no digit word is left."""
    words = spoken([*before, *(_DIGIT_WORDS[digit] for digit in digits), *after])
    spoken_left = redact_pii(words, [policy])
    assert [word.text for word in spoken_left] == [*before, *("#" for _ in digits), *after]
    written_left = joined(redact_pii(written_form(words), [policy]))
    assert not any(character.isdecimal() for character in written_left)


@given(
    st.lists(st.one_of(_NUMERIC, st.text(min_size=1, max_size=8), st.characters()), max_size=25),
    st.sets(st.sampled_from(sorted(SUPPORTED_POLICIES))),
    st.sampled_from(Substitution),
)
def test_redact_pii_any_words_keep_number_and_times(
    texts: list[str], policies: set[str], substitution: Substitution
) -> None:
    """Whatever comes, nothing fails and only texts change."""
    words = spoken(texts)
    redacted = redact_pii(words, policies, substitution)
    assert [(word.start, word.end, word.confidence) for word in redacted] == [
        (word.start, word.end, word.confidence) for word in words
    ]
