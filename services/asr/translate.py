"""Between the wire messages of ``asr_v1`` and the values recognisers work with."""

from __future__ import annotations

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
    SessionSpec,
    SpeechActivity,
    SpeechStarted,
    TurnDetection,
    TurnEnd,
    TurnEndReason,
    TurnStyle,
    UtteranceEnd,
    Word,
)

# Used where a client of the recogniser leaves a threshold out; the gateway always sends all.
UNIVERSAL_DEFAULTS = TurnDetection(
    vad_threshold=0.4, end_of_turn_confidence_threshold=0.4, min_turn_silence_ms=400, max_turn_silence_ms=1280
)
PRO_DEFAULTS = TurnDetection(
    vad_threshold=0.3, end_of_turn_confidence_threshold=1.0, min_turn_silence_ms=100, max_turn_silence_ms=1000
)

_REASONS = {
    TurnEndReason.SILENCE: asr.TURN_END_REASON_SILENCE,
    TurnEndReason.CONFIDENCE: asr.TURN_END_REASON_CONFIDENCE,
    TurnEndReason.PUNCTUATION: asr.TURN_END_REASON_PUNCTUATION,
    TurnEndReason.FORCED: asr.TURN_END_REASON_FORCED,
    TurnEndReason.FINISH: asr.TURN_END_REASON_FINISH,
    TurnEndReason.LIMIT: asr.TURN_END_REASON_LIMIT,
}


def session_spec(config: asr.SessionConfig) -> SessionSpec:
    """Return the values of a config message.

    Raises:
        InvalidInput: a threshold is out of range.
    """
    pro = config.turn_style == asr.TURN_STYLE_PRO
    return SessionSpec(
        session_id=config.session_id,
        model=config.model,
        turn_style=TurnStyle.PRO if pro else TurnStyle.UNIVERSAL,
        turn_detection=changed_turn_detection(PRO_DEFAULTS if pro else UNIVERSAL_DEFAULTS, config.turn_detection),
        language_codes=tuple(config.language_codes),
        language_detection=config.language_detection,
        keyterms=tuple(config.biasing.keyterms),
        prompt=config.biasing.prompt,
        agent_context=config.biasing.agent_context,
        domain=config.domain,
        mode=config.mode,
        lookahead_ms=config.lookahead_ms,
        previous_context_turns=config.previous_context_turns,
        resume=_resume_point(config.resume) if config.HasField("resume") else None,
    )


def session_change(update: asr.SessionUpdate, current: TurnDetection) -> SessionChange:
    """Return the change an update message asks for.

    Args:
        update: only present fields change anything.
        current: the thresholds in force.

    Raises:
        InvalidInput: a threshold is out of range.
    """
    return SessionChange(
        turn_detection=changed_turn_detection(current, update.turn_detection)
        if update.HasField("turn_detection")
        else None,
        keyterms=tuple(update.keyterms.keyterms) if update.HasField("keyterms") else None,
        prompt=update.prompt if update.HasField("prompt") else None,
        agent_context=update.agent_context if update.HasField("agent_context") else None,
        language_codes=tuple(update.language_codes.language_codes) if update.HasField("language_codes") else None,
        mode=update.mode if update.HasField("mode") else None,
    )


def changed_turn_detection(current: TurnDetection, change: asr.TurnDetection) -> TurnDetection:
    """Return thresholds with every present field of a change applied.

    Raises:
        InvalidInput: a fraction outside 0..1.
    """

    def pick(name: str, default: float | int | bool) -> float | int | bool:
        return getattr(change, name) if change.HasField(name) else default

    minimum = int(pick("min_turn_silence_ms", current.min_turn_silence_ms))
    maximum = int(pick("max_turn_silence_ms", current.max_turn_silence_ms))
    vad_threshold = float(pick("vad_threshold", current.vad_threshold))
    confidence = float(pick("end_of_turn_confidence_threshold", current.end_of_turn_confidence_threshold))
    for name, value in (("vad_threshold", vad_threshold), ("end_of_turn_confidence_threshold", confidence)):
        if not 0 <= value <= 1:
            raise InvalidInput(f"{name}={value} is not between 0 and 1")
    return TurnDetection(
        vad_threshold=vad_threshold,
        end_of_turn_confidence_threshold=confidence,
        min_turn_silence_ms=minimum,
        max_turn_silence_ms=max(minimum, maximum),
        interruption_delay_ms=int(pick("interruption_delay_ms", current.interruption_delay_ms)),
        continuous_partials=bool(pick("continuous_partials", current.continuous_partials)),
    )


