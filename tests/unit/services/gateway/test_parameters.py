"""Query string and UpdateConfiguration: what is accepted, what is refused, in which words."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.session_v3 import Encoding
from runtime.errors import InvalidInput
from services.gateway.parameters import (
    ConfigurationChange,
    SessionParameters,
    TurnOptions,
    parse_configuration_change,
    parse_query,
    token_of,
)
from services.gateway.pii import Policy, Redaction, Substitution
from services.gateway.webhooks import Webhook

NAMES = (
    "speech_model", "language", "sample_rate", "encoding", "format_turns", "include_partial_turns", "mode", "domain",
    "language_detection", "inactivity_timeout", "end_of_turn_confidence_threshold", "min_turn_silence",
    "min_end_of_turn_silence_when_confident", "max_turn_silence", "vad_threshold", "interruption_delay",
    "continuous_partials", "keyterms_prompt", "keyterms", "prompt", "agent_context", "language_codes", "redact_pii",
    "filter_profanity", "webhook_url", "webhook_auth_header_name", "webhook_auth_header_value", "token",
    "previous_context_n_turns", "language_code", "speaker_labels", "max_speakers",
    "speaker_labels_revision_interval_ms", "voice_focus", "voice_focus_threshold", "noise_suppression_model",
    "noise_suppression_threshold", "turn_left_pad_ms", "llm_gateway", "customer_support_audio_capture",
)  # fmt: skip


def parsed(**parameters: str) -> SessionParameters:
    """Parse a query with these parameters, encoded as a client does."""
    return parse_query(urlencode(parameters))


def refusal(**parameters: str) -> str:
    """Return the text a query with these parameters is refused with."""
    with pytest.raises(InvalidInput) as caught:
        parsed(**parameters)
    return str(caught.value)


def test_query_empty_gives_documented_defaults() -> None:
    """Nothing asked means 16 kHz PCM16, raw finals, partials on, no limits."""
    assert parse_query("") == SessionParameters(
        speech_model=None,
        language=None,
        sample_rate_hz=16_000,
        encoding=Encoding.PCM_S16LE,
        format_turns=False,
        include_partial_turns=True,
        inactivity_timeout_s=None,
        turns=TurnOptions(),
    )


@pytest.mark.parametrize("query", ["formatted_finals=true&word_finalization_max_wait_time=9", "nonsense=%FF", "&&=&x"])
def test_query_unknown_names_are_ignored(query: str) -> None:
    """Pipecat sends names nobody knows."""
    assert parse_query(query) == SessionParameters()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "token"])
def test_query_empty_value_counts_as_absent(name: str) -> None:
    """An empty value is no value."""
    assert parse_query(f"{name}=") == SessionParameters()


def test_query_repeated_name_last_wins() -> None:
    """The last of a repeated name counts."""
    assert parse_query("sample_rate=8000&sample_rate=48000").sample_rate_hz == 48_000


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("TRUE", True), ("1", True), ("false", False), ("False", False), ("0", False)],
)
def test_boolean_any_letter_case_is_accepted(text: str, value: bool) -> None:
    """The Python SDK sends True and False."""
    assert parsed(format_turns=text).format_turns is value
    assert parsed(include_partial_turns=text).include_partial_turns is value
    assert parsed(continuous_partials=text).turns.continuous_partials is value


@pytest.mark.parametrize("text", ["yes", "2", "on", "truefalse"])
def test_boolean_other_word_is_refused(text: str) -> None:
    """Only true, false, 1 and 0 are booleans."""
    assert refusal(format_turns=text).startswith(
        "User Input Validation Error: Invalid 'format_turns': Input should be a valid boolean"
    )


@pytest.mark.parametrize("rate", ["8000", "16000", "44100", "96000"])
def test_sample_rate_within_range_is_accepted(rate: str) -> None:
    """8000 and 96000 Hz are included."""
    assert parsed(sample_rate=rate).sample_rate_hz == int(rate)


@pytest.mark.parametrize(
    ("rate", "reason"),
    [
        ("7999", "Value error, sample_rate must be at least 8,000 Hz"),
        ("-1", "Value error, sample_rate must be at least 8,000 Hz"),
        ("96001", "Value error, sample_rate must be at most 96,000 Hz"),
        ("16000.0", "Input should be a valid integer, unable to parse string as an integer"),
        ("16k", "Input should be a valid integer, unable to parse string as an integer"),
        ("-+16000", "Input should be a valid integer, unable to parse string as an integer"),
        ("1" * 30, "Input should be a valid integer, unable to parse string as an integer"),
        ("١٦٠٠٠", "Input should be a valid integer, unable to parse string as an integer"),
    ],
)
def test_sample_rate_outside_range_is_refused(rate: str, reason: str) -> None:
    """The refusal names the parameter and the bound."""
    assert refusal(sample_rate=rate) == f"User Input Validation Error: Invalid 'sample_rate': {reason}"


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_mulaw"])
def test_encoding_pcm_is_accepted(encoding: str) -> None:
    """Both uncompressed encodings work."""
    assert parsed(encoding=encoding).encoding == encoding


def test_encoding_unknown_is_refused() -> None:
    """The refusal has the documented words."""
    assert refusal(encoding="mp3") == "User Input Validation Error: Invalid 'encoding': 'mp3' is not a valid Encoding"


@pytest.mark.parametrize("encoding", list(Encoding))
def test_every_encoding_of_the_protocol_is_accepted(encoding: Encoding) -> None:
    """All five can be decoded."""
    assert parsed(encoding=encoding).encoding is encoding


@pytest.mark.parametrize("seconds", ["5", "3600"])
def test_inactivity_timeout_within_range_is_accepted(seconds: str) -> None:
    """Both bounds are included."""
    assert parsed(inactivity_timeout=seconds).inactivity_timeout_s == int(seconds)


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        ("4", "Input should be greater than or equal to 5"),
        ("3601", "Input should be less than or equal to 3600"),
        ("7.5", "Input should be a valid integer, unable to parse string as an integer"),
    ],
)
def test_inactivity_timeout_outside_range_is_refused(seconds: str, reason: str) -> None:
    """Less than 5 s or more than an hour is refused."""
    assert refusal(inactivity_timeout=seconds) == f"User Input Validation Error: Invalid 'inactivity_timeout': {reason}"


@pytest.mark.parametrize(("given", "kept"), [("400", 400), ("10", 50), ("-5", 50), ("99999", 10_000)])
def test_min_turn_silence_is_clamped(given: str, kept: int) -> None:
    """The documented range 50..10000 clamps instead of refusing."""
    assert parsed(min_turn_silence=given).turns.min_turn_silence_ms == kept


def test_min_turn_silence_former_name_is_accepted() -> None:
    """Old SDK releases send the old name."""
    assert parsed(min_end_of_turn_silence_when_confident="560").turns.min_turn_silence_ms == 560


def test_min_turn_silence_both_names_new_one_wins() -> None:
    """The new name beats the old one."""
    options = parsed(min_end_of_turn_silence_when_confident="560", min_turn_silence="160").turns
    assert options.min_turn_silence_ms == 160


def test_max_turn_silence_has_no_documented_cap() -> None:
    """Anything above 0 is accepted, bounded far beyond use."""
    assert parsed(max_turn_silence="1").turns.max_turn_silence_ms == 1
    assert parsed(max_turn_silence="60000").turns.max_turn_silence_ms == 60_000
    assert parsed(max_turn_silence="9" * 18).turns.max_turn_silence_ms == 3_600_000


@pytest.mark.parametrize("given", ["0", "-1"])
def test_max_turn_silence_not_positive_is_refused(given: str) -> None:
    """Zero is no silence."""
    assert refusal(max_turn_silence=given).endswith("Invalid 'max_turn_silence': Input should be greater than 0")


@pytest.mark.parametrize("name", ["vad_threshold", "end_of_turn_confidence_threshold"])
@pytest.mark.parametrize("given", ["0", "0.5", "1", "1.0"])
def test_fraction_within_range_is_accepted(name: str, given: str) -> None:
    """0 and 1 are included."""
    assert getattr(parsed(**{name: given}).turns, name) == float(given)


@pytest.mark.parametrize("name", ["vad_threshold", "end_of_turn_confidence_threshold"])
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("-0.1", "Input should be greater than or equal to 0"),
        ("1.01", "Input should be less than or equal to 1"),
        ("inf", "Input should be less than or equal to 1"),
        ("nan", "Input should be greater than or equal to 0"),
        ("high", "Input should be a valid number, unable to parse string as a number"),
    ],
)
def test_fraction_outside_range_is_refused(name: str, given: str, reason: str) -> None:
    """The refusal names the bound."""
    assert refusal(**{name: given}) == f"User Input Validation Error: Invalid '{name}': {reason}"


@pytest.mark.parametrize("given", ["0", "500", "1000"])
def test_interruption_delay_within_range_is_accepted(given: str) -> None:
    """0 to 1000 ms."""
    assert parsed(interruption_delay=given).turns.interruption_delay_ms == int(given)


def test_interruption_delay_above_a_second_is_refused() -> None:
    """1001 ms is too long."""
    assert refusal(interruption_delay="1001").endswith("Input should be less than or equal to 1000")


@pytest.mark.parametrize("mode", ["min_latency", "balanced", "max_accuracy"])
def test_mode_documented_preset_is_accepted(mode: str) -> None:
    """The three presets."""
    assert parsed(mode=mode).mode == mode


def test_mode_unknown_is_refused_with_the_choices() -> None:
    """The refusal lists what is accepted."""
    assert refusal(mode="fast") == (
        "User Input Validation Error: Invalid 'mode': Input should be 'min_latency', 'balanced' or 'max_accuracy'"
    )


def test_domain_is_one_word() -> None:
    """Only the medical vocabulary exists."""
    assert parsed(domain="medical-v1").domain == "medical-v1"
    assert refusal(domain="law").endswith("Invalid 'domain': Input should be 'medical-v1'")


@pytest.mark.parametrize("name", ["keyterms_prompt", "keyterms"])
@pytest.mark.parametrize("form", ['["Kubernetes","Istio"]', "['Kubernetes', 'Istio']", ' [ "Kubernetes" , "Istio" ] '])
def test_keyterms_json_and_python_lists_are_accepted(name: str, form: str) -> None:
    """Old SDK releases send the Python list itself; the vendor's script uses the short name."""
    assert parsed(**{name: form}).keyterms == ("Kubernetes", "Istio")


