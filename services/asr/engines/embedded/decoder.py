"""One turn through pocketsphinx: whole-turn cepstral mean, partial words, final words.

The model was trained on features with the mean of the whole utterance removed. Fed in pieces the
decoder subtracts a running mean that hardly moves for eight seconds, which doubles the word error
rate. So the beginning of a turn is held back, measured in a pass with a trivial search, and searched
with its own mean; from then on the mean of the turn so far is set again after every block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pocketsphinx import Decoder

from services.asr.engines.base import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, SAMPLES_PER_MS, Word

HOLD_MS = 1_000
BLOCK_MS = 100  # a whole number of decoder frames
DECODER_FRAME_MS = 10
CEPSTRA = 13
ANALYSIS_WINDOW_SAMPLES = 410
# Weight, in frames, the decoder gives to a mean that was set (cmn_live.c, CMN_WIN).
SET_MEAN_WEIGHT = 500
# The decoder gives posteriors only after its last pass; until then a word is as likely right as wrong.
PARTIAL_CONFIDENCE = 0.5
WARM_UP_S = 1

_MEAN_SEARCH = "mean"
_WORD_SEARCH = "_default"

Mean = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Sum:
    """Cepstra added up: the mean of some frames and how many they were."""

    mean: Mean
    frames: int

    def plus(self, other: _Sum) -> _Sum:
        frames = self.frames + other.frames
        if not frames:
            return self
        return _Sum((self.mean * self.frames + other.mean * other.frames) / frames, frames)


_NOTHING = _Sum(np.zeros(CEPSTRA), 0)


class TurnDecoder:
    """A decoder that takes one turn after another; what a turn yields depends on its audio alone."""

    def __init__(self) -> None:
        """Load the model (0.5 s, 100 MB) and run it once, so that a fork shares all of it."""
        self._decoder = Decoder(
            samprate=SAMPLE_RATE_HZ, fwdflat=False, topn=4, pl_window=10, maxhmmpf=5000, loglevel="FATAL"
        )
        self._decoder.add_keyphrase(_MEAN_SEARCH, "oh mighty computer")
        self.begin(0)
        noise = np.random.default_rng(0).normal(0, 100, WARM_UP_S * SAMPLE_RATE_HZ)
        self.feed(noise.astype("<i2").tobytes())
        self.finish()

    def begin(self, audio_start_ms: int) -> None:
        """Start a turn whose audio begins at a position of the session."""
        self._audio_start_ms = audio_start_ms
        self._waiting = bytearray()
        self._is_searching = False
        self._total = _NOTHING

    def resume(self, audio_start_ms: int) -> None:
        """Go on with the turn after ``finish``, at a later position; its mean so far is used if it is reliable."""
        total = self._total
        self.begin(audio_start_ms)
        if total.frames >= HOLD_MS // DECODER_FRAME_MS:
            self._total = total
            self._begin_search(total.mean)

    def feed(self, pcm16: bytes) -> bool:
        """Take the next audio of the turn; return whether it was searched, which happens in blocks."""
        self._waiting += pcm16
        if not self._is_searching:
            if len(self._waiting) < _bytes(HOLD_MS):
                return False
            self._start_search()
            return True
        block = _bytes(BLOCK_MS)
        has_searched = False
        while len(self._waiting) >= block:
            self._search(bytes(self._waiting[:block]))
            del self._waiting[:block]
            has_searched = True
        return has_searched

    def words(self) -> tuple[Word, ...]:
        """Return the words so far; none is final."""
        return self._segments(is_final=False) if self._is_searching else ()

    def finish(self) -> tuple[Word, ...]:
        """Search what is left, end the turn and return its final words, possibly none."""
        if not self._is_searching:
            if not self._waiting:
                return ()
            self._start_search()
        if self._waiting:
            self._search(bytes(self._waiting))
            self._waiting.clear()
        self._decoder.end_utt()
        words = self._segments(is_final=True)
        self._is_searching = False
        return words

    def abandon(self) -> None:
        """End the turn without a result."""
        if self._is_searching:
            self._decoder.end_utt()
            self._is_searching = False
        self._waiting.clear()

    def _start_search(self) -> None:
        held = bytes(self._waiting)
        self._waiting.clear()
        self._decoder.reinit_feat()
        self._set_mean = _parse_mean(self._decoder.get_cmn())
        self._decoder.activate_search(_MEAN_SEARCH)
        self._decoder.start_utt()
        self._decoder.process_raw(held)
        start = self._measured(_frames_with_sound(held))
        self._decoder.end_utt()
        self._decoder.activate_search(_WORD_SEARCH)
        self._begin_search(start.mean)
        self._decoder.process_raw(held)
        self._frames_since_mean = _frames_with_sound(held)
        self._refresh_mean()

    def _begin_search(self, mean: Mean) -> None:
        # In this order a used decoder gives exactly what a fresh one gives.
        self._decoder.reinit_feat()
        self._apply(mean)
        self._is_searching = True
        self._decoder.start_utt()

    def _search(self, block: bytes) -> None:
        self._decoder.process_raw(block)
        self._frames_since_mean += _frames_with_sound(block, overlapping=True)
        self._refresh_mean()

    def _refresh_mean(self) -> None:
        self._total = self._total.plus(self._measured(self._frames_since_mean))
        if self._total.frames:
            self._apply(self._total.mean)

    def _measured(self, frames: int) -> _Sum:
        """Return the plain mean of the frames since a mean was set, undoing that mean's weight."""
        if not frames:
            return _Sum(self._set_mean, 0)
        mixed = _parse_mean(self._decoder.get_cmn(True))
        return _Sum(((SET_MEAN_WEIGHT + frames) * mixed - SET_MEAN_WEIGHT * self._set_mean) / frames, frames)

    def _apply(self, mean: Mean) -> None:
        text = ",".join(f"{value:.6g}" for value in mean)
        self._decoder.set_cmn(text)
        self._set_mean = _parse_mean(text)
        self._frames_since_mean = 0

    def _segments(self, *, is_final: bool) -> tuple[Word, ...]:
        words = []
        for segment in self._decoder.seg() or ():
            text = _plain(segment.word)
            if text:
                start_ms = self._audio_start_ms + segment.start_frame * DECODER_FRAME_MS
                end_ms = self._audio_start_ms + (segment.end_frame + 1) * DECODER_FRAME_MS
                confidence = min(1.0, max(0.0, segment.prob)) if is_final else PARTIAL_CONFIDENCE
                words.append(
                    Word(text=text, start_ms=start_ms, end_ms=end_ms, confidence=confidence, is_final=is_final)
                )
        return tuple(words)


def _plain(token: str) -> str:
    """Return a dictionary entry as a word: no marker, no number of a pronunciation."""
    if token.startswith(("<", "[", "+")):
        return ""
    return token.partition("(")[0].lower()


def _bytes(duration_ms: int) -> int:
    return duration_ms * SAMPLES_PER_MS * BYTES_PER_SAMPLE


def _parse_mean(text: str) -> Mean:
    return np.array([float(value) for value in text.split(",")])


def _frames_with_sound(pcm16: bytes, *, overlapping: bool = False) -> int:
    """Count analysis frames that are not digital silence; the decoder leaves those out of its mean.

    Args:
        overlapping: the audio continues earlier audio, so that every step makes a frame.
    """
    samples = np.frombuffer(pcm16, dtype="<i2")
    step = DECODER_FRAME_MS * SAMPLES_PER_MS
    tail = 0 if overlapping else ANALYSIS_WINDOW_SAMPLES - step
    count = max(0, len(samples) - tail) // step
    return int(np.count_nonzero(samples[: count * step].reshape(count, step).any(axis=1)))
