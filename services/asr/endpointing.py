"""Decide where turns end; pure, one set of rules for every engine.

The rules work on audio positions only, so the same audio under the same settings ends at the same
place however it was cut and however fast it came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from services.asr.engines.base import TurnDetection, TurnEndReason, TurnStyle

MIN_SPEECH_MS = 80
LONGEST_TURN_MS = 60_000
PENDING_SILENCE_MS = 700
PENDING_LIMIT_MS = 4_000
# Latin, ideographic, full-width, Arabic and Urdu, Devanagari.
TERMINAL_MARKS = frozenset(".?!。？！؟۔।")
COMMAS = frozenset(",、，،")

# English words after which a sentence goes on. Words that end one as often ("it", "you", "that", "up") are left
# out: there the longer wait would be the rule, not the exception.
_OPEN_WORDS = """
    a an the my your our their its every
    of to from with at by for in on into onto about between through during without toward towards via per
    and or but nor because if unless until while although though whereas than as since whether except
    is are was were am be been being do does did has have had will would can could shall should may might must
    i we they he she who whom whose which where when why
    i'm i'll i've i'd we're we'll we've we'd you're you'll you've you'd they're they'll they've they'd
    he's he'll he'd she's she'll she'd it's it'll that's there's here's who's what's let's
    very um uh er
"""
OPEN_WORDS = frozenset(_OPEN_WORDS.split())
# The end-of-turn score is the logistic function of a sum, as a fitted model would be; the weights are set by hand.
# At a threshold of 0.4 a finished sentence ends a turn at min_turn_silence, any other word at 1.8 times that, and
# an open end at 4.9 times that.
SCORE_BIAS = -4.525
SCORE_TERMINAL = 3.0
SCORE_OPEN = -3.0
SCORE_SILENCE = 4.0  # times ln(1 + silence / min_turn_silence)
SCORE_BLANK_DOUBT = -2.0  # times 1 - the recogniser's mean probability of hearing nothing


class TurnPhase(StrEnum):
    """Where a turn stands.

    ``PENDING`` means that something began which is not known to be speech yet.
    """

    IDLE = "idle"
    PENDING = "pending"
    OPEN = "open"


ALLOWED_MOVES: dict[TurnPhase, frozenset[TurnPhase]] = {
    TurnPhase.IDLE: frozenset({TurnPhase.PENDING}),
    TurnPhase.PENDING: frozenset({TurnPhase.OPEN, TurnPhase.IDLE}),
    TurnPhase.OPEN: frozenset({TurnPhase.IDLE}),
}


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What is known when one frame of a turn's audio has been heard.

    Attributes:
        end_ms: position of the frame's end.
        speech_ms: length of the frame when it is speech, 0 when it is silence.
        is_confirmed: the turn is speech for certain; once true it stays so for the turn.
        has_words: None when the engine cannot tell before its last pass over the turn.
        score: the engine's own end-of-turn score, 0..1; None when it has none.
        last_word: how the text so far ends, with its punctuation; "" while there is none.
        blank_probability: mean probability over the silence that nothing is said, of an engine that knows.
    """

    end_ms: int
    speech_ms: int
    is_confirmed: bool = True
    has_words: bool | None = None
    score: float | None = None
    last_word: str = ""
    blank_probability: float | None = None


@dataclass(frozen=True, slots=True)
class TurnClose:
    """A turn is over.

    Attributes:
        reason: None when the turn is dropped without a report.
        silence_ms: silence at its end.
        confidence: the end-of-turn score there, 0..1.
    """

    reason: TurnEndReason | None
    start_ms: int
    end_ms: int
    silence_ms: int
    confidence: float = 0.0


def ends_sentence(text: str) -> bool:
    """Tell whether a text ends with a terminal mark, trailing spaces aside."""
    return text.rstrip()[-1:] in TERMINAL_MARKS if text.strip() else False


def leaves_open(text: str) -> bool:
    """Tell whether a text ends with a comma or with an English word that asks for another."""
    words = text.split()
    return bool(words) and (words[-1][-1] in COMMAS or words[-1].lower() in OPEN_WORDS)


def end_of_turn_score(
    last_word: str, silence_ms: int, min_silence_ms: int, blank_probability: float | None = None
) -> float:
    """Return how likely a turn is over, 0..1, from how its text ends and how long it has been silent.

    Args:
        last_word: end of the text, with its punctuation; without any the score is 0.
        silence_ms: silence since the last speech.
        min_silence_ms: ``min_turn_silence``, at least 1.
        blank_probability: mean probability over the silence that nothing is said; None where nobody knows.
    """
    if not last_word.strip():
        return 0.0
    total = SCORE_BIAS + SCORE_SILENCE * math.log1p(silence_ms / min_silence_ms)
    if ends_sentence(last_word):
        total += SCORE_TERMINAL
    elif leaves_open(last_word):
        total += SCORE_OPEN
    if blank_probability is not None:
        total += SCORE_BLANK_DOUBT * (1 - blank_probability)
    return 1 / (1 + math.exp(-total))