def ready_response(capabilities: Capabilities) -> asr.RecognizeResponse:
    """Return the first response of a session."""
    return asr.RecognizeResponse(
        ready=asr.Ready(
            engine=capabilities.engine,
            degraded=capabilities.degraded,
            languages=capabilities.languages,
            detects_language=capabilities.detects_language,
            punctuates=capabilities.punctuates,
            finalizes_words_early=capabilities.finalizes_words_early,
            lookaheads_ms=capabilities.lookaheads_ms,
        )
    )


def event_response(event: Event) -> asr.RecognizeResponse:
    """Return the wire form of one event."""
    match event:
        case SpeechStarted():
            return asr.RecognizeResponse(
                speech_started=asr.SpeechStarted(
                    turn_order=event.turn_order, start_ms=event.start_ms, confidence=event.confidence
                )
            )
        case Hypothesis():
            return asr.RecognizeResponse(
                hypothesis=asr.Hypothesis(
                    turn_order=event.turn_order,
                    words=[_word(word) for word in event.words],
                    audio_ms=event.audio_ms,
                    end_of_turn_confidence=event.end_of_turn_confidence,
                )
            )
        case UtteranceEnd():
            return asr.RecognizeResponse(
                utterance_end=asr.UtteranceEnd(
                    turn_order=event.turn_order,
                    first_word=event.first_word,
                    end_word=event.end_word,
                    audio_ms=event.audio_ms,
                )
            )
        case TurnEnd():
            return asr.RecognizeResponse(
                turn_end=asr.TurnEnd(
                    turn_order=event.turn_order,
                    words=[_word(word) for word in event.words],
                    reason=_REASONS[event.reason],
                    end_of_turn_confidence=event.end_of_turn_confidence,
                    silence_before_end_ms=event.silence_before_end_ms,
                    audio_ms=event.audio_ms,
                )
            )
        case LanguageDetected():
            return asr.RecognizeResponse(
                language_detected=asr.LanguageDetected(
                    turn_order=event.turn_order, language_code=event.language_code, confidence=event.confidence
                )
            )
        case SpeechActivity():
            return asr.RecognizeResponse(
                speech_activity=asr.SpeechActivity(
                    audio_ms=event.audio_ms,
                    max_speech_probability=event.max_speech_probability,
                    silences=[asr.TimeRange(start_ms=start_ms, end_ms=end_ms) for start_ms, end_ms in event.silences],
                    replay_from_ms=event.replay_from_ms,
                )
            )
        case Closed():
            return asr.RecognizeResponse(
                statistics=asr.Statistics(audio_ms=event.audio_ms, turns=event.turns, engine_cpu_ms=event.engine_cpu_ms)
            )
        case Failed():
            return asr.RecognizeResponse(error=asr.Error(code=event.code, message=event.message))


def _word(word: Word) -> asr.Word:
    return asr.Word(
        text=word.text, start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence, is_final=word.is_final
    )


def _resume_point(resume: asr.Resume) -> ResumePoint:
    return ResumePoint(
        audio_start_ms=resume.audio_start_ms,
        suppress_before_ms=resume.suppress_before_ms,
        turn_order=resume.turn_order,
        final_words=tuple(
            Word(
                text=word.text,
                start_ms=word.start_ms,
                end_ms=word.end_ms,
                confidence=word.confidence,
                is_final=word.is_final,
            )
            for word in resume.final_words
        ),
    )
