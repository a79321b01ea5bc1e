"""Recogniser events to protocol messages: finality, utterances, formatting, order.

The ASR server decides when turns end; this module only keeps the message rules of protocol sections
7.2, 7.3 and 8. Sans-I/O.

A word sent as final stays as it is: whatever the recogniser says of it later, its turn keeps the text and
the times the client has. So words are sent as final only from the front, and with redaction only at the
end of the turn: what was said later decides whether a word is part of something to take out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
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
        self._begin_turn(0)

    def _begin_turn(self, turn_order: int) -> None:
        """Forget the turn before."""
        self._turn_order = turn_order
        self._announced = False
        self._language: tuple[str, float] | None = None
        self._delivered_ms = 0  # audio position up to which utterances of the open turn went out
        self._heard = asr.Hypothesis()  # the last one of the open turn that the client was told
        self._latest = asr.Hypothesis()  # the last one, told or not
        self._words: tuple[TurnWord, ...] = ()  # and its words as the client has them, not redacted or filtered

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
        if kind == "hypothesis" and self._is_open(response.hypothesis.turn_order):
            return self._partial(response.hypothesis)
        if kind == "utterance_end" and self._is_open(response.utterance_end.turn_order):
            return self._utterance(response.utterance_end)
        if kind == "turn_end" and self._is_open(response.turn_end.turn_order):
            return self._final(response.turn_end)
        return []

    def _is_open(self, turn_order: int) -> bool:
        """Say whether a turn may be spoken of: none before the current one; a later one takes its place."""
        if turn_order > self._turn_order:
            self._begin_turn(turn_order)
        return turn_order == self._turn_order

    def end_open_turn(self) -> list[ServerMessage]:
        """Return the final of the open turn as last heard, for want of the recogniser's own; none without words."""
        last = self._latest
        if not last.words:
            return []
        return self._final(
            asr.TurnEnd(
                turn_order=last.turn_order, words=last.words, end_of_turn_confidence=last.end_of_turn_confidence
            )
        )

    def _partial(self, hypothesis: asr.Hypothesis) -> list[ServerMessage]:
        self._latest = hypothesis
        if not hypothesis.words or not self.rules.include_partial_turns:
            return []
        pro = self.rules.turn_style is TurnStyle.PRO
        self._heard = hypothesis
        finals = 0 if pro or self.rules.redaction is not None else _leading_finals(hypothesis.words)
        reported = tuple(_word(word, is_final=number < finals) for number, word in enumerate(hypothesis.words))
        self._words = _continued(_settled(self._words), reported)
        words = self._protected(self._words)
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
        heard = self._heard.words[: end.end_word]
        if self.rules.turn_style is TurnStyle.PRO or self.rules.redaction is not None or not heard:
            return []
        words = self._protected(self._words)
        utterance = _joined([word for word in words if self._delivered_ms < word.end <= heard[-1].end_ms])
        if not utterance:
            return []
        self._delivered_ms = heard[-1].end_ms
        code, confidence = self._language_members()
        return [
            Turn(
                turn_order=end.turn_order,
                turn_is_formatted=False,
                end_of_turn=False,
                transcript=_joined([word for word in words if word.word_is_final]),
                utterance=utterance,
                end_of_turn_confidence=_rounded(self._heard.end_of_turn_confidence),
                words=words,
                language_code=code,
                language_confidence=confidence,
            )
        ]

    def _final(self, end: asr.TurnEnd) -> list[ServerMessage]:
        pro = self.rules.turn_style is TurnStyle.PRO
        formatted = pro or self.rules.format_turns
        reported = tuple(_word(word, is_final=True) for word in end.words)
        words = _continued(_settled(self._words), reported, rewritten=True)
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
        # A turn in which nothing was said is no turn for the client.
        messages = [*self._take_onset(), final] if words else []
        self.finished_turns += bool(words)
        self._onset = None
        self._begin_turn(end.turn_order + 1)
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


def _leading_finals(words: Sequence[asr.Word]) -> int:
    """Count the final words before the first that is not."""
    return next((number for number, word in enumerate(words) if not word.is_final), len(words))


def _settled(words: Sequence[TurnWord]) -> tuple[TurnWord, ...]:
    return tuple(word for word in words if word.word_is_final)


def _continued(
    settled: tuple[TurnWord, ...], reported: tuple[TurnWord, ...], *, rewritten: bool = False
) -> tuple[TurnWord, ...]:
    """Return the words a recogniser reports for a turn, with those the client has as final in front, unchanged.

    Args:
        settled: words sent as final.
        reported: the whole turn as the recogniser sees it now, perhaps with other words in their place.
        rewritten: take its case and punctuation for the settled words too, as at the end of a turn.
    """
    if not settled:
        return reported
    again = reported[: len(settled)]
    if [_letters(word.text) for word in again] == [_letters(word.text) for word in settled]:
        if rewritten:
            settled = tuple(
                msgspec.structs.replace(old, text=new.text) for old, new in zip(settled, again, strict=True)
            )
        rest = reported[len(settled) :]
    else:
        rest = tuple(word for word in reported if _is_after(word, settled[-1]))
    from_ms = settled[-1].end
    return settled + tuple(
        msgspec.structs.replace(word, start=max(word.start, from_ms), end=max(word.end, from_ms)) for word in rest
    )


def _is_after(word: TurnWord, last: TurnWord) -> bool:
    """Say whether a word follows another rather than taking its place: times of the same sound differ a little."""
    overlap = last.end - max(word.start, last.start)
    shorter = min(word.end - word.start, last.end - last.start)
    return word.start >= last.end or (word.end > last.end and 2 * overlap < shorter)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _joined(words: Sequence[TurnWord]) -> str:
    return " ".join(word.text for word in words)


def _rounded(value: float) -> float:
    """Return a confidence as it is sent: 0..1, whatever the recogniser made of it; what is no number is 0."""
    return round(min(value, 1.0), CONFIDENCE_DIGITS) if value > 0 else 0.0
