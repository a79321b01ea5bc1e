"""Query string and UpdateConfiguration to frozen values; every refusal names the parameter."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from protos.session_v3 import Encoding, decode_json
from runtime.errors import InvalidInput
from services.gateway.pii import Policy, Redaction, Substitution, unsupported_policies

DEFAULT_SAMPLE_RATE_HZ = 16_000
MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 96_000
DEFAULT_API_VERSION = "2025-05-12"
MIN_TURN_SILENCE_RANGE_MS = (50, 10_000)
KEYTERMS_MAX_ITEMS = 100
KEYTERM_MAX_CHARACTERS = 50
PROMPT_MAX_CHARACTERS = 1_750
# A query string is never longer; parsing Python text of any length would hold the event loop.
PYTHON_LIST_MAX_CHARACTERS = 65_536
INACTIVITY_RANGE_S = (5, 3_600)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """Turn detection as the client asked for it; None = the model's default."""

    end_of_turn_confidence_threshold: float | None = None
    min_turn_silence_ms: int | None = None
    max_turn_silence_ms: int | None = None
    vad_threshold: float | None = None
    interruption_delay_ms: int | None = None
    continuous_partials: bool | None = None

    def merged(self, change: TurnOptions) -> TurnOptions:
        """Return these options with every given value of a change applied."""
        return TurnOptions(
            *(new if new is not None else old for old, new in zip(_values(self), _values(change), strict=True))
        )


@dataclass(frozen=True, slots=True)
class SessionParameters:
    """Everything a client may set when it connects, parsed and checked."""

    speech_model: str | None = None
    language: str | None = None
    sample_rate_hz: int = DEFAULT_SAMPLE_RATE_HZ
    encoding: Encoding = Encoding.PCM_S16LE
    format_turns: bool = False
    include_partial_turns: bool = True
    redaction: Redaction | None = None
    filter_profanity: bool = False
    language_detection: bool = False
    session_heartbeat: bool = False
    acknowledge_silence: bool = False
    mode: str | None = None
    domain: str | None = None
    inactivity_timeout_s: int | None = None
    turns: TurnOptions = TurnOptions()
    keyterms: tuple[str, ...] = ()
    prompt: str = ""
    agent_context: str = ""
    language_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One UpdateConfiguration; None leaves a value as it is."""

    turns: TurnOptions = TurnOptions()
    format_turns: bool | None = None
    filter_profanity: bool | None = None
    session_heartbeat: bool | None = None
    acknowledge_silence: bool | None = None
    keyterms: tuple[str, ...] | None = None
    prompt: str | None = None
    agent_context: str | None = None
    language_codes: tuple[str, ...] | None = None
    mode: str | None = None


def parse_query(query: str) -> SessionParameters:
    """Parse the query string of an upgrade request.

    Unknown names are ignored, an empty value counts as absent, the last of a repeated name wins.

    Raises:
        InvalidInput: a known parameter has a bad value.
    """
    given = {name: value for name, value in parse_qsl(query, keep_blank_values=True) if value}
    reader = _Reader(given)
    _refuse_webhook(reader)
    redaction = _redaction(reader)
    partials = reader.get("include_partial_turns", _boolean)
    encoding = reader.get("encoding", _encoding)
    return SessionParameters(
        speech_model=reader.get("speech_model", _text),
        language=reader.get("language", _text),
        # Compressed encodings carry their own rate.
        sample_rate_hz=reader.get("sample_rate", _sample_rate) or DEFAULT_SAMPLE_RATE_HZ,
        encoding=encoding or Encoding.PCM_S16LE,
        format_turns=reader.get("format_turns", _boolean) or False,
        # Partials come before the whole of a number is known, so redaction goes without them unless asked.
        include_partial_turns=partials if partials is not None else redaction is None,
        redaction=redaction,
        filter_profanity=reader.get("filter_profanity", _boolean) or False,
        language_detection=reader.get("language_detection", _boolean) or False,
        session_heartbeat=reader.get("session_heartbeat", _boolean) or False,
        acknowledge_silence=reader.get("acknowledge_silence", _boolean) or False,
        mode=reader.get("mode", _mode),
        domain=reader.get("domain", _domain),
        inactivity_timeout_s=reader.get("inactivity_timeout", _whole(*INACTIVITY_RANGE_S)),
        turns=_turn_options(reader),
        keyterms=reader.get("keyterms_prompt", _keyterms) or reader.get("keyterms", _keyterms) or (),
        prompt=reader.get("prompt", _prompt("prompt")) or "",
        agent_context=reader.get("agent_context", _prompt("agent_context")) or "",
        language_codes=reader.get("language_codes", _language_codes) or (),
    )


def token_of(query: str) -> str:
    """Return the token of a query string, "" when there is none."""
    return dict(parse_qsl(query)).get("token", "")


def parse_configuration_change(message: Mapping[str, Any]) -> ConfigurationChange:
    """Parse an UpdateConfiguration; null and unknown members are ignored.

    Raises:
        InvalidInput: a member has a bad value.
    """
    reader = _Reader({name: value for name, value in message.items() if value is not None})
    return ConfigurationChange(
        turns=_turn_options(reader),
        format_turns=reader.get("format_turns", _boolean),
        filter_profanity=reader.get("filter_profanity", _boolean),
        session_heartbeat=reader.get("session_heartbeat", _boolean),
        acknowledge_silence=reader.get("acknowledge_silence", _boolean),
        keyterms=reader.get("keyterms_prompt", _keyterms),
        prompt=reader.get("prompt", _prompt("prompt")),
        agent_context=reader.get("agent_context", _prompt("agent_context")),
        language_codes=reader.get("language_codes", _language_codes),
        mode=reader.get("mode", _mode),
    )


def invalid(name: str, reason: str) -> InvalidInput:
    """Return the error for a bad parameter, in the protocol's words."""
    return InvalidInput(f"User Input Validation Error: Invalid '{name}': {reason}")


