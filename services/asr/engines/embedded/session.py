"""One session of the embedded recogniser: bytes in, events out, no I/O.

All audio is cut again into frames of one length, so that feeds of any size give the same events.
What a turn yields depends on the settings and on the audio since a *reset point*: the end of the
turn before, or a position in the silence before it. A session resumed ``memory_ms`` before a reset
point (``SpeechActivity.replay_from_ms`` names that position) therefore repeats the turn exactly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec
import numpy as np

from services.asr.endpointing import Endpointer, FrameFacts, TurnClose, TurnPhase
from services.asr.engines.base import (
    BYTES_PER_SAMPLE,
    SAMPLES_PER_MS,
    Closed,
    Event,
    Hypothesis,
    SessionChange,
    SessionSpec,
    SpeechStarted,
    TurnEnd,
    TurnStyle,
    UtteranceEnd,
    Word,
)
from services.asr.engines.embedded.activity import ActivityReport
from services.asr.engines.embedded.decoder import TurnDecoder
from services.asr.engines.embedded.detector import FrameClassifier, FrameReading, SpeechDetector
from services.asr.engines.embedded.gate import Samples, SpeechGate
from services.asr.partials import PartialCadence

PRE_ROLL_MS = 300
IDLE_RESET_MS = 3_000
# Silence costs the decoder as much as speech and adds nothing; what follows this much of it waits
# until somebody speaks again, and is dropped when the turn ends first.
SEARCHED_SILENCE_MS = 320
# In a longer pause the decoder makes up its mind about what was said so far, for good: the words are final
# and their utterance is over. Its last pass takes up to a second in a long turn, which nobody should wait
# for when the turn ends.
UTTERANCE_SILENCE_MS = 400


@dataclass(frozen=True, slots=True)
class _Heard:
    """One frame and what it was taken for."""

    start_ms: int
    pcm16: bytes
    samples: Samples
    reading: FrameReading


@dataclass(slots=True)
class _Turn:
    """The current turn.

    Attributes:
        held: frames not given to the decoder yet: before the gate opens, or silence.
        done_words: words of the utterances before the last pause, all final.
        uttered_words: how many of these were reported as utterances.
        in_pause: the decoder has finished an utterance and not begun another.
        words: all words so far.
        told_words: those of the last hypothesis reported.
    """

    start_ms: int
    audio_start_ms: int
    held: deque[bytes]
    done_words: tuple[Word, ...] = ()
    uttered_words: int = 0
    in_pause: bool = False
    probabilities: list[float] = field(default_factory=list)
    words: tuple[Word, ...] = ()
    told_words: tuple[Word, ...] = ()


class EmbeddedSession:
    """The core of one session; every input returns the events it caused, in order.

    With ``spec.resume`` the first byte fed is the one at ``audio_start_ms``;
    ``suppress_before_ms`` is the ``audio_ms`` of the last turn end reported, 0 when there was none.
    """

    def __init__(self, spec: SessionSpec, detector: SpeechDetector, decoder: TurnDecoder) -> None:
        """Start a session; detector and decoder belong to it until it is closed."""
        detection = spec.turn_detection
        self._frame_ms = detector.frame_samples // SAMPLES_PER_MS
        self._frame_bytes = detector.frame_samples * BYTES_PER_SAMPLE
        self._decoder = decoder
        self._classifier = FrameClassifier(detector, detection.vad_threshold)
        self._gate = SpeechGate(detector.frame_samples)
        self._style = spec.turn_style
        self._endpointer = Endpointer(spec.turn_style, detection)
        self._cadence = PartialCadence(spec.turn_style, detection)
        self._activity = ActivityReport()
        self._onset_frames = detector.onset_frames
        self._onset: deque[bool] = deque(maxlen=detector.onset_window_frames)
        pre_roll_frames = -(-PRE_ROLL_MS // self._frame_ms) + detector.onset_window_frames
        self._history: deque[_Heard] = deque(maxlen=pre_roll_frames)
        self._rest = bytearray()
        self._events: list[Event] = []
        self._turn: _Turn | None = None
        self._turns = 0
        resume = spec.resume
        self._turn_order = resume.turn_order if resume else 0
        self._position_ms = resume.audio_start_ms if resume else 0
        self._turns_ended_ms = resume.suppress_before_ms if resume else 0
        self._listen_from_ms = self._position_ms + (self._classifier.memory_ms if self._position_ms else 0)
        self._listen_from_ms = max(self._listen_from_ms, self._turns_ended_ms)
        self._activity.start_at(self._listen_from_ms)
        self._replay_from_ms = self._position_ms
        self._reset_ms = self._listen_from_ms
        decoder.set_keyterms(spec.keyterms)
        decoder.prepare()

    def feed(self, pcm16: bytes) -> list[Event]:
        """Take the next audio, 16 kHz mono PCM16, an even number of bytes."""
        if self._turn is None:
            self._decoder.prepare()
        self._rest += pcm16
        size = self._frame_bytes
        whole = len(self._rest) - len(self._rest) % size
        audio = bytes(self._rest[:whole])
        del self._rest[:whole]
        for offset in range(0, whole, size):
            self._hear(audio[offset : offset + size])
        return self._take_events()

    def update(self, change: SessionChange) -> None:
        """Apply a change to audio fed from now on: turn detection at once, keyterms from the next turn on."""
        if change.keyterms is not None:
            self._decoder.set_keyterms(change.keyterms)
        if change.turn_detection is not None:
            self._classifier.threshold = change.turn_detection.vad_threshold
            self._endpointer.configure(change.turn_detection)
            self._cadence.configure(change.turn_detection)

    def force_endpoint(self) -> list[Event]:
        """End the open turn at the last whole frame fed; nothing happens without one."""
        self._close(self._endpointer.force(self._position_ms))
        return self._take_events()

    def finish(self) -> list[Event]:
        """End the session; its last event is ``Closed`` with ``engine_cpu_ms`` left 0."""
        if self._turn is not None and self._endpointer.phase is TurnPhase.OPEN and not self._turn.held:
            self._decoder.feed(bytes(self._rest))
        self._position_ms += len(self._rest) // (SAMPLES_PER_MS * BYTES_PER_SAMPLE)
        self._rest.clear()
        self._close(self._endpointer.finish(self._position_ms))
        if self._activity.has_news:
            self._events.append(self._activity.take(self._position_ms, self._replay_from_ms))
        self._events.append(Closed(audio_ms=self._position_ms, turns=self._turns, engine_cpu_ms=0))
        return self._take_events()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _hear(self, pcm16: bytes) -> None:
        samples = np.frombuffer(pcm16, dtype="<i2")
        start_ms = self._position_ms
        self._position_ms += self._frame_ms
        if start_ms < self._listen_from_ms:
            self._warm_up(_Heard(start_ms, pcm16, samples, FrameReading(0.0, 0.0, is_speech=False)))
            return
        reading = self._classifier.receive(samples)
        heard = _Heard(start_ms, pcm16, samples, reading)
        self._history.append(heard)
        report_is_due = self._activity.receive(start_ms, self._position_ms, reading.probability, reading.is_speech)
        if self._turn is None:
            self._wait_for_onset(reading.is_speech)
        else:
            self._continue_turn(self._turn, heard)
        if report_is_due:
            self._events.append(self._activity.take(self._position_ms, self._replay_from_ms))

    def _warm_up(self, heard: _Heard) -> None:
        self._classifier.warm_up(heard.samples)
        if heard.start_ms >= self._turns_ended_ms:
            self._history.append(heard)
        if self._position_ms >= self._listen_from_ms:
            self._reset()

    def _wait_for_onset(self, is_speech: bool) -> None:
        self._onset.append(is_speech)
        if sum(self._onset) >= self._onset_frames:
            self._begin_turn()
        elif not is_speech and self._position_ms - self._reset_ms >= IDLE_RESET_MS:
            self._reset()

    def _begin_turn(self) -> None:
        onset = list(self._history)[-len(self._onset) :]
        onset = onset[self._onset.index(True) :]
        start_ms = onset[0].start_ms
        audio = [heard for heard in self._history if heard.start_ms >= start_ms - PRE_ROLL_MS]
        self._turn = _Turn(start_ms, audio[0].start_ms, deque(heard.pcm16 for heard in audio))
        self._gate.reset()
        for heard in onset:
            self._judge_sound(self._turn, heard)
        speech_ms = sum(self._onset) * self._frame_ms
        self._endpointer.begin(start_ms, self._position_ms, speech_ms)
        self._cadence.begin(start_ms)

    def _judge_sound(self, turn: _Turn, heard: _Heard) -> None:
        if heard.reading.is_speech and not self._gate.is_open:
            turn.probabilities.append(heard.reading.probability)
            self._gate.receive(heard.samples, heard.reading.level_db)

    def _continue_turn(self, turn: _Turn, heard: _Heard) -> None:
        was_open = self._gate.is_open
        self._judge_sound(turn, heard)
        turn.held.append(heard.pcm16)
        if self._gate.is_open:
            if not was_open:
                self._open_turn(turn)
            silence_ms = 0 if heard.reading.is_speech else self._endpointer.silence_ms(self._position_ms)
            if silence_ms <= SEARCHED_SILENCE_MS:
                self._decode_held(turn)
            elif silence_ms >= UTTERANCE_SILENCE_MS:
                self._pause(turn)
        facts = FrameFacts(
            end_ms=self._position_ms,
            speech_ms=self._frame_ms if heard.reading.is_speech else 0,
            is_confirmed=self._gate.is_open,
            # Without words yet there may still be some: the last pass decides.
            has_words=True if turn.words else None,
            last_word=turn.words[-1].text if turn.words else "",
        )
        close = self._endpointer.receive(facts)
        if close is not None:
            self._close(close)
        else:
            self._tell(turn)

    def _open_turn(self, turn: _Turn) -> None:
        self._events.append(
            SpeechStarted(
                turn_order=self._turn_order,
                start_ms=turn.start_ms,
                confidence=sum(turn.probabilities) / len(turn.probabilities),
            )
        )
        self._decoder.begin(turn.audio_start_ms)

    def _decode_held(self, turn: _Turn) -> None:
        if turn.in_pause:
            self._decoder.resume(self._position_ms - len(turn.held) * self._frame_ms)
            turn.in_pause = False
        has_searched = self._decoder.feed(b"".join(turn.held))
        turn.held.clear()
        if has_searched:
            turn.words = turn.done_words + self._decoder.words()

    def _pause(self, turn: _Turn) -> None:
        if not turn.in_pause:
            turn.in_pause = True
            turn.done_words += self._decoder.finish()
            turn.words = turn.done_words
        while len(turn.held) * self._frame_ms > PRE_ROLL_MS:
            turn.held.popleft()

    def _tell(self, turn: _Turn) -> None:
        text = " ".join(word.text for word in turn.words)
        silence_ms = self._endpointer.silence_ms(self._position_ms)
        if self._cadence.is_due(text, self._position_ms, silence_ms, final_words=len(turn.done_words)):
            turn.told_words = turn.words
            self._events.append(
                Hypothesis(
                    turn_order=self._turn_order,
                    words=turn.words,
                    audio_ms=self._position_ms,
                    end_of_turn_confidence=self._endpointer.confidence(self._position_ms),
                )
            )
        if turn.in_pause and self._style is TurnStyle.UNIVERSAL:
            self._end_utterance(turn)

    def _end_utterance(self, turn: _Turn) -> None:
        """Report the words of the last utterance, once; the turn goes on."""
        words = len(turn.done_words)
        if words > turn.uttered_words:
            self._events.append(
                UtteranceEnd(
                    turn_order=self._turn_order,
                    first_word=turn.uttered_words,
                    end_word=words,
                    audio_ms=self._position_ms,
                )
            )
            turn.uttered_words = words

    def _close(self, close: TurnClose | None) -> None:
        turn, self._turn = self._turn, None
        if turn is None or close is None:
            self._turn = turn
            return
        words: tuple[Word, ...] = ()
        if close.reason is None:
            self._decoder.abandon()
        else:
            last_words = () if turn.in_pause else self._decoder.finish()
            # What a client has read must not vanish.
            words = turn.done_words + last_words or turn.told_words
            words = tuple(_marked(word, is_final=True) for word in words)
        if close.reason is not None and words:
            self._events.append(
                TurnEnd(
                    turn_order=self._turn_order,
                    words=words,
                    reason=close.reason,
                    end_of_turn_confidence=close.confidence,
                    silence_before_end_ms=close.silence_ms,
                    audio_ms=close.end_ms,
                )
            )
            self._turn_order += 1
            self._turns += 1
            self._turns_ended_ms = close.end_ms
            self._history.clear()
        self._reset()

    def _reset(self) -> None:
        """Make this position a reset point."""
        self._classifier.reset()
        self._onset.clear()
        self._reset_ms = self._position_ms
        self._replay_from_ms = max(self._replay_from_ms, self._position_ms - self._classifier.memory_ms)


def _marked(word: Word, *, is_final: bool) -> Word:
    return msgspec.structs.replace(word, is_final=is_final)
