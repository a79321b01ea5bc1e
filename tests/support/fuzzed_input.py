"""Hypothesis strategies for what a hostile client or a broken recogniser may send, and how much of it CI tries."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

from protos import asr_v1_pb2 as asr
from protos.session_v3 import ClientMessageType, Encoding


class Cases(NamedTuple):
    """Fuzzed inputs each test really hands over, at least; it counts them."""

    client_messages: int = 6_000
    queries: int = 4_500
    recognizer_events: int = 6_500
    frame_streams: int = 900
    damaged_captures: int = 900
    message_streams: int = 600
    upgrades: int = 600


CASES = Cases()
UPDATE_FIELDS = (
    "end_of_turn_confidence_threshold", "min_turn_silence", "max_turn_silence", "vad_threshold",
    "min_end_of_turn_silence_when_confident", "format_turns", "filter_profanity", "keyterms_prompt", "prompt",
    "agent_context", "interruption_delay", "continuous_partials", "turn_left_pad_ms", "mode", "language_codes",
    "session_heartbeat", "acknowledge_silence", "speech_model", "sample_rate", "type",
)  # fmt: skip
QUERY_NAMES = (
    *UPDATE_FIELDS, "encoding", "token", "language", "inactivity_timeout", "keyterms", "previous_context_n_turns",
    "domain", "language_detection", "language_code", "speaker_labels", "max_speakers",
    "speaker_labels_revision_interval_ms", "redact_pii", "redact_pii_policies", "redact_pii_sub",
    "include_partial_turns", "voice_focus", "voice_focus_threshold", "noise_suppression_model", "llm_gateway",
    "webhook_url", "webhook_auth_header_name", "webhook_auth_header_value", "formatted_finals", "Sample_Rate", "",
)  # fmt: skip
LIKELY_VALUES = (
    True, False, None, 0, 1, -1, 49, 50, 100, 400, 10_000, 10_001, 0.0, 0.4, 1.0, 1.5, -0.1, 16_000, 8_000, 7_999,
    96_001, 2**31, 2**32, 2**63, 2**64, 10**30, -(2**63), 1e308, 1e-320, math.inf, -math.inf, math.nan,
    "true", "False", "1", "0", "", " ", "16000", "16000.0", "1e4", "+5", "-0", "٣", "0x10", "1_000", "nan", "-inf",
    "en", "fr", "multi", "balanced", "min_latency", "max_accuracy", "medical-v1", "near-field", "hash", "entity_name",
    "pcm_s16le", "pcm_mulaw", "opus", "ogg_opus", "aac", "PCM_S16LE", "phone_number", "email_address,phone_number",
    "universal-streaming-english", "universal-streaming-multilingual", "u3-rt-pro", "universal-3-6-pro", "whisper-rt",
    "[]", "[1]", '["a", "b"]', "['a', 'b']", "['a'", '["\\ud800"]', "[null]", "[" * 500, "{}", '{"a": 1}', "null",
    [], ["a"], ["a"] * 101, ["a" * 51], [1], [None], [[]], ["\ud800"], {}, {"a": 1}, "x" * 1_750, "x" * 1_751, "\ud800",
    "http://169.254.169.254/", "https://example.com/hook", "http://[::1", "a\r\nb: c", "\x00", "\x7f", "％", "\u2028",
)  # fmt: skip

_likely = st.sampled_from(LIKELY_VALUES)
_texts = st.text(max_size=12)
# JSON may write half a surrogate pair as an escape, and numbers of any size.
_json_strings = _texts | st.text(st.characters(), max_size=6)
_json_numbers = st.integers(-(10**40), 10**40) | st.floats()
json_values = st.recursive(
    st.none() | st.booleans() | _json_numbers | _json_strings | _likely,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_json_strings, inner, max_size=3),
    max_leaves=5,
)
_types = st.sampled_from([*ClientMessageType, "terminate", "Begin", "Error", "", "\ud800"]) | _json_strings
_message_types = st.one_of(*[st.just("UpdateConfiguration")] * 4, _types, _types, json_values)
_values = _likely | _likely | _likely | json_values
_fields = st.lists(st.tuples(st.sampled_from(UPDATE_FIELDS) | _json_strings, _values), max_size=3).map(dict)


@st.composite
def _messages(draw: st.DrawFn) -> str:
    """Return an object with a type, most often UpdateConfiguration, as any encoder may write it."""
    message: dict[str, Any] = draw(_fields)
    message["type"] = draw(_message_types)
    return draw(_written(message))


def _written(value: Any) -> st.SearchStrategy[str]:
    def write(indent: int | None, *, is_ascii: bool) -> str:
        text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
        # Text frames hold UTF-8, which has no surrogates.
        return text.encode("utf-8", "backslashreplace").decode()

    return st.builds(write, st.sampled_from((None, 0, 2)), is_ascii=st.booleans())


@st.composite
def _damaged(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """Return a text with a few characters lost, changed or doubled."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(text) - 1)))
        text = (
            text[:at] + draw(st.sampled_from(("", text[at : at + 1] * 2, "\x00", '"', "\\", "{", "}"))) + text[at + 1 :]
        )
    return text


def _nested(depth: int, pair: str) -> str:
    return pair[0] * depth + pair[-1] * depth