def test_keyterms_hundred_items_are_accepted() -> None:
    """100 is the last accepted count."""
    assert len(parsed(keyterms_prompt=json.dumps(["term"] * 100)).keyterms) == 100


def test_keyterms_more_than_hundred_are_refused() -> None:
    """101 items are refused with the documented words."""
    assert refusal(keyterms_prompt=json.dumps(["term"] * 101)) == (
        "User Input Validation Error: Invalid 'keyterms_prompt': Value error, Max 100 items"
    )


def test_keyterms_longer_than_fifty_characters_are_left_out() -> None:
    """Over-long and blank terms are ignored without a word."""
    assert parsed(keyterms_prompt=json.dumps(["x" * 50, "y" * 51, " "])).keyterms == ("x" * 50,)


@pytest.mark.parametrize(
    "given",
    ["Kubernetes", '{"a":1}', "{[]: 1}", "[" * 8000, "-" * 8000 + "1", "[" + "9" * 5000],
    ids=["word", "object", "unhashable", "deep", "minus", "digits"],
)
def test_keyterms_other_value_is_refused(given: str) -> None:
    """Whatever is no list gives the one refusal, however hostile it is."""
    assert refusal(keyterms_prompt=given) == (
        "User Input Validation Error: Invalid 'keyterms_prompt': Input should be a JSON array of strings"
    )