class _Reader:
    """Names to parsed values; a parser's ValueError becomes the error of that name."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def get(self, name: str, parse: Callable[[Any], T]) -> T | None:
        if name not in self._given:
            return None
        try:
            return parse(self._given[name])
        except ValueError as error:
            raise invalid(name, str(error)) from None


def _values(options: TurnOptions) -> tuple[Any, ...]:
    return tuple(getattr(options, name) for name in TurnOptions.__slots__)


def _turn_options(reader: _Reader) -> TurnOptions:
    minimum = reader.get("min_turn_silence", _min_silence)
    former_name = reader.get("min_end_of_turn_silence_when_confident", _min_silence)
    return TurnOptions(
        end_of_turn_confidence_threshold=reader.get("end_of_turn_confidence_threshold", _fraction),
        min_turn_silence_ms=former_name if minimum is None else minimum,
        max_turn_silence_ms=reader.get("max_turn_silence", _max_silence),
        vad_threshold=reader.get("vad_threshold", _fraction),
        interruption_delay_ms=reader.get("interruption_delay", _whole(0, 1_000)),
        continuous_partials=reader.get("continuous_partials", _boolean),
    )


def _refuse_webhook(reader: _Reader) -> None:
    if reader.get("webhook_url", _text):
        raise invalid("webhook_url", "transcripts do not leave this host")


def _redaction(reader: _Reader) -> Redaction | None:
    """Return what to redact; refuse what cannot be, because ignoring it would leave someone unprotected."""
    if not reader.get("redact_pii", _boolean):
        return None
    substitution = reader.get("redact_pii_sub", _choice(*Substitution)) or Substitution.HASH
    policies = reader.get("redact_pii_policies", _policies)
    if policies is None:
        known = ", ".join(f"'{policy}'" for policy in Policy)
        raise invalid(
            "redact_pii_policies", f"this server cannot redact every kind of personal data; choose among {known}"
        )
    refused = unsupported_policies(policies)
    if refused:
        listed = ", ".join(f"'{policy}'" for policy in refused)
        raise invalid("redact_pii_policies", f"this server cannot redact {listed}")
    return Redaction(frozenset(Policy(policy) for policy in policies), Substitution(substitution))


def _policies(value: Any) -> tuple[str, ...]:
    """Accept a JSON array or a comma separated list."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        policies = tuple(part.strip() for part in value.split(",") if part.strip())
    else:
        policies = _strings(value)
    if not policies:
        raise ValueError("Input should name at least one policy")
    return policies


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        known = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
        if known is not None:
            return known
    raise ValueError("Input should be a valid boolean, unable to interpret input")


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("Input should be a valid integer")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = value.strip() if isinstance(value, str) else ""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if len(text) <= 18 and digits.isdecimal() and digits.isascii():
        return int(text)
    raise ValueError("Input should be a valid integer, unable to parse string as an integer")


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        number = _integer(value)
        if number < low:
            raise ValueError(f"Input should be greater than or equal to {low}")
        if number > high:
            raise ValueError(f"Input should be less than or equal to {high}")
        return number

    return parse


