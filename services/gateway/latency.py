"""How long after somebody spoke the words were out; sans-I/O.

Positions of session audio and the clock meet in the offsets of received frames: audio at position p was
received at p + offset. For a client in real time the offset hardly changes, so few are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protos import asr_v1_pb2 as asr

# A steady client's frames come this evenly; larger changes are kept.
OFFSET_TOLERANCE_MS = 25
MAX_OFFSETS = 64


@dataclass(frozen=True, slots=True)
class PartialSent:
    """Text of an open turn went out.

    Attributes:
        latency_ms: since its newest audio was received.
        first_latency_ms: since the onset of the turn was received; None when it is not the turn's first text.
    """

    latency_ms: int
    first_latency_ms: int | None


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The final text of a turn went out.

    Attributes:
        latency_ms: since the end of its last word was received.
        words: how many it has.
    """

    latency_ms: int
    words: int


Measurement = PartialSent | TurnEnded


class LatencyWatch:
    """Latencies of one session.

    Attributes:
        first_partial_ms: of the latest turn that had a partial; None before.
        turn_ms: of the latest turn that ended; None before.
    """

    def __init__(self) -> None:
        """Start before any audio."""
        self.first_partial_ms: int | None = None
        self.turn_ms: int | None = None
        self._offsets: list[tuple[float, float]] = []
        self._onset_ms: int | None = None
        self._open_turn = -1

    def receive_audio(self, start_ms: float, end_ms: float, now_ms: int) -> None:
        """Take a frame that holds the audio between two positions."""
        offset = now_ms - end_ms
        if not self._offsets or abs(offset - self._offsets[-1][1]) > OFFSET_TOLERANCE_MS:
            del self._offsets[: max(0, len(self._offsets) + 1 - MAX_OFFSETS)]
            self._offsets.append((start_ms, offset))

    def receive_onset(self, start_ms: int) -> None:
        """Take the position at which a turn's speech began."""
        self._onset_ms = start_ms

    def send_partial(self, hypothesis: asr.Hypothesis, now_ms: int) -> PartialSent:
        """Return the latencies of a hypothesis that goes out now."""
        first_ms = None
        if hypothesis.turn_order != self._open_turn:
            self._open_turn = hypothesis.turn_order
            onset_ms = hypothesis.words[0].start_ms if self._onset_ms is None else self._onset_ms
            first_ms = self.first_partial_ms = self._since(onset_ms, now_ms)
        return PartialSent(self._since(hypothesis.audio_ms, now_ms), first_ms)

    def send_final(self, words: Sequence[asr.Word], now_ms: int) -> TurnEnded:
        """Return the latency of a final turn that goes out now; it has words."""
        self.turn_ms = self._since(words[-1].end_ms, now_ms)
        self._onset_ms = None
        return TurnEnded(self.turn_ms, len(words))

    def _since(self, position_ms: int, now_ms: int) -> int:
        """Return the time since a position was received; the oldest offset stands for all before it."""
        offset = self._offsets[0][1] if self._offsets else 0.0
        for start_ms, later_offset in self._offsets:
            if start_ms > position_ms:
                break
            offset = later_offset
        return max(0, round(now_ms - position_ms - offset))
