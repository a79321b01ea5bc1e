"""Query string and UpdateConfiguration to frozen values; every refusal names the parameter."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from protos.session_v3 import Encoding, decode_json
from runtime.errors import InvalidInput
from services.gateway.pii import Policy, Redaction, Substitution, unsupported_policies
from services.gateway.webhooks import Webhook, checked_header_name, checked_header_value, checked_url

DEFAULT_SAMPLE_RATE_HZ = 16_000
MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 96_000
DEFAULT_API_VERSION = "2025-05-12"
MIN_TURN_SILENCE_RANGE_MS = (50, 10_000)
KEYTERMS_MAX_ITEMS = 100
KEYTERM_MAX_CHARACTERS = 50
PROMPT_MAX_CHARACTERS = 1_750
# Room for a hundred terms; parsing longer Python text would hold the event loop for tens of milliseconds.
PYTHON_LIST_MAX_CHARACTERS = 16_384
INACTIVITY_RANGE_S = (5, 3_600)
MAX_SPEAKERS_RANGE = (1, 10)
SPEAKER_REVISION_RANGE_MS = (0, 86_400_000)
CONTEXT_TURNS_RANGE = (0, 100)
DEFAULT_CONTEXT_TURNS = 5
LANGUAGES_MAX_ITEMS = 10
# Protocol section 3.5, in its order.
LANGUAGES = (
    "en", "es", "de", "fr", "it", "pt", "tr", "nl", "sv", "no", "da", "fi", "hi", "vi", "ar", "he", "ja", "ur", "zh",
    "ru", "ko", "ca", "gl", "ro", "et", "fa", "yue", "af", "mr", "zu", "xh", "nn",
)  # fmt: skip
ANY_LANGUAGE = "multi"
PCM_ENCODINGS = frozenset({Encoding.PCM_S16LE, Encoding.PCM_MULAW})

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
    """Everything a client may set when it connects, parsed and checked.

    Attributes:
        previous_context_turns: earlier turns a Pro model may carry as context.
        language_codes: languages to expect; empty for the engine's choice, also after ``multi``.
    """

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
    previous_context_turns: int = DEFAULT_CONTEXT_TURNS
    language_codes: tuple[str, ...] = ()
    webhook: Webhook | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One UpdateConfiguration; None leaves a value as it is, empty ``language_codes`` leave them to the engine."""

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


