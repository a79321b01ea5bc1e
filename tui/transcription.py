"""One transcribed recording, without I/O: which turns came, what they say, and how long they took."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import msgspec

from runtime.errors import UpstreamError


class _Word(msgspec.Struct, frozen=True):
    text: str
    start: int
    end: int
    confidence: float = 0.0
    word_is_final: bool = True


class _Turn(msgspec.Struct, frozen=True):
    turn_order: int
    end_of_turn: bool
    transcript: str = ""
    words: tuple[_Word, ...] = ()


class _Begin(msgspec.Struct, frozen=True):
    id: str
    configuration: dict[str, Any] = {}


class _Termination(msgspec.Struct, frozen=True):
    audio_duration_seconds: float
    session_duration_seconds: float


class _Error(msgspec.Struct, frozen=True):
    error_code: int
    error: str


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times are milliseconds of audio from the start of the recording."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One finished turn.

    Attributes:
        first_text_ms: from sending the first word's start to the turn's first text; None when unknown.
        final_ms: from sending the last word's end to the final text; None when unknown.
    """

    order: int
    text: str
    words: tuple[Word, ...]
    first_text_ms: int | None = None
    final_ms: int | None = None

    @property
    def start_ms(self) -> int:
        """Where its first word starts; 0 without words."""
        return self.words[0].start_ms if self.words else 0

    @property
    def end_ms(self) -> int:
        """Where its last word ends; 0 without words."""
        return self.words[-1].end_ms if self.words else 0


@dataclass(frozen=True, slots=True)
class Began:
    """The gateway took the session; ``model`` is the name it echoes, empty when it names none."""

    session_id: str
    model: str


@dataclass(frozen=True, slots=True)
class PartialText:
    """What the open turn says so far; it may still change."""

    order: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """A turn is final."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway ended the session with an error."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Terminated:
    """The session ended as asked."""

    audio_s: float


Output = Began | PartialText | TurnEnded | Refused | Terminated


@dataclass(slots=True)
class _OpenTurn:
    text: str = ""
    first_text_ms: int | None = None
    first_seen: bool = False


@dataclass(slots=True)
class _Sent:
    """When each block of audio left: parallel lists of its end in the audio and the time of sending."""

    ends_ms: list[float] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)

    def time_of(self, audio_ms: int) -> int | None:
        """Return when the block that holds a moment of the audio was sent; None before any was."""
        if not self.times_ms:
            return None
        return self.times_ms[min(bisect_left(self.ends_ms, audio_ms), len(self.times_ms) - 1)]


class Transcription:
    """Collect what a session says about one recording.

    Times given as ``now_ms`` are of one monotonic clock; the class itself reads none.
    """

    def __init__(self) -> None:
        """Start before Begin."""
        self.session_id = ""
        self.model = ""
        self.is_over = False
        self._sent = _Sent()
        self._open: dict[int, _OpenTurn] = {}
        self._turns: dict[int, Turn] = {}
        self._output: list[Output] = []

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Finished turns in order."""
        return tuple(self._turns[order] for order in sorted(self._turns))

    @property
    def text(self) -> str:
        """All finished turns as one text."""
        return " ".join(turn.text for turn in self.turns if turn.text)

    def note_sent(self, audio_end_ms: float, now_ms: int) -> None:
        """Remember that the audio up to a moment has been sent."""
        self._sent.ends_ms.append(audio_end_ms)
        self._sent.times_ms.append(now_ms)

    def receive(self, raw: str | bytes, now_ms: int) -> None:
        """Take one message of the gateway; types unknown here are passed over.

        Raises:
            UpstreamError: it is not a message of the protocol.
        """
        try:
            message = msgspec.json.decode(raw)
            kind = message.get("type") if isinstance(message, dict) else None
            match kind:
                case "Begin":
                    self._begin(msgspec.convert(message, _Begin))
                case "Turn":
                    self._turn(msgspec.convert(message, _Turn), now_ms)
                case "Termination":
                    self.is_over = True
                    ended = msgspec.convert(message, _Termination)
                    self._output.append(Terminated(ended.audio_duration_seconds))
                case "Error":
                    self.is_over = True
                    error = msgspec.convert(message, _Error)
                    self._output.append(Refused(error.error_code, error.error))
                case None:
                    raise UpstreamError("the gateway sent a message without a type")
        except msgspec.MsgspecError as error:
            raise UpstreamError(f"the gateway sent a message that breaks the protocol: {error}") from error

    def take_output(self) -> list[Output]:
        """Return what happened since the last call, in order."""
        output, self._output = self._output, []
        return output

    def _begin(self, message: _Begin) -> None:
        self.session_id = message.id
        self.model = str(message.configuration.get("model") or "")
        self._output.append(Began(self.session_id, self.model))

    def _turn(self, message: _Turn, now_ms: int) -> None:
        # `transcript` of a partial holds final words only; what a reader wants to see are all of them.
        words = " ".join(word.text for word in message.words)
        text = message.transcript if message.end_of_turn else (words or message.transcript)
        turn = self._open.setdefault(message.turn_order, _OpenTurn())
        if text and not turn.first_seen:
            turn.first_seen = True
            # A moment after the start: a block ends where the next one's first sample begins.
            turn.first_text_ms = self._since_sent(message.words[0].start + 1 if message.words else None, now_ms)
        if message.end_of_turn:
            self._end_turn(message, turn, now_ms)
        elif text != turn.text:
            turn.text = text
            self._output.append(PartialText(message.turn_order, text))

    def _end_turn(self, message: _Turn, open_turn: _OpenTurn, now_ms: int) -> None:
        words = tuple(Word(word.text, word.start, word.end, word.confidence) for word in message.words)
        known = self._turns.get(message.turn_order)
        if known is not None:
            # The formatted twin of a final: better text, but no news about time.
            self._turns[message.turn_order] = replace(known, text=message.transcript, words=words or known.words)
            return
        final_ms = self._since_sent(words[-1].end_ms if words else None, now_ms)
        turn = Turn(message.turn_order, message.transcript, words, open_turn.first_text_ms, final_ms)
        self._turns[message.turn_order] = turn
        self._output.append(TurnEnded(turn))

    def _since_sent(self, audio_ms: int | None, now_ms: int) -> int | None:
        sent_ms = None if audio_ms is None else self._sent.time_of(audio_ms)
        return None if sent_ms is None else max(0, now_ms - sent_ms)


@dataclass(frozen=True, slots=True)
class Timing:
    """Latency of one recording; milliseconds, None when nothing was said or audio was not sent at real time.

    Attributes:
        first_partial_ms: from sending the first word's start to the first text.
        final_median_ms: from sending a turn's last word to its final text, over turns.
        final_max_ms: the slowest of them.
    """

    first_partial_ms: int | None = None
    final_median_ms: int | None = None
    final_max_ms: int | None = None


def timing_of(turns: tuple[Turn, ...]) -> Timing:
    """Return the latency of finished turns."""
    finals = [turn.final_ms for turn in turns if turn.final_ms is not None]
    first = next((turn.first_text_ms for turn in turns if turn.first_text_ms is not None), None)
    if not finals:
        return Timing(first_partial_ms=first)
    return Timing(first, round(median(finals)), max(finals))
