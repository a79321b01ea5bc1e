"""Recogniser responses for tests, each in one line."""

from __future__ import annotations

from protos import asr_v1_pb2 as asr


def word(text: str, start_ms: int = 0, *, is_final: bool = False, confidence: float = 0.9) -> asr.Word:
    """Return a word of 200 ms."""
    return asr.Word(text=text, start_ms=start_ms, end_ms=start_ms + 200, confidence=confidence, is_final=is_final)


def words(text: str, *, final_words: int = 0) -> list[asr.Word]:
    """Return the words of a text, one every 250 ms, of which the first ``final_words`` are final."""
    return [word(each, 250 * number, is_final=number < final_words) for number, each in enumerate(text.split())]


def ready(*, punctuates: bool = False) -> asr.RecognizeResponse:
    """Return the first response of a session."""
    return asr.RecognizeResponse(ready=asr.Ready(engine="scripted", punctuates=punctuates))


def speech_started(turn_order: int = 0, start_ms: int = 0, confidence: float = 0.8) -> asr.RecognizeResponse:
    """Return the onset of speech."""
    return asr.RecognizeResponse(
        speech_started=asr.SpeechStarted(turn_order=turn_order, start_ms=start_ms, confidence=confidence)
    )


def hypothesis(
    text: str, turn_order: int = 0, *, final_words: int = 0, score: float = 0.0, audio_ms: int = 0
) -> asr.RecognizeResponse:
    """Return the open turn as it stands."""
    return asr.RecognizeResponse(
        hypothesis=asr.Hypothesis(
            turn_order=turn_order,
            words=words(text, final_words=final_words),
            audio_ms=audio_ms,
            end_of_turn_confidence=score,
        )
    )


def utterance_end(first_word: int, end_word: int, turn_order: int = 0) -> asr.RecognizeResponse:
    """Return a pause inside a turn."""
    return asr.RecognizeResponse(
        utterance_end=asr.UtteranceEnd(turn_order=turn_order, first_word=first_word, end_word=end_word)
    )


def turn_end(text: str, turn_order: int = 0, *, score: float = 0.7) -> asr.RecognizeResponse:
    """Return the end of a turn."""
    return asr.RecognizeResponse(
        turn_end=asr.TurnEnd(
            turn_order=turn_order, words=words(text, final_words=len(text.split())), end_of_turn_confidence=score
        )
    )


def language(code: str, confidence: float = 0.9, turn_order: int = 0) -> asr.RecognizeResponse:
    """Return the language of a turn."""
    return asr.RecognizeResponse(
        language_detected=asr.LanguageDetected(turn_order=turn_order, language_code=code, confidence=confidence)
    )


def activity(audio_ms: int) -> asr.RecognizeResponse:
    """Return the report that audio up to a position was consumed."""
    return asr.RecognizeResponse(speech_activity=asr.SpeechActivity(audio_ms=audio_ms))


def statistics(turns: int = 0) -> asr.RecognizeResponse:
    """Return the last response of a finished session."""
    return asr.RecognizeResponse(statistics=asr.Statistics(turns=turns))


def failed(code: str = "worker_died") -> asr.RecognizeResponse:
    """Return the response of a session that cannot go on."""
    return asr.RecognizeResponse(error=asr.Error(code=code, message="for operators only"))
