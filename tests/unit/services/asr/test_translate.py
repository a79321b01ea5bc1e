"""Wire messages to recogniser values and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import asr_v1_pb2 as asr
from runtime.errors import InvalidInput
from services.asr.engines.base import (
    Capabilities,
    Closed,
    Event,
    Failed,
    Hypothesis,
    LanguageDetected,
    ResumePoint,
    SessionChange,
    SpeechActivity,
    SpeechStarted,
    TurnDetection,
    TurnEnd,
    TurnEndReason,
    TurnStyle,
    UtteranceEnd,
    Word,
)
from services.asr.translate import (
    PRO_DEFAULTS,
    UNIVERSAL_DEFAULTS,
    changed_turn_detection,
    event_response,
    ready_response,
    session_change,
    session_spec,
)

YES = Word(text="yes", start_ms=120, end_ms=360, confidence=0.5, is_final=True)
YES_ON_THE_WIRE = asr.Word(text="yes", start_ms=120, end_ms=360, confidence=0.5, is_final=True)


def detection_with(name: str, value: float) -> asr.TurnDetection:
    """Return a message in which one field is present."""
    change = asr.TurnDetection()
    setattr(change, name, value)
    return change


@pytest.mark.parametrize(
    ("style", "expected", "defaults"),
    [
        (asr.TURN_STYLE_UNSPECIFIED, TurnStyle.UNIVERSAL, UNIVERSAL_DEFAULTS),
        (asr.TURN_STYLE_UNIVERSAL, TurnStyle.UNIVERSAL, UNIVERSAL_DEFAULTS),
        (asr.TURN_STYLE_PRO, TurnStyle.PRO, PRO_DEFAULTS),
    ],
)
def test_spec_style_decides_the_defaults(style: asr.TurnStyle, expected: TurnStyle, defaults: TurnDetection) -> None:
    """Thresholds that are left out follow the turn style; no style means Universal."""
    spec = session_spec(asr.SessionConfig(turn_style=style))
    assert (spec.turn_style, spec.turn_detection) == (expected, defaults)


def test_spec_carries_every_field() -> None:
    """Nothing of a config is lost."""
    spec = session_spec(
        asr.SessionConfig(
            session_id="s", model="u3-pro", turn_style=asr.TURN_STYLE_PRO, language_codes=["de", "en"],
            language_detection=True, domain="medical-v1", mode="balanced", lookahead_ms=480, previous_context_turns=5,
            biasing=asr.Biasing(keyterms=["QX"], prompt="p", agent_context="a"),
        )
    )  # fmt: skip
    assert (spec.session_id, spec.model, spec.language_codes, spec.language_detection) == (
        "s",
        "u3-pro",
        ("de", "en"),
        True,
    )
    assert (spec.domain, spec.mode, spec.lookahead_ms, spec.previous_context_turns) == (
        "medical-v1",
        "balanced",
        480,
        5,
    )
    assert (spec.keyterms, spec.prompt, spec.agent_context, spec.resume) == (("QX",), "p", "a", None)


def test_spec_resume_carries_its_position_and_words() -> None:
    """A session begun elsewhere continues with what the client holds."""
    spec = session_spec(
        asr.SessionConfig(
            resume=asr.Resume(audio_start_ms=9000, suppress_before_ms=9500, turn_order=3, final_words=[YES_ON_THE_WIRE])
        )
    )
    assert spec.resume == ResumePoint(audio_start_ms=9000, suppress_before_ms=9500, turn_order=3, final_words=(YES,))


def test_spec_resume_at_the_start_is_still_a_resume() -> None:
    """A resume whose every field is zero is present all the same."""
    assert session_spec(asr.SessionConfig(resume=asr.Resume())).resume is not None


def test_detection_present_fields_change_and_zeros_count() -> None:
    """Zero and false are values; what is absent stays."""
    changed = changed_turn_detection(
        UNIVERSAL_DEFAULTS, asr.TurnDetection(vad_threshold=0, interruption_delay_ms=0, continuous_partials=False)
    )
    assert changed == TurnDetection(
        vad_threshold=0.0,
        end_of_turn_confidence_threshold=0.4,
        min_turn_silence_ms=400,
        max_turn_silence_ms=1280,
        interruption_delay_ms=0,
        continuous_partials=False,
    )


@pytest.mark.parametrize("name", ["vad_threshold", "end_of_turn_confidence_threshold"])
@pytest.mark.parametrize("value", [-0.5, 1.5, math.nan, math.inf])
def test_detection_fraction_out_of_range_is_refused(name: str, value: float) -> None:
    """The refusal names the field."""
    with pytest.raises(InvalidInput, match=f"^{name}="):
        changed_turn_detection(UNIVERSAL_DEFAULTS, detection_with(name, value))


uint32 = st.integers(0, 2**32 - 1)


@given(uint32, uint32)
def test_detection_minimum_never_exceeds_maximum(minimum: int, maximum: int) -> None:
    """The invariant of the value holds for every message."""
    changed = changed_turn_detection(
        UNIVERSAL_DEFAULTS, asr.TurnDetection(min_turn_silence_ms=minimum, max_turn_silence_ms=maximum)
    )
    assert changed.min_turn_silence_ms == minimum
    assert changed.max_turn_silence_ms == max(minimum, maximum)


def test_change_empty_update_changes_nothing() -> None:
    """Absent is not empty."""
    assert session_change(asr.SessionUpdate(), PRO_DEFAULTS) == SessionChange()


def test_change_empty_lists_and_texts_clear() -> None:
    """An empty but present value is a change."""
    change = session_change(
        asr.SessionUpdate(
            keyterms=asr.KeytermsUpdate(), prompt="", agent_context="", language_codes=asr.LanguagesUpdate(), mode=""
        ),
        PRO_DEFAULTS,
    )
    assert change == SessionChange(keyterms=(), prompt="", agent_context="", language_codes=(), mode="")


def test_change_detection_starts_from_the_thresholds_in_force() -> None:
    """One new threshold leaves the current others, not the defaults."""
    current = changed_turn_detection(UNIVERSAL_DEFAULTS, asr.TurnDetection(min_turn_silence_ms=900))
    change = session_change(asr.SessionUpdate(turn_detection=asr.TurnDetection(max_turn_silence_ms=2000)), current)
    assert change.turn_detection is not None
    assert (change.turn_detection.min_turn_silence_ms, change.turn_detection.max_turn_silence_ms) == (900, 2000)


def test_change_bad_threshold_is_refused() -> None:
    """Updates are checked like configs."""
    with pytest.raises(InvalidInput):
        session_change(asr.SessionUpdate(turn_detection=asr.TurnDetection(vad_threshold=2)), PRO_DEFAULTS)


def test_ready_tells_every_capability() -> None:
    """What the gateway decides by is on the wire."""
    capabilities = Capabilities(
        engine="embedded", languages=("en",), degraded=True, detects_language=True, punctuates=True,
        finalizes_words_early=True, lookaheads_ms=(80, 480),
    )  # fmt: skip
    assert ready_response(capabilities).ready == asr.Ready(
        engine="embedded", degraded=True, languages=["en"], detects_language=True, punctuates=True,
        finalizes_words_early=True, lookaheads_ms=[80, 480],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            SpeechStarted(turn_order=1, start_ms=120, confidence=0.5),
            asr.RecognizeResponse(speech_started=asr.SpeechStarted(turn_order=1, start_ms=120, confidence=0.5)),
        ),
        (
            Hypothesis(turn_order=1, words=(YES,), audio_ms=400, end_of_turn_confidence=0.25),
            asr.RecognizeResponse(
                hypothesis=asr.Hypothesis(
                    turn_order=1, words=[YES_ON_THE_WIRE], audio_ms=400, end_of_turn_confidence=0.25
                )
            ),
        ),
        (
            UtteranceEnd(turn_order=1, first_word=0, end_word=2, audio_ms=400),
            asr.RecognizeResponse(utterance_end=asr.UtteranceEnd(turn_order=1, first_word=0, end_word=2, audio_ms=400)),
        ),
        (
            LanguageDetected(turn_order=1, language_code="de", confidence=0.5),
            asr.RecognizeResponse(
                language_detected=asr.LanguageDetected(turn_order=1, language_code="de", confidence=0.5)
            ),
        ),
        (
            SpeechActivity(
                audio_ms=1000, max_speech_probability=0.5, silences=((0, 200), (800, 1000)), replay_from_ms=5
            ),
            asr.RecognizeResponse(
                speech_activity=asr.SpeechActivity(
                    audio_ms=1000,
                    max_speech_probability=0.5,
                    silences=[asr.TimeRange(start_ms=0, end_ms=200), asr.TimeRange(start_ms=800, end_ms=1000)],
                    replay_from_ms=5,
                )
            ),
        ),
        (
            Closed(audio_ms=1000, turns=2, engine_cpu_ms=80),
            asr.RecognizeResponse(statistics=asr.Statistics(audio_ms=1000, turns=2, engine_cpu_ms=80)),
        ),
        (
            Failed(code="worker_died", message="m"),
            asr.RecognizeResponse(error=asr.Error(code="worker_died", message="m")),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_event_has_its_wire_form(event: Event, expected: asr.RecognizeResponse) -> None:
    """Each event becomes its own message with every field."""
    assert event_response(event) == expected


@pytest.mark.parametrize("reason", TurnEndReason)
def test_turn_end_every_reason_has_a_wire_value(reason: TurnEndReason) -> None:
    """No reason is lost as unspecified, and names agree on both sides."""
    event = TurnEnd(
        turn_order=1, words=(YES,), reason=reason, end_of_turn_confidence=0.5, silence_before_end_ms=400, audio_ms=900
    )
    end = event_response(event).turn_end
    assert asr.TurnEndReason.Name(end.reason) == f"TURN_END_REASON_{reason.upper()}"
    assert list(end.words) == [YES_ON_THE_WIRE]
    assert (end.silence_before_end_ms, end.audio_ms, end.end_of_turn_confidence) == (400, 900, 0.5)