@pytest.mark.parametrize("name", ["keyterms_prompt", "keyterms"])
@pytest.mark.parametrize(
    "given",
    ['["a", 1]', '["a", null]', '["a", ["b"]]', "['a', '\\ud800']", '["a", 5, 6]'],
    ids=["number", "null", "list", "surrogate", "first of two"],
)
def test_keyterms_bad_element_is_named_with_its_index(name: str, given: str) -> None:
    """The first bad one, under the name the list came with."""
    assert refusal(**{name: given}) == (
        f"User Input Validation Error: Invalid '{name}.1': Input should be a valid string"
    )


@pytest.mark.parametrize("name", ["prompt", "agent_context"])
def test_prompt_longest_text_is_accepted(name: str) -> None:
    """1750 characters fit."""
    assert getattr(parsed(**{name: "ä" * 1750}), name) == "ä" * 1750


@pytest.mark.parametrize("name", ["prompt", "agent_context"])
def test_prompt_too_long_is_refused_with_its_length(name: str) -> None:
    """1751 characters are refused."""
    assert refusal(**{name: "x" * 1751}) == (
        f"User Input Validation Error: Invalid '{name}': "
        f"Value error, {name} exceeds maximum length of 1750 characters (got 1751)"
    )


def test_redaction_without_policies_is_refused_with_those_we_have() -> None:
    """All personal data cannot be found by patterns, and half a promise is none."""
    text = refusal(redact_pii="True")
    assert "Invalid 'redact_pii_policies'" in text
    assert "'phone_number'" in text


