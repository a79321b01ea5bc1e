from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TurnStyle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TURN_STYLE_UNSPECIFIED: _ClassVar[TurnStyle]
    TURN_STYLE_UNIVERSAL: _ClassVar[TurnStyle]
    TURN_STYLE_PRO: _ClassVar[TurnStyle]

class TurnEndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TURN_END_REASON_UNSPECIFIED: _ClassVar[TurnEndReason]
    TURN_END_REASON_SILENCE: _ClassVar[TurnEndReason]
    TURN_END_REASON_CONFIDENCE: _ClassVar[TurnEndReason]
    TURN_END_REASON_PUNCTUATION: _ClassVar[TurnEndReason]
    TURN_END_REASON_FORCED: _ClassVar[TurnEndReason]
    TURN_END_REASON_FINISH: _ClassVar[TurnEndReason]
    TURN_END_REASON_LIMIT: _ClassVar[TurnEndReason]
TURN_STYLE_UNSPECIFIED: TurnStyle
TURN_STYLE_UNIVERSAL: TurnStyle
TURN_STYLE_PRO: TurnStyle
TURN_END_REASON_UNSPECIFIED: TurnEndReason
TURN_END_REASON_SILENCE: TurnEndReason
TURN_END_REASON_CONFIDENCE: TurnEndReason
TURN_END_REASON_PUNCTUATION: TurnEndReason
TURN_END_REASON_FORCED: TurnEndReason
TURN_END_REASON_FINISH: TurnEndReason
TURN_END_REASON_LIMIT: TurnEndReason

class RecognizeRequest(_message.Message):
    __slots__ = ("config", "audio", "update", "force_endpoint", "finish")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    FORCE_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    config: SessionConfig
    audio: bytes
    update: SessionUpdate
    force_endpoint: ForceEndpoint
    finish: Finish
    def __init__(self, config: _Optional[_Union[SessionConfig, _Mapping]] = ..., audio: _Optional[bytes] = ..., update: _Optional[_Union[SessionUpdate, _Mapping]] = ..., force_endpoint: _Optional[_Union[ForceEndpoint, _Mapping]] = ..., finish: _Optional[_Union[Finish, _Mapping]] = ...) -> None: ...

