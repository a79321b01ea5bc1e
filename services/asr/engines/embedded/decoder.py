"""One turn through pocketsphinx: whole-turn cepstral mean, partial words, final words.

The model was trained on features with the mean of the whole utterance removed. Fed in pieces the
decoder subtracts a running mean that hardly moves for eight seconds, which doubles the word error
rate. So the beginning of a turn is held back, measured in a pass with a trivial search, and searched
with its own mean; from then on the mean of the turn so far is set again after every block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from pocketsphinx import Decoder, NGramModel, get_model_path

from services.asr.engines.base import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, SAMPLES_PER_MS, Word
from services.asr.engines.embedded.keyterms import Entry, Share, TermBook
from services.asr.engines.embedded.pronunciation import Phones, Pronouncer, read_rules

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

LANGUAGE_MODEL = "en-us/en-us.lm.bin"
# How likely an entry of a keyterm is, as a multiple of an even share among all words of the language model.
KEYTERM_WEIGHT = 100.0

_MEAN_SEARCH = "mean"
_WORD_SEARCH = "words"
_NO_WORD = "="  # stands for any word the language model lacks

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
            lm=None, samprate=SAMPLE_RATE_HZ, fwdflat=False, topn=4, pl_window=10, maxhmmpf=5000, loglevel="FATAL"
        )
        self._decoder.add_keyphrase(_MEAN_SEARCH, "oh mighty computer")
        self._model = self._read_model()
        self._impossible = self._model.prob([_NO_WORD])
        self._decoder.add_lm(_WORD_SEARCH, self._model)
        self._pronouncer = Pronouncer(self._lookup, read_rules(), self._knows)
        self._book = TermBook((), self._pronouncer, self._knows)
        self._next_terms: tuple[str, ...] | None = None
        self.begin(0)
        noise = np.random.default_rng(0).normal(0, 100, WARM_UP_S * SAMPLE_RATE_HZ)
        self.feed(noise.astype("<i2").tobytes())
        self.finish()

    def set_keyterms(self, terms: tuple[str, ...]) -> None:
        """Listen for these terms and no others from the next turn on."""
        self._next_terms = terms

    def prepare(self) -> None:
        """Do now, between two turns, what a change of the keyterms takes (0.15 s); else the next turn does it."""
        terms, self._next_terms = self._next_terms, None
        if terms is None:
            return
        book = TermBook(terms, self._pronouncer, self._knows)
        if tuple(book.entries) != tuple(self._book.entries):
            self._search_for(book.entries.values())
        self._book = book

    def begin(self, audio_start_ms: int) -> None:
        """Start a turn whose audio begins at a position of the session."""
        self.prepare()
        self._start_turn(audio_start_ms)

    def _start_turn(self, audio_start_ms: int) -> None:
        self._audio_start_ms = audio_start_ms
        self._waiting = bytearray()
        self._is_searching = False
        self._total = _NOTHING

    def resume(self, audio_start_ms: int) -> None:
        """Go on with the turn after ``finish``, at a later position; its mean so far is used if it is reliable."""
        total = self._total
        self._start_turn(audio_start_ms)
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

    def _read_model(self) -> NGramModel:
        return NGramModel(self._decoder.config, self._decoder.get_logmath(), get_model_path(LANGUAGE_MODEL))

    def _search_for(self, entries: Iterable[Entry]) -> None:
        """Build the search for words again, with these entries beside the words of the language model.

        Dictionary and language model only ever grow. A former entry may stay in the dictionary, where it is not
        heard without a place in the model; a model that has one is read again.
        """
        self._decoder.activate_search(_MEAN_SEARCH)
        self._decoder.remove_search(_WORD_SEARCH)
        if self._book.entries:
            self._model = self._read_model()
        for entry in entries:
            if self._decoder.lookup_word(entry.name) is None:
                self._decoder.add_word(entry.name, " ".join(entry.phones), False)
            self._model.add_word(entry.name, KEYTERM_WEIGHT)
        self._decoder.add_lm(_WORD_SEARCH, self._model)

    def _lookup(self, word: str) -> list[Phones]:
        """Return the pronunciations of a lower-case word in the dictionary, commonest first."""
        found: list[Phones] = []
        while phones := self._decoder.lookup_word(f"{word}({len(found) + 1})" if found else word):
            found.append(tuple(phones.split()))
        return found

    def _knows(self, word: str) -> bool:
        """Say whether a word can be heard without a keyterm."""
        return self._model.prob([word]) != self._impossible and self._decoder.lookup_word(word) is not None

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
        words = [
            Word(
                text=share.text,
                start_ms=self._audio_start_ms + start_ms,
                end_ms=self._audio_start_ms + end_ms,
                confidence=min(1.0, max(0.0, segment.prob)) if is_final else PARTIAL_CONFIDENCE,
                is_final=is_final,
            )
            for segment in self._decoder.seg() or ()
            for share, start_ms, end_ms in self._shares(segment.word, segment.start_frame, segment.end_frame + 1)
        ]
        texts = self._book.spelled([word.text for word in words])
        return tuple(msgspec.structs.replace(word, text=text) for word, text in zip(words, texts, strict=True))

    def _shares(self, token: str, start_frame: int, end_frame: int) -> Iterator[tuple[Share, int, int]]:
        """Yield the words of a token, with their times in the turn in ms: in proportion to their phones."""
        entry = self._book.entries.get(token)
        shares = entry.words if entry else (Share(_plain(token), 1),)
        phones, said = sum(share.phones for share in shares), 0
        frames = end_frame - start_frame
        for share in shares:
            if share.text:
                start, end = (start_frame + frames * count // phones for count in (said, said + share.phones))
                yield share, start * DECODER_FRAME_MS, end * DECODER_FRAME_MS
            said += share.phones


def _plain(token: str) -> str:
    """Return a dictionary entry as a word: no marker, no number of a pronunciation, no full stop."""
    if token.startswith(("<", "[", "+")):
        return ""
    # The dictionary writes letters and titles as "x." and "mr."; a full stop would end a sentence.
    return token.partition("(")[0].removesuffix(".").lower()


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