def test_policy_we_cannot_honour_is_refused_by_name() -> None:
    """Ignoring it would leave someone unprotected."""
    assert refusal(redact_pii="true", redact_pii_policies='["phone_number","person_name"]') == (
        "User Input Validation Error: Invalid 'redact_pii_policies': this server cannot redact 'person_name'"
    )


@pytest.mark.parametrize("policies", ['["phone_number", "date"]', "phone_number,date", "['phone_number', 'date']"])
def test_policies_come_as_array_or_comma_separated(policies: str) -> None:
    """Both forms are documented; partials are off unless asked for."""
    parameters = parsed(redact_pii="true", redact_pii_policies=policies)
    assert parameters.redaction == Redaction(frozenset({Policy.PHONE_NUMBER, Policy.DATE}), Substitution.HASH)
    assert not parameters.include_partial_turns
    assert parsed(redact_pii="true", redact_pii_policies=policies, include_partial_turns="true").include_partial_turns


def test_redaction_substitution_is_one_of_two() -> None:
    """Anything else is refused."""
    redaction = parsed(redact_pii="1", redact_pii_policies="url", redact_pii_sub="entity_name").redaction
    assert redaction is not None
    assert redaction.substitution is Substitution.ENTITY_NAME
    assert "Input should be 'hash' or 'entity_name'" in refusal(
        redact_pii="1", redact_pii_policies="url", redact_pii_sub="stars"
    )


def test_profanity_filter_and_redaction_are_off_by_default() -> None:
    """Asking for their absence changes nothing."""
    assert parsed(redact_pii="False", filter_profanity="False") == SessionParameters()
    assert parsed(filter_profanity="True").filter_profanity


def test_policy_that_is_no_text_is_named_with_its_index() -> None:
    """As every bad element of a list."""
    assert refusal(redact_pii="true", redact_pii_policies='["url", 1]').endswith(
        "Invalid 'redact_pii_policies.1': Input should be a valid string"
    )


@pytest.mark.parametrize("given", [" ", ",", "[]"])
def test_policies_that_are_none_are_refused(given: str) -> None:
    """An empty list would redact nothing."""
    assert "Input should name at least one policy" in refusal(redact_pii="true", redact_pii_policies=given)


@pytest.mark.parametrize("encoding", ["opus", "ogg_opus", "aac"])
@pytest.mark.parametrize("rate", ["48000", "1", "nonsense"])
def test_sample_rate_of_compressed_audio_is_not_looked_at(encoding: str, rate: str) -> None:
    """The audio carries its own."""
    assert parsed(encoding=encoding, sample_rate=rate) == parsed(encoding=encoding)


@pytest.mark.parametrize("form", ['["en","de"]', "['en', 'de']"])
def test_language_codes_of_both_forms_are_accepted(form: str) -> None:
    """JSON, or the list of an old SDK release."""
    assert parsed(language_codes=form).language_codes == ("en", "de")