class Endpointer:
    """The state of one session's current turn.

    An engine calls ``begin`` at an onset and then ``receive`` for every frame until a
    ``TurnClose`` comes back.
    """

    def __init__(self, style: TurnStyle, detection: TurnDetection) -> None:
        """Start without a turn."""
        self._style = style
        self._phase = TurnPhase.IDLE
        self._start_ms = 0
        self._speech_end_ms = 0
        self._speech_ms = 0
        self._latest: FrameFacts | None = None
        self.configure(detection)

    @property
    def phase(self) -> TurnPhase:
        """Where the current turn stands."""
        return self._phase

    def confidence(self, at_ms: int) -> float:
        """Return the end-of-turn score of the current turn at a position: the engine's own, or ours, 0..1."""
        latest = self._latest
        if latest is None:
            return 0.0
        if latest.score is not None:
            return latest.score
        return end_of_turn_score(
            latest.last_word, self.silence_ms(at_ms), self._min_silence_ms, latest.blank_probability
        )

    def configure(self, detection: TurnDetection) -> None:
        """Use other thresholds from the next frame on; a minimum above the maximum raises the maximum."""
        self._threshold = detection.end_of_turn_confidence_threshold
        self._min_silence_ms = max(1, detection.min_turn_silence_ms)
        self._max_silence_ms = max(detection.min_turn_silence_ms, detection.max_turn_silence_ms)

    def begin(self, start_ms: int, speech_end_ms: int, speech_ms: int) -> None:
        """Open a pending turn.

        Args:
            start_ms: onset of the speech.
            speech_end_ms: end of its last speech frame so far.
            speech_ms: speech heard since the onset.
        """
        self._move(TurnPhase.PENDING)
        self._start_ms = start_ms
        self._speech_end_ms = speech_end_ms
        self._speech_ms = speech_ms
        self._latest = None

    def silence_ms(self, at_ms: int) -> int:
        """Return how long it has been silent at a position of the current turn."""
        return max(0, at_ms - self._speech_end_ms)

    def receive(self, frame: FrameFacts) -> TurnClose | None:
        """Take the next frame of the current turn; say whether the turn is over with it."""
        if self._phase is TurnPhase.IDLE:
            return None
        if frame.speech_ms:
            self._speech_ms += frame.speech_ms
            self._speech_end_ms = frame.end_ms
        self._latest = frame
        if self._phase is TurnPhase.PENDING:
            if not frame.is_confirmed:
                return self._judge_pending(frame.end_ms)
            self._move(TurnPhase.OPEN)
        return self._judge_open(frame)

    def force(self, at_ms: int) -> TurnClose | None:
        """End the open turn here because the client asked; None when no turn is open."""
        return self._close(TurnEndReason.FORCED, at_ms) if self._phase is TurnPhase.OPEN else None

    def finish(self, at_ms: int) -> TurnClose | None:
        """End the session's last turn; one that is still pending is dropped."""
        if self._phase is TurnPhase.IDLE:
            return None
        return self._close(TurnEndReason.FINISH if self._phase is TurnPhase.OPEN else None, at_ms)

    def _judge_pending(self, at_ms: int) -> TurnClose | None:
        if self.silence_ms(at_ms) >= PENDING_SILENCE_MS or at_ms - self._start_ms >= PENDING_LIMIT_MS:
            return self._close(None, at_ms)
        return None

    def _judge_open(self, frame: FrameFacts) -> TurnClose | None:
        silence_ms = self.silence_ms(frame.end_ms)
        can_end = frame.has_words is not False and self._speech_ms >= MIN_SPEECH_MS
        if silence_ms >= self._max_silence_ms:
            return self._close(TurnEndReason.SILENCE if can_end else None, frame.end_ms)
        if frame.end_ms - self._start_ms >= LONGEST_TURN_MS:
            return self._close(TurnEndReason.LIMIT if can_end else None, frame.end_ms)
        if silence_ms >= self._min_silence_ms and can_end:
            early = self._early_reason(frame)
            if early is not None:
                return self._close(early, frame.end_ms)
        return None

    def _early_reason(self, frame: FrameFacts) -> TurnEndReason | None:
        if self._style is TurnStyle.PRO:
            return TurnEndReason.PUNCTUATION if ends_sentence(frame.last_word) else None
        if self._threshold <= 0 or self.confidence(frame.end_ms) > self._threshold:
            return TurnEndReason.CONFIDENCE
        return None

    def _close(self, reason: TurnEndReason | None, at_ms: int) -> TurnClose:
        self._move(TurnPhase.IDLE)
        return TurnClose(reason, self._start_ms, at_ms, self.silence_ms(at_ms), self.confidence(at_ms))

    def _move(self, phase: TurnPhase) -> None:
        assert phase in ALLOWED_MOVES[self._phase], f"{self._phase} -> {phase}"
        self._phase = phase