def _fraction(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("Input should be a valid number")
    try:
        number = float(value)
    except (ValueError, OverflowError):  # an integer of JSON may be too long for a float
        raise ValueError("Input should be a valid number, unable to parse string as a number") from None
    if not number >= 0:  # also refuses NaN
        raise ValueError("Input should be greater than or equal to 0")
    if number > 1:
        raise ValueError("Input should be less than or equal to 1")
    return number


def _min_silence(value: Any) -> int:
    low, high = MIN_TURN_SILENCE_RANGE_MS
    return min(max(_integer(value), low), high)


def _max_silence(value: Any) -> int:
    number = _integer(value)
    if number <= 0:
        raise ValueError("Input should be greater than 0")
    return min(number, 3_600_000)


def _sample_rate(value: Any) -> int:
    number = _integer(value)
    if number < MIN_SAMPLE_RATE_HZ:
        raise ValueError(f"Value error, sample_rate must be at least {MIN_SAMPLE_RATE_HZ:,} Hz")
    if number > MAX_SAMPLE_RATE_HZ:
        raise ValueError(f"Value error, sample_rate must be at most {MAX_SAMPLE_RATE_HZ:,} Hz")
    return number


def _encoding(value: Any) -> Encoding:
    try:
        return Encoding(_text(value))
    except ValueError:
        raise ValueError(f"'{value}' is not a valid Encoding") from None


def _choice(*accepted: str) -> Callable[[Any], str]:
    quoted = [f"'{name}'" for name in accepted]
    listed = f"{', '.join(quoted[:-1])} or {quoted[-1]}" if len(quoted) > 1 else quoted[0]

    def parse(value: Any) -> str:
        if value not in accepted:
            raise ValueError(f"Input should be {listed}")
        return str(value)

    return parse


_mode = _choice("min_latency", "balanced", "max_accuracy")
_domain = _choice("medical-v1")


def _strings(value: Any) -> tuple[str, ...]:
    """Accept a JSON array, or the Python list that old SDK releases sent."""
    if isinstance(value, str):
        try:
            value = decode_json(value)
        except (ValueError, RecursionError):
            value = _python_literal(value) if len(value) <= PYTHON_LIST_MAX_CHARACTERS else None
    if not isinstance(value, list) or not all(_is_text(item) for item in value):
        raise ValueError("Input should be a JSON array of strings")
    return tuple(value)


def _python_literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _is_text(item: object) -> bool:
    """Say whether an item is a string that UTF-8, and so every wire behind us, can carry."""
    if not isinstance(item, str):
        return False
    try:
        item.encode()
    except UnicodeEncodeError:  # half a surrogate pair, written as an escape
        return False
    return True


def _keyterms(value: Any) -> tuple[str, ...]:
    terms = _strings(value)
    if len(terms) > KEYTERMS_MAX_ITEMS:
        raise ValueError(f"Value error, Max {KEYTERMS_MAX_ITEMS} items")
    return tuple(term for term in terms if term.strip() and len(term) <= KEYTERM_MAX_CHARACTERS)


def _language_codes(value: Any) -> tuple[str, ...]:
    codes = _strings(value)
    if len(codes) > 10:
        raise ValueError("Value error, Max 10 items")
    return codes


def _prompt(name: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        text = _text(value)
        if len(text) > PROMPT_MAX_CHARACTERS:
            raise ValueError(
                f"Value error, {name} exceeds maximum length of {PROMPT_MAX_CHARACTERS} characters (got {len(text)})"
            )
        return text

    return parse