@pytest.mark.parametrize(
    "code",
    [
        "en", "es", "de", "fr", "it", "pt", "tr", "nl", "sv", "no", "da", "fi", "hi", "vi", "ar", "he", "ja", "ur",
        "zh", "ru", "ko", "ca", "gl", "ro", "et", "fa", "yue", "af", "mr", "zu", "xh", "nn",
    ],
)  # fmt: skip
def test_language_code_of_the_list_is_accepted(code: str) -> None:
    """Each of the 32, in either parameter."""
    assert parsed(language_codes=json.dumps([code])).language_codes == (code,)
    assert parsed(language_code=code).language_codes == (code,)


def test_language_multi_leaves_the_choice_to_the_engine() -> None:
    """It is no language; in either parameter."""
    assert parsed(language_codes='["multi"]').language_codes == ()
    assert parsed(language_code="multi").language_codes == ()
    assert parse_configuration_change({"language_codes": ["multi"]}).language_codes == ()


def test_language_multi_with_others_is_refused() -> None:
    """It stands alone."""
    assert refusal(language_codes='["en","multi"]') == (
        "User Input Validation Error: Invalid 'language_codes': Value error, 'multi' must stand alone"
    )


def test_language_codes_ten_are_the_most() -> None:
    """Eleven are refused."""
    ten = ["en", "es", "de", "fr", "it", "pt", "tr", "nl", "sv", "no"]
    assert parsed(language_codes=json.dumps(ten)).language_codes == tuple(ten)
    assert refusal(language_codes=json.dumps([*ten, "da"])) == (
        "User Input Validation Error: Invalid 'language_codes': Value error, Max 10 items"
    )


@pytest.mark.parametrize("given", ['["xx"]', '["EN"]', '["en-US"]', "[1]", "[null]"])
def test_language_codes_bad_element_is_named_with_its_index_and_the_choices(given: str) -> None:
    """The documented words."""
    text = refusal(language_codes=given)
    assert text.startswith("User Input Validation Error: Invalid 'language_codes.0': Input should be 'en', 'es', 'de'")
    assert text.endswith("'xh', 'nn' or 'multi'")


def test_language_code_bad_value_is_refused_under_its_own_name() -> None:
    """The deprecated parameter has no index."""
    assert refusal(language_code="xx").startswith(
        "User Input Validation Error: Invalid 'language_code': Input should be 'en'"
    )


def test_language_codes_win_over_the_deprecated_parameter() -> None:
    """As every new name over its old one; an empty list is a list."""
    assert parsed(language_codes='["de"]', language_code="fr").language_codes == ("de",)
    assert parsed(language_codes="[]", language_code="fr").language_codes == ()


@pytest.mark.parametrize(("given", "kept"), [("0", 0), ("5", 5), ("100", 100)])
def test_previous_context_turns_within_range_are_accepted(given: str, kept: int) -> None:
    """Zero disables; both bounds are included."""
    assert parsed(previous_context_n_turns=given).previous_context_turns == kept