_valid = st.sampled_from([f'{{"type": "{kind}"}}' for kind in ClientMessageType if kind != "Terminate"])
client_texts = st.one_of(
    _messages(),
    _messages(),
    json_values.flatmap(_written),
    _texts,
    _valid,
    _damaged(_messages() | _valid),
    st.binary(max_size=60).map(lambda data: data.decode("utf-8", "replace")),
    st.builds(_nested, st.integers(1, 5_000), st.sampled_from(("[]", '{"a":', '{"type":'))),
)


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_ENCODERS: tuple[Callable[[bytes], str], ...] = (
    partial(quote, safe=""),
    partial(quote, safe=""),
    quote_plus,
    lambda data: "".join(f"%{byte:02x}" for byte in data),
    lambda data: quote(data.decode("utf-8", "replace").encode("utf-16-le"), safe=""),
    lambda data: quote(data, safe="").replace("%", "%25", 1),
    lambda data: quote(data, safe="")[:-1],
)
_pairs = st.builds(
    lambda name, equals, value, encoder: (
        encoder(name.encode("utf-8", "surrogatepass"))
        + equals
        + encoder(_text_of(value).encode("utf-8", "surrogatepass"))
    ),
    st.sampled_from(QUERY_NAMES) | st.sampled_from(QUERY_NAMES) | _texts,
    st.sampled_from("===&"),
    _values,
    st.sampled_from(_ENCODERS),
)
_raw = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
# Query strings of an upgrade, with names and values of any kind and encoding, all ASCII.
queries = st.builds(str.join, st.sampled_from("&&&;?"), st.lists(_pairs | _pairs | _pairs | _raw, max_size=5))
encodings = st.sampled_from(
    [f"encoding={encoding}&sample_rate={rate}" for encoding in Encoding for rate in (8_000, 48_000)]
)
binary_messages = (
    st.binary(max_size=200)
    | st.integers(0, 70_000).map(bytes)
    | st.binary(min_size=1, max_size=8).map(lambda b: b * 400)
)

# What a recogniser may report.
_orders = st.integers(0, 3) | st.sampled_from((0, 1, 2**31, 2**32 - 1))
_times = st.integers(0, 5_000) | st.integers(-(2**63), 2**63 - 1)
_confidences = st.sampled_from((0.0, 0.5, 1.0, math.nan, math.inf, -math.inf, -1.0, 2.0, 1e-45)) | st.floats(width=32)
_words = st.builds(
    asr.Word,
    text=st.sampled_from(("hello", "twenty", "five", "at", "dot", "", " ", "damn")) | _texts,
    start_ms=_times,
    end_ms=_times,
    confidence=_confidences,
    is_final=st.booleans(),
)
_word_lists = st.lists(_words, max_size=6)
_ranges = st.lists(st.builds(asr.TimeRange, start_ms=_times, end_ms=_times), max_size=3)
_bodies: tuple[st.SearchStrategy[dict[str, Any]], ...] = (
    st.fixed_dictionaries(
        {"ready": st.builds(asr.Ready, engine=_texts, punctuates=st.booleans(), languages=st.lists(_texts, max_size=2))}
    ),
    st.fixed_dictionaries(
        {"speech_started": st.builds(asr.SpeechStarted, turn_order=_orders, start_ms=_times, confidence=_confidences)}
    ),
    *[
        st.fixed_dictionaries(
            {
                "hypothesis": st.builds(
                    asr.Hypothesis,
                    turn_order=_orders,
                    words=_word_lists,
                    audio_ms=_times,
                    end_of_turn_confidence=_confidences,
                )
            }
        )
    ]
    * 3,
    st.fixed_dictionaries(
        {
            "utterance_end": st.builds(
                asr.UtteranceEnd,
                turn_order=_orders,
                first_word=st.integers(0, 7) | st.just(2**32 - 1),
                end_word=st.integers(0, 7) | st.just(2**32 - 1),
                audio_ms=_times,
            )
        }
    ),
    *[
        st.fixed_dictionaries(
            {
                "turn_end": st.builds(
                    asr.TurnEnd,
                    turn_order=_orders,
                    words=_word_lists,
                    reason=st.integers(0, 9),
                    end_of_turn_confidence=_confidences,
                    silence_before_end_ms=_times,
                    audio_ms=_times,
                )
            }
        )
    ]
    * 3,
    st.fixed_dictionaries(
        {
            "language_detected": st.builds(
                asr.LanguageDetected, turn_order=_orders, language_code=_texts, confidence=_confidences
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "speech_activity": st.builds(
                asr.SpeechActivity,
                audio_ms=_times,
                max_speech_probability=_confidences,
                silences=_ranges,
                replay_from_ms=_times,
            )
        }
    ),
    st.fixed_dictionaries({"statistics": st.builds(asr.Statistics, audio_ms=_times, turns=_orders)}),
    st.fixed_dictionaries({"error": st.builds(asr.Error, code=_texts, message=_texts)}),
    st.just({}),
)
# Field 1000 of a newer protocol.
_UNKNOWN_FIELD = b"\xc2\x3e\x03new"
recognizer_events = st.one_of(_bodies).map(lambda body: asr.RecognizeResponse(**body)) | st.just(
    asr.RecognizeResponse.FromString(_UNKNOWN_FIELD)
)