def parse_query(query: str, webhook_hosts: Collection[str] = ()) -> SessionParameters:
    """Parse the query string of an upgrade request.

    Unknown names are ignored, an empty value counts as absent, the last of a repeated name wins. Names of features
    that only the hosted service has, and ``turn_left_pad_ms``, are not looked at.

    Args:
        webhook_hosts: where a session may report to, as ``webhooks.checked_url`` takes them.

    Raises:
        InvalidInput: a known parameter has a bad value.
    """
    given = {name: value for name, value in parse_qsl(query, keep_blank_values=True) if value}
    reader = _Reader(given)
    redaction = _redaction(reader)
    partials = reader.get("include_partial_turns", _boolean)
    encoding = reader.get("encoding", _encoding) or Encoding.PCM_S16LE
    context_turns = reader.get("previous_context_n_turns", _whole(*CONTEXT_TURNS_RANGE))
    _check_unused(reader)
    return SessionParameters(
        speech_model=reader.get("speech_model", _text),
        language=reader.get("language", _text),
        sample_rate_hz=_pcm_rate(reader, encoding),
        encoding=encoding,
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
        keyterms=reader.get_list("keyterms_prompt", _element, _kept_keyterms)
        or reader.get_list("keyterms", _element, _kept_keyterms)
        or (),
        prompt=reader.get("prompt", _prompt("prompt")) or "",
        agent_context=reader.get("agent_context", _prompt("agent_context")) or "",
        previous_context_turns=DEFAULT_CONTEXT_TURNS if context_turns is None else context_turns,
        language_codes=_languages(reader),
        webhook=_webhook(reader, webhook_hosts),
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
        keyterms=reader.get_list("keyterms_prompt", _element, _kept_keyterms),
        prompt=reader.get("prompt", _prompt("prompt")),
        agent_context=reader.get("agent_context", _prompt("agent_context")),
        language_codes=reader.get_list("language_codes", _language, _expected_languages),
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
        return _parsed(name, self._given[name], parse) if name in self._given else None

    def get_list(
        self,
        name: str,
        parse: Callable[[Any], str],
        check: Callable[[tuple[str, ...]], tuple[str, ...]],
        split: Callable[[Any], list[Any]] | None = None,
    ) -> tuple[str, ...] | None:
        """Return a list; a bad element is named with its index.

        Args:
            split: takes the list apart; by default a JSON array, or the Python list that old SDK releases sent.
        """
        items = self.get(name, split or _array)
        if items is None:
            return None
        elements = tuple(_parsed(f"{name}.{number}", item, parse) for number, item in enumerate(items))
        return _parsed(name, elements, check)


def _parsed(name: str, value: Any, parse: Callable[[Any], T]) -> T:
    try:
        return parse(value)
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


def _pcm_rate(reader: _Reader, encoding: Encoding) -> int:
    """Return the rate of PCM; the other encodings carry their own, so one given for them is not looked at."""
    if encoding not in PCM_ENCODINGS:
        return DEFAULT_SAMPLE_RATE_HZ
    return reader.get("sample_rate", _sample_rate) or DEFAULT_SAMPLE_RATE_HZ


def _languages(reader: _Reader) -> tuple[str, ...]:
    codes = reader.get_list("language_codes", _language, _expected_languages)
    former = reader.get("language_code", _language)
    if codes is not None or former is None:
        return codes or ()
    return _expected_languages((former,))


def _check_unused(reader: _Reader) -> None:
    """Check parameters that have no effect here, as the protocol wants bad values of known names refused."""
    reader.get("speaker_labels", _boolean)
    reader.get("max_speakers", _whole(*MAX_SPEAKERS_RANGE))
    reader.get("speaker_labels_revision_interval_ms", _whole(*SPEAKER_REVISION_RANGE_MS))
    # Either may come under the name old SDK releases have for it.
    models = [reader.get(name, _voice_focus) for name in ("voice_focus", "noise_suppression_model")]
    for name in ("voice_focus_threshold", "noise_suppression_threshold"):
        if reader.get(name, _fraction) is not None and not any(models):
            raise invalid(name, f"Value error, {name} requires voice_focus")


def _webhook(reader: _Reader, allowed: Collection[str]) -> Webhook | None:
    url = reader.get("webhook_url", lambda text: checked_url(text, allowed))
    if url is None:
        return None
    name = reader.get("webhook_auth_header_name", checked_header_name)
    value = reader.get("webhook_auth_header_value", checked_header_value)
    if name is None and value is None:
        return Webhook(url)
    if name is None or value is None:
        # A request without what the receiver checks would be sent for nothing.
        missing = "webhook_auth_header_name" if name is None else "webhook_auth_header_value"
        raise invalid(missing, "Field required, webhook_auth_header_name and webhook_auth_header_value go together")
    return Webhook(url, (name, value))


def _redaction(reader: _Reader) -> Redaction | None:
    """Return what to redact; refuse what cannot be, because ignoring it would leave someone unprotected."""
    if not reader.get("redact_pii", _boolean):
        return None
    substitution = reader.get("redact_pii_sub", _choice(*Substitution)) or Substitution.HASH
    policies = reader.get_list("redact_pii_policies", _element, _some_policies, _policy_array)
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


def _policy_array(value: Any) -> list[Any]:
    """Accept a comma separated list as well."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    return _array(value)


def _some_policies(policies: tuple[str, ...]) -> tuple[str, ...]:
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
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError("Input should be a valid integer, got a number with a fractional part")
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
_voice_focus = _choice("near-field", "far-field")
_language = _choice(*LANGUAGES, ANY_LANGUAGE)


def _array(value: Any) -> list[Any]:
    """Accept a JSON array, or the Python list that old SDK releases sent."""
    if isinstance(value, str):
        try:
            value = decode_json(value)
        except (ValueError, RecursionError):
            value = _python_literal(value) if len(value) <= PYTHON_LIST_MAX_CHARACTERS else None
    if not isinstance(value, list):
        raise ValueError("Input should be a JSON array of strings")
    return value


def _python_literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _element(value: Any) -> str:
    """Accept a string that UTF-8, and so every wire behind us, can carry."""
    if isinstance(value, str):
        with suppress(UnicodeEncodeError):  # half a surrogate pair, written as an escape
            value.encode()
            return value
    raise ValueError("Input should be a valid string")


def _kept_keyterms(terms: tuple[str, ...]) -> tuple[str, ...]:
    if len(terms) > KEYTERMS_MAX_ITEMS:
        raise ValueError(f"Value error, Max {KEYTERMS_MAX_ITEMS} items")
    return tuple(term for term in terms if term.strip() and len(term) <= KEYTERM_MAX_CHARACTERS)


def _expected_languages(codes: tuple[str, ...]) -> tuple[str, ...]:
    if len(codes) > LANGUAGES_MAX_ITEMS:
        raise ValueError(f"Value error, Max {LANGUAGES_MAX_ITEMS} items")
    if ANY_LANGUAGE in codes and len(codes) > 1:
        raise ValueError(f"Value error, '{ANY_LANGUAGE}' must stand alone")
    return () if ANY_LANGUAGE in codes else codes


def _prompt(name: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        text = _text(value)
        if len(text) > PROMPT_MAX_CHARACTERS:
            raise ValueError(
                f"Value error, {name} exceeds maximum length of {PROMPT_MAX_CHARACTERS} characters (got {len(text)})"
            )
        return text

    return parse