def test_previous_context_turns_are_five_by_default() -> None:
    """The documented depth."""
    assert parse_query("").previous_context_turns == 5


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("previous_context_n_turns", "-1", "Input should be greater than or equal to 0"),
        ("previous_context_n_turns", "101", "Input should be less than or equal to 100"),
        ("previous_context_n_turns", "all", "Input should be a valid integer, unable to parse string as an integer"),
        ("max_speakers", "0", "Input should be greater than or equal to 1"),
        ("max_speakers", "11", "Input should be less than or equal to 10"),
        ("max_speakers", "2.0", "Input should be a valid integer, unable to parse string as an integer"),
        ("speaker_labels", "maybe", "Input should be a valid boolean, unable to interpret input"),
        ("speaker_labels_revision_interval_ms", "-1", "Input should be greater than or equal to 0"),
        ("speaker_labels_revision_interval_ms", "86400001", "Input should be less than or equal to 86400000"),
        ("voice_focus", "loud", "Input should be 'near-field' or 'far-field'"),
        ("noise_suppression_model", "loud", "Input should be 'near-field' or 'far-field'"),
        ("voice_focus_threshold", "0.5", "Value error, voice_focus_threshold requires voice_focus"),
        ("noise_suppression_threshold", "0.5", "Value error, noise_suppression_threshold requires voice_focus"),
        ("voice_focus_threshold", "1.5", "Input should be less than or equal to 1"),
        ("session_heartbeat", "often", "Input should be a valid boolean, unable to interpret input"),
        ("acknowledge_silence", "often", "Input should be a valid boolean, unable to interpret input"),
        ("language_detection", "often", "Input should be a valid boolean, unable to interpret input"),
        ("filter_profanity", "some", "Input should be a valid boolean, unable to interpret input"),
        ("redact_pii", "some", "Input should be a valid boolean, unable to interpret input"),
        ("include_partial_turns", "some", "Input should be a valid boolean, unable to interpret input"),
        ("continuous_partials", "some", "Input should be a valid boolean, unable to interpret input"),
        ("interruption_delay", "-1", "Input should be greater than or equal to 0"),
    ],
)
def test_bad_value_is_refused_in_the_documented_words(name: str, value: str, reason: str) -> None:
    """Also where the parameter has no effect here."""
    assert refusal(**{name: value}) == f"User Input Validation Error: Invalid '{name}': {reason}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speaker_labels", "True"), ("max_speakers", "1"), ("max_speakers", "10"),
        ("speaker_labels_revision_interval_ms", "0"), ("speaker_labels_revision_interval_ms", "86400000"),
        ("speaker_labels_revision_interval_ms", "1"), ("voice_focus", "near-field"), ("voice_focus", "far-field"),
        ("noise_suppression_model", "far-field"),
    ],
)  # fmt: skip
def test_parameter_of_what_is_not_done_here_is_accepted_and_changes_nothing(name: str, value: str) -> None:
    """Clients that ask for it are served without it."""
    assert parsed(**{name: value}) == SessionParameters()


@pytest.mark.parametrize("model", ["voice_focus", "noise_suppression_model"])
@pytest.mark.parametrize("threshold", ["voice_focus_threshold", "noise_suppression_threshold"])
def test_voice_focus_threshold_goes_with_a_model_of_either_name(model: str, threshold: str) -> None:
    """Old SDK releases send the old names."""
    assert parsed(**{model: "near-field", threshold: "0.5"}) == SessionParameters()


@pytest.mark.parametrize(
    "name", ["turn_left_pad_ms", "llm_gateway", "customer_support_audio_capture", "_customer_support_audio_capture"]
)
@pytest.mark.parametrize("value", ["true", "-7", "{not json", '{"model":"x"}'])
def test_parameter_of_the_hosted_service_is_not_looked_at(name: str, value: str) -> None:
    """Its values are undocumented or have nothing to act on."""
    assert parsed(**{name: value}) == SessionParameters()


@pytest.mark.parametrize("hosts", [(), ("example.org",)])
def test_webhook_to_a_host_nobody_allowed_is_refused(hosts: tuple[str, ...]) -> None:
    """By default none is; the URL, which may hold a secret, is not repeated."""
    with pytest.raises(InvalidInput) as caught:
        parse_query(urlencode({"webhook_url": "https://example.com/hook?key=hush"}), hosts)
    assert str(caught.value) == (
        "User Input Validation Error: Invalid 'webhook_url': Value error, this server does not send transcripts to "
        "that host; its operator allows hosts with AAI_WEBHOOK_ALLOWED_HOSTS"
    )


def test_webhook_to_an_allowed_host_is_kept_without_showing_it() -> None:
    """URL and header reach the sender and no log."""
    query = {
        "webhook_url": "https://example.com/hook?key=hush",
        "webhook_auth_header_name": "X-Key",
        "webhook_auth_header_value": "hush",
    }
    parameters = parse_query(urlencode(query), ("example.com",))
    assert parameters.webhook == Webhook("https://example.com/hook?key=hush", ("X-Key", "hush"))
    assert "hush" not in repr(parameters)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("webhook_auth_header_name", "webhook_auth_header_value"),
        ("webhook_auth_header_value", "webhook_auth_header_name"),
    ],
)
def test_webhook_header_half_given_is_refused(given: str, missing: str) -> None:
    """A request without it would only be turned away."""
    query = urlencode({"webhook_url": "https://example.com/", given: "x"})
    with pytest.raises(InvalidInput, match=f"Invalid '{missing}': Field required"):
        parse_query(query, ("example.com",))


