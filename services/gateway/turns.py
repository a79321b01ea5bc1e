"""Recogniser events to protocol messages: finality, utterances, formatting, order.

The ASR server decides when turns end; this module only keeps the message rules of protocol sections
7.2, 7.3 and 8. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from protos import asr_v1_pb2 as asr
from protos.session_v3 import ServerMessage, SpeechStarted, Turn, TurnWord
from services.gateway.formatting import written_form
from services.gateway.models import TurnStyle
from services.gateway.pii import Redaction, redact_pii
from services.gateway.profanity import filter_profanity

# Floats travel as 32 bit; more digits than this would be noise.
CONFIDENCE_DIGITS = 3


@dataclass(frozen=True, slots=True)
class MessageRules:
    """What shapes the messages of one session.

    Attributes:
        redaction: what personal data to take out, and how; None for nothing.
        punctuates: the engine writes case and punctuation itself; its text is left alone.
    """

    turn_style: TurnStyle
    format_turns: bool
    include_partial_turns: bool
    language_detection: bool
    filter_profanity: bool = False
    redaction: Redaction | None = None
    punctuates: bool = False


class TurnAssembler:
    """Keeps what the open turn has delivered, and turns events into messages."""

    def __init__(self, rules: MessageRules) -> None:
        """Start before the first turn."""
        self.rules = rules
        self.finished_turns = 0
        self._onset: SpeechStarted | None = None
        self._announced = False
        self._language: tuple[str, float] | None = None
        self._delivered_ms = 0  # audio position up to which utterances of the open turn went out
        self._last_words: Sequence[asr.Word] = ()

    def receive(self, response: asr.RecognizeResponse) -> list[ServerMessage]:
        """Return the messages an event leads to, in order; none for events clients do not see."""
        kind = response.WhichOneof("response")
        if kind == "speech_started":
            started = response.speech_started
            self._onset = SpeechStarted(timestamp=started.start_ms, confidence=_rounded(started.confidence))
            return []
        if kind == "language_detected":
            detected = response.language_detected
            self._language = (detected.language_code, _rounded(detected.confidence))
            return []
        if kind == "hypothesis":
            return self._partial(response.hypothesis)
        if kind == "utterance_end":
            return self._utterance(response.utterance_end)
        if kind == "turn_end":
            return self._final(response.turn_end)
        return []

    def _partial(self, hypothesis: asr.Hypothesis) -> list[ServerMessage]:
        self._last_words = hypothesis.words
        if not hypothesis.words or not self.rules.include_partial_turns:
            return []
        pro = self.rules.turn_style is TurnStyle.PRO
        words = self._protected(_word(word, is_final=word.is_final and not pro) for word in hypothesis.words)
        shown = words if pro else tuple(word for word in words if word.word_is_final)
        partial = Turn(
            turn_order=hypothesis.turn_order,
            turn_is_formatted=False,
            end_of_turn=False,
            transcript=_joined(shown),
            utterance="",
            end_of_turn_confidence=0.0 if pro else _rounded(hypothesis.end_of_turn_confidence),
            words=words,
        )
        return [*self._take_onset(), partial]

    def _utterance(self, end: asr.UtteranceEnd) -> list[ServerMessage]:
        """Deliver an utterance inside a turn (Universal only; Pro delivers whole turns)."""
        if self.rules.turn_style is TurnStyle.PRO or not self.rules.include_partial_turns:
            return []
        words = self._protected(_word(word, is_final=word.is_final) for word in self._last_words)
        utterance = _joined(words[end.first_word : end.end_word])
        if not utterance:
            return []
        self._delivered_ms = words[min(end.end_word, len(words)) - 1].end
        code, confidence = self._language_members()
        return [
            Turn(
                turn_order=end.turn_order,
                turn_is_formatted=False,
                end_of_turn=False,
                transcript=_joined([word for word in words if word.word_is_final]),
                utterance=utterance,
                end_of_turn_confidence=0.0,
                words=words,
                language_code=code,
                language_confidence=confidence,
            )
        ]

    def _final(self, end: asr.TurnEnd) -> list[ServerMessage]:
        pro = self.rules.turn_style is TurnStyle.PRO
        formatted = pro or self.rules.format_turns
        words = tuple(_word(word, is_final=True) for word in end.words)
        if formatted and not self.rules.punctuates:
            words = written_form(words)
        words = self._protected(words)
        transcript = _joined(words)
        # An utterance that was already delivered is not sent again with the end of its turn. Words are told
        # apart by time: the written form may have made one of several.
        utterance = transcript if pro else _joined([word for word in words if word.end > self._delivered_ms])
        code, confidence = self._language_members()
        final = Turn(
            turn_order=end.turn_order,
            turn_is_formatted=formatted,
            end_of_turn=True,
            transcript=transcript,
            utterance=utterance,
            end_of_turn_confidence=1.0 if pro else _rounded(end.end_of_turn_confidence),
            words=words,
            language_code=code,
            language_confidence=confidence,
        )
        messages = [*self._take_onset(), final]
        self.finished_turns += 1
        self._onset = None
        self._announced = False
        self._language = None
        self._delivered_ms = 0
        self._last_words = ()
        return messages

    def _protected(self, words: Iterable[TurnWord]) -> tuple[TurnWord, ...]:
        """Take out what the client asked to take out; redaction first, it reads the words as they are."""
        protected = tuple(words)
        if self.rules.redaction is not None:
            protected = redact_pii(protected, self.rules.redaction.policies, self.rules.redaction.substitution)
        return filter_profanity(protected) if self.rules.filter_profanity else protected

    def _take_onset(self) -> list[ServerMessage]:
        """Announce speech once a turn, and only right before its first text (Pro only)."""
        if self._onset is None or self._announced or self.rules.turn_style is not TurnStyle.PRO:
            return []
        self._announced = True
        return [self._onset]

    def _language_members(self) -> tuple[str | UnsetType, float | UnsetType]:
        """Return the language of the open turn; its utterances and its final all carry it."""
        return self._language if self._language is not None and self.rules.language_detection else (UNSET, UNSET)


def _word(word: asr.Word, *, is_final: bool) -> TurnWord:
    return TurnWord(
        text=word.text,
        start=word.start_ms,
        end=word.end_ms,
        confidence=_rounded(word.confidence),
        word_is_final=is_final,
    )


def _joined(words: Sequence[TurnWord]) -> str:
    return " ".join(word.text for word in words)


def _rounded(value: float) -> float:
    return round(value, CONFIDENCE_DIGITS)
