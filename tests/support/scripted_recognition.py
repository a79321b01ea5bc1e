"""Stand-ins for the detector and the decoder of the embedded engine, without models."""

from __future__ import annotations

import numpy as np

from services.asr.engines.base import Word


class LoudnessDetector:
    """Speech is whatever is loud: the probability is the frame's peak over 10,000."""

    frame_samples = 512
    onset_frames = 2
    onset_window_frames = 2

    def reset(self) -> None:
        """Nothing is remembered."""

    def probability(self, frame: np.ndarray) -> float:
        """Return the peak of the frame, scaled."""
        return min(1.0, float(np.abs(frame.astype(np.int64)).max()) / 10_000)


class ScriptedDecoder:
    """Says fixed words: some while it listens, others when the turn ends."""

    def __init__(self, partial: tuple[str, ...] = (), final: tuple[str, ...] = ()) -> None:
        """Prepare for any number of turns, all alike."""
        self._partial = partial
        self._final = final
        self.heard = bytearray()
        self.audio_start_ms = -1
        self.keyterms: tuple[str, ...] = ()

    def set_keyterms(self, terms: tuple[str, ...]) -> None:
        """Remember what to listen for."""
        self.keyterms = terms

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def begin(self, audio_start_ms: int) -> None:
        """Start a turn."""
        self.audio_start_ms = audio_start_ms
        self.heard.clear()

    def resume(self, audio_start_ms: int) -> None:
        """Go on after a pause."""
        self.audio_start_ms = audio_start_ms

    def feed(self, pcm16: bytes) -> bool:
        """Take audio; new words may be there after every feed."""
        self.heard += pcm16
        return True

    def words(self) -> tuple[Word, ...]:
        """Return the words of a partial."""
        return self._words(self._partial, is_final=False)

    def finish(self) -> tuple[Word, ...]:
        """Return the final words."""
        return self._words(self._final, is_final=True)

    def abandon(self) -> None:
        """Forget the turn."""

    def _words(self, texts: tuple[str, ...], *, is_final: bool) -> tuple[Word, ...]:
        return tuple(
            Word(
                text=text,
                start_ms=self.audio_start_ms + 300 * number,
                end_ms=self.audio_start_ms + 300 * number + 200,
                confidence=0.9,
                is_final=is_final,
            )
            for number, text in enumerate(texts)
        )