class RecognizeResponse(_message.Message):
    __slots__ = ("ready", "speech_started", "hypothesis", "utterance_end", "turn_end", "language_detected", "speech_activity", "statistics", "error")
    READY_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_END_FIELD_NUMBER: _ClassVar[int]
    TURN_END_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_DETECTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ready: Ready
    speech_started: SpeechStarted
    hypothesis: Hypothesis
    utterance_end: UtteranceEnd
    turn_end: TurnEnd
    language_detected: LanguageDetected
    speech_activity: SpeechActivity
    statistics: Statistics
    error: Error
    def __init__(self, ready: _Optional[_Union[Ready, _Mapping]] = ..., speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., hypothesis: _Optional[_Union[Hypothesis, _Mapping]] = ..., utterance_end: _Optional[_Union[UtteranceEnd, _Mapping]] = ..., turn_end: _Optional[_Union[TurnEnd, _Mapping]] = ..., language_detected: _Optional[_Union[LanguageDetected, _Mapping]] = ..., speech_activity: _Optional[_Union[SpeechActivity, _Mapping]] = ..., statistics: _Optional[_Union[Statistics, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class SessionConfig(_message.Message):
    __slots__ = ("session_id", "model", "turn_style", "turn_detection", "biasing", "language_codes", "language_detection", "domain", "mode", "lookahead_ms", "previous_context_turns", "resume")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TURN_STYLE_FIELD_NUMBER: _ClassVar[int]
    TURN_DETECTION_FIELD_NUMBER: _ClassVar[int]
    BIASING_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_DETECTION_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_MS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_CONTEXT_TURNS_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    model: str
    turn_style: TurnStyle
    turn_detection: TurnDetection
    biasing: Biasing
    language_codes: _containers.RepeatedScalarFieldContainer[str]
    language_detection: bool
    domain: str
    mode: str
    lookahead_ms: int
    previous_context_turns: int
    resume: Resume
    def __init__(self, session_id: _Optional[str] = ..., model: _Optional[str] = ..., turn_style: _Optional[_Union[TurnStyle, str]] = ..., turn_detection: _Optional[_Union[TurnDetection, _Mapping]] = ..., biasing: _Optional[_Union[Biasing, _Mapping]] = ..., language_codes: _Optional[_Iterable[str]] = ..., language_detection: _Optional[bool] = ..., domain: _Optional[str] = ..., mode: _Optional[str] = ..., lookahead_ms: _Optional[int] = ..., previous_context_turns: _Optional[int] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ...) -> None: ...

class TurnDetection(_message.Message):
    __slots__ = ("vad_threshold", "end_of_turn_confidence_threshold", "min_turn_silence_ms", "max_turn_silence_ms", "interruption_delay_ms", "continuous_partials")
    VAD_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    END_OF_TURN_CONFIDENCE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MIN_TURN_SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_TURN_SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTION_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    CONTINUOUS_PARTIALS_FIELD_NUMBER: _ClassVar[int]
    vad_threshold: float
    end_of_turn_confidence_threshold: float
    min_turn_silence_ms: int
    max_turn_silence_ms: int
    interruption_delay_ms: int
    continuous_partials: bool
    def __init__(self, vad_threshold: _Optional[float] = ..., end_of_turn_confidence_threshold: _Optional[float] = ..., min_turn_silence_ms: _Optional[int] = ..., max_turn_silence_ms: _Optional[int] = ..., interruption_delay_ms: _Optional[int] = ..., continuous_partials: _Optional[bool] = ...) -> None: ...

class Biasing(_message.Message):
    __slots__ = ("keyterms", "prompt", "agent_context")
    KEYTERMS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    AGENT_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    keyterms: _containers.RepeatedScalarFieldContainer[str]
    prompt: str
    agent_context: str
    def __init__(self, keyterms: _Optional[_Iterable[str]] = ..., prompt: _Optional[str] = ..., agent_context: _Optional[str] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("audio_start_ms", "suppress_before_ms", "turn_order", "final_words")
    AUDIO_START_MS_FIELD_NUMBER: _ClassVar[int]
    SUPPRESS_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    TURN_ORDER_FIELD_NUMBER: _ClassVar[int]
    FINAL_WORDS_FIELD_NUMBER: _ClassVar[int]
    audio_start_ms: int
    suppress_before_ms: int
    turn_order: int
    final_words: _containers.RepeatedCompositeFieldContainer[Word]
    def __init__(self, audio_start_ms: _Optional[int] = ..., suppress_before_ms: _Optional[int] = ..., turn_order: _Optional[int] = ..., final_words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ...) -> None: ...

class SessionUpdate(_message.Message):
    __slots__ = ("turn_detection", "keyterms", "prompt", "agent_context", "language_codes", "mode")
    TURN_DETECTION_FIELD_NUMBER: _ClassVar[int]
    KEYTERMS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    AGENT_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    turn_detection: TurnDetection
    keyterms: KeytermsUpdate
    prompt: str
    agent_context: str
    language_codes: LanguagesUpdate
    mode: str
    def __init__(self, turn_detection: _Optional[_Union[TurnDetection, _Mapping]] = ..., keyterms: _Optional[_Union[KeytermsUpdate, _Mapping]] = ..., prompt: _Optional[str] = ..., agent_context: _Optional[str] = ..., language_codes: _Optional[_Union[LanguagesUpdate, _Mapping]] = ..., mode: _Optional[str] = ...) -> None: ...

class KeytermsUpdate(_message.Message):
    __slots__ = ("keyterms",)
    KEYTERMS_FIELD_NUMBER: _ClassVar[int]
    keyterms: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keyterms: _Optional[_Iterable[str]] = ...) -> None: ...

class LanguagesUpdate(_message.Message):
    __slots__ = ("language_codes",)
    LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    language_codes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, language_codes: _Optional[_Iterable[str]] = ...) -> None: ...

class ForceEndpoint(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Finish(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Ready(_message.Message):
    __slots__ = ("engine", "degraded", "languages", "detects_language", "punctuates", "finalizes_words_early", "lookaheads_ms")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    DETECTS_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PUNCTUATES_FIELD_NUMBER: _ClassVar[int]
    FINALIZES_WORDS_EARLY_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEADS_MS_FIELD_NUMBER: _ClassVar[int]
    engine: str
    degraded: bool
    languages: _containers.RepeatedScalarFieldContainer[str]
    detects_language: bool
    punctuates: bool
    finalizes_words_early: bool
    lookaheads_ms: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, engine: _Optional[str] = ..., degraded: _Optional[bool] = ..., languages: _Optional[_Iterable[str]] = ..., detects_language: _Optional[bool] = ..., punctuates: _Optional[bool] = ..., finalizes_words_early: _Optional[bool] = ..., lookaheads_ms: _Optional[_Iterable[int]] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start_ms", "end_ms", "confidence", "is_final")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    is_final: bool
    def __init__(self, text: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., confidence: _Optional[float] = ..., is_final: _Optional[bool] = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("turn_order", "start_ms", "confidence")
    TURN_ORDER_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    turn_order: int
    start_ms: int
    confidence: float
    def __init__(self, turn_order: _Optional[int] = ..., start_ms: _Optional[int] = ..., confidence: _Optional[float] = ...) -> None: ...

class Hypothesis(_message.Message):
    __slots__ = ("turn_order", "words", "audio_ms", "end_of_turn_confidence")
    TURN_ORDER_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    END_OF_TURN_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    turn_order: int
    words: _containers.RepeatedCompositeFieldContainer[Word]
    audio_ms: int
    end_of_turn_confidence: float
    def __init__(self, turn_order: _Optional[int] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., audio_ms: _Optional[int] = ..., end_of_turn_confidence: _Optional[float] = ...) -> None: ...

class UtteranceEnd(_message.Message):
    __slots__ = ("turn_order", "first_word", "end_word", "audio_ms")
    TURN_ORDER_FIELD_NUMBER: _ClassVar[int]
    FIRST_WORD_FIELD_NUMBER: _ClassVar[int]
    END_WORD_FIELD_NUMBER: _ClassVar[int]
    AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    turn_order: int
    first_word: int
    end_word: int
    audio_ms: int
    def __init__(self, turn_order: _Optional[int] = ..., first_word: _Optional[int] = ..., end_word: _Optional[int] = ..., audio_ms: _Optional[int] = ...) -> None: ...

class TurnEnd(_message.Message):
    __slots__ = ("turn_order", "words", "reason", "end_of_turn_confidence", "silence_before_end_ms", "audio_ms")
    TURN_ORDER_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    END_OF_TURN_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SILENCE_BEFORE_END_MS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    turn_order: int
    words: _containers.RepeatedCompositeFieldContainer[Word]
    reason: TurnEndReason
    end_of_turn_confidence: float
    silence_before_end_ms: int
    audio_ms: int
    def __init__(self, turn_order: _Optional[int] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., reason: _Optional[_Union[TurnEndReason, str]] = ..., end_of_turn_confidence: _Optional[float] = ..., silence_before_end_ms: _Optional[int] = ..., audio_ms: _Optional[int] = ...) -> None: ...

class LanguageDetected(_message.Message):
    __slots__ = ("turn_order", "language_code", "confidence")
    TURN_ORDER_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    turn_order: int
    language_code: str
    confidence: float
    def __init__(self, turn_order: _Optional[int] = ..., language_code: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class SpeechActivity(_message.Message):
    __slots__ = ("audio_ms", "max_speech_probability", "silences", "replay_from_ms")
    AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEECH_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SILENCES_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FROM_MS_FIELD_NUMBER: _ClassVar[int]
    audio_ms: int
    max_speech_probability: float
    silences: _containers.RepeatedCompositeFieldContainer[TimeRange]
    replay_from_ms: int
    def __init__(self, audio_ms: _Optional[int] = ..., max_speech_probability: _Optional[float] = ..., silences: _Optional[_Iterable[_Union[TimeRange, _Mapping]]] = ..., replay_from_ms: _Optional[int] = ...) -> None: ...

class TimeRange(_message.Message):
    __slots__ = ("start_ms", "end_ms")
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    start_ms: int
    end_ms: int
    def __init__(self, start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ...) -> None: ...

class Statistics(_message.Message):
    __slots__ = ("audio_ms", "turns", "engine_cpu_ms")
    AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_CPU_MS_FIELD_NUMBER: _ClassVar[int]
    audio_ms: int
    turns: int
    engine_cpu_ms: int
    def __init__(self, audio_ms: _Optional[int] = ..., turns: _Optional[int] = ..., engine_cpu_ms: _Optional[int] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