def test_webhook_header_without_webhook_is_ignored() -> None:
    """There is nothing to send it with."""
    assert parsed(webhook_auth_header_name="bad name") == SessionParameters()


@pytest.mark.parametrize(
    ("name", "value"),
    [("webhook_auth_header_name", "X Key"), ("webhook_auth_header_value", "a\r\nHost: b")],
)
def test_webhook_header_that_could_split_the_request_is_refused(name: str, value: str) -> None:
    """Named with the parameter at fault."""
    query = {"webhook_url": "https://example.com/", "webhook_auth_header_name": "a", "webhook_auth_header_value": "b"}
    with pytest.raises(InvalidInput, match=f"Invalid '{name}': Input should be"):
        parse_query(urlencode({**query, name: value}), ("example.com",))


@pytest.mark.parametrize(
    ("query", "token"), [("token=abc", "abc"), ("token=", ""), ("", ""), ("a=1&token=x%2By", "x+y")]
)
def test_token_of_query_is_found(query: str, token: str) -> None:
    """A token may stand in the query; an empty one is none."""
    assert token_of(query) == token


def test_livekit_default_query_is_accepted() -> None:
    """What LiveKit sends by default, word for word."""
    parameters = parse_query(
        "sample_rate=16000&encoding=pcm_s16le&speech_model=universal-3-6-pro"
        "&min_turn_silence=100&max_turn_silence=100&language_detection=true"
    )
    assert parameters.turns == TurnOptions(min_turn_silence_ms=100, max_turn_silence_ms=100)
    assert parameters.speech_model == "universal-3-6-pro"
    assert parameters.language_detection


def test_pipecat_english_query_is_accepted() -> None:
    """What Pipecat sends for English, word for word."""
    parameters = parse_query(
        "sample_rate=16000&encoding=pcm_s16le&speech_model=universal-streaming-english&formatted_finals=true"
        "&end_of_turn_confidence_threshold=1.0&min_turn_silence=160&format_turns=true"
    )
    assert parameters.format_turns
    assert parameters.turns == TurnOptions(end_of_turn_confidence_threshold=1.0, min_turn_silence_ms=160)


def test_configuration_change_null_and_unknown_members_change_nothing() -> None:
    """Null means unchanged; unknown and connect-time members are ignored, whatever they hold."""
    message = {
        "type": "UpdateConfiguration", "min_turn_silence": None, "x": 1, "sample_rate": 1, "redact_pii": True,
        "previous_context_n_turns": 999, "max_speakers": 99, "voice_focus": 1, "webhook_url": "http://example.com",
        "language_code": "xx", "encoding": "mp3", "turn_left_pad_ms": "wide", "speech_model": "none",
        "inactivity_timeout": 1,
    }  # fmt: skip
    assert parse_configuration_change(message) == ConfigurationChange()


def test_configuration_change_reads_every_member() -> None:
    """Each documented member arrives where it belongs."""
    change = parse_configuration_change(
        {
            "end_of_turn_confidence_threshold": 1, "min_turn_silence": 900, "max_turn_silence": 2000,
            "vad_threshold": 0.25, "interruption_delay": 0, "continuous_partials": False, "format_turns": True,
            "keyterms_prompt": ["Zephyr QX-9"], "prompt": "", "agent_context": "hello", "language_codes": [],
            "mode": "balanced", "filter_profanity": False, "session_heartbeat": True, "acknowledge_silence": "true",
        }
    )  # fmt: skip
    assert change == ConfigurationChange(
        turns=TurnOptions(1.0, 900, 2000, 0.25, 0, False),
        format_turns=True,
        filter_profanity=False,
        session_heartbeat=True,
        acknowledge_silence=True,
        keyterms=("Zephyr QX-9",),
        prompt="",
        agent_context="hello",
        language_codes=(),
        mode="balanced",
    )


def test_configuration_change_former_silence_name_is_accepted() -> None:
    """The old name works in mid-session too."""
    change = parse_configuration_change({"min_end_of_turn_silence_when_confident": 700})
    assert change.turns == TurnOptions(min_turn_silence_ms=700)


def test_configuration_change_whole_number_written_as_float_is_accepted() -> None:
    """JSON does not tell 900 from 900.0."""
    assert parse_configuration_change({"min_turn_silence": 900.0}).turns.min_turn_silence_ms == 900


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("min_turn_silence", "soon"), ("min_turn_silence", True), ("max_turn_silence", 0), ("max_turn_silence", 1.5),
        ("vad_threshold", True), pytest.param("vad_threshold", 10**400, id="vad_threshold-long"),
        ("vad_threshold", [0.5]), ("format_turns", 2),
        ("format_turns", {}), ("keyterms_prompt", ["x"] * 101), ("keyterms_prompt", {"a": 1}), ("prompt", 7),
        ("prompt", "x" * 1751), ("agent_context", "x" * 1751), ("language_codes", ["en"] * 11),
        ("language_codes", ["en", "multi"]), ("mode", ["balanced"]), ("mode", "fast"), ("interruption_delay", 1001),
        ("end_of_turn_confidence_threshold", 1.5), ("continuous_partials", "some"), ("filter_profanity", "some"),
        ("session_heartbeat", 3), ("acknowledge_silence", []), ("min_end_of_turn_silence_when_confident", "x"),
        pytest.param("keyterms_prompt.0", [1], id="keyterms-element"),
        pytest.param("keyterms_prompt.1", ["a", None], id="keyterms-null"),
        pytest.param("language_codes.1", ["en", "xx"], id="language-element"),
    ],
)  # fmt: skip
def test_configuration_change_bad_value_is_refused(member: str, value: Any) -> None:
    """A bad member, or element of one, is refused with the pattern of the query."""
    with pytest.raises(InvalidInput, match=f"^User Input Validation Error: Invalid '{re.escape(member)}': "):
        parse_configuration_change({member.partition(".")[0]: value})


def test_configuration_change_empty_lists_clear() -> None:
    """Empty is not absent."""
    change = parse_configuration_change({"keyterms_prompt": [], "language_codes": [], "prompt": ""})
    assert (change.keyterms, change.language_codes, change.prompt) == ((), (), "")


def test_configuration_change_fraction_for_a_whole_number_is_refused_in_words() -> None:
    """The text that pydantic has for it."""
    with pytest.raises(InvalidInput, match="Input should be a valid integer, got a number with a fractional part"):
        parse_configuration_change({"min_turn_silence": 1.5})


def test_turn_options_merged_keeps_what_the_change_leaves_out() -> None:
    """Only given values replace others; false and zero are values."""
    old = TurnOptions(0.4, 400, 1280, 0.3, 500, True)
    assert old.merged(TurnOptions()) == old
    assert old.merged(TurnOptions(interruption_delay_ms=0, continuous_partials=False)) == TurnOptions(
        0.4, 400, 1280, 0.3, 0, False
    )


hostile_values = st.text() | st.sampled_from(["[" * 3000, "NaN", "1e999", '["\\ud800"]', "{[]:0}", "\0", "9" * 5000])


@given(st.lists(st.tuples(st.sampled_from(NAMES) | st.text(), hostile_values)))
def test_query_any_text_is_parsed_or_refused(pairs: list[tuple[str, str]]) -> None:
    """No parameters raise anything but InvalidInput."""
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
    with suppress(InvalidInput):
        parse_query(query)


@given(st.text())
def test_query_any_raw_text_is_parsed_or_refused(query: str) -> None:
    """Text that is no query at all does no harm either."""
    token_of(query)
    with suppress(InvalidInput):
        parse_query(query)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(), json_values))
def test_configuration_change_any_object_is_parsed_or_refused(message: dict[str, Any]) -> None:
    """No JSON object raises anything but InvalidInput."""
    with suppress(InvalidInput):
        parse_configuration_change(message)
