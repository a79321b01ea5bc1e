"""The frame detector and what is made of its probabilities."""

from __future__ import annotations

import numpy as np

from services.asr.engines.embedded.detector import FrameClassifier

FRAME_SAMPLES = 512


class FixedDetector:
    """Gives one probability after another."""

    frame_samples = FRAME_SAMPLES
    onset_frames = 2
    onset_window_frames = 2

    def __init__(self, *probabilities: float) -> None:
        self._probabilities = iter(probabilities)

    def reset(self) -> None:
        """Nothing is remembered."""

    def probability(self, _frame: np.ndarray) -> float:
        return next(self._probabilities)


def speech_flags(threshold: float, *probabilities: float, amplitude: int = 5_000) -> list[bool]:
    """Return what loud frames of these probabilities are taken for."""
    classifier = FrameClassifier(FixedDetector(*probabilities), threshold)
    frame = np.full(FRAME_SAMPLES, amplitude, "<i2")
    return [classifier.receive(frame).is_speech for _ in probabilities]


def test_classifier_frame_at_threshold_is_speech():
    """Frames below the threshold are silence."""
    assert speech_flags(0.4, 0.39, 0.4) == [False, True]


def test_classifier_after_speech_a_little_less_is_enough():
    """0.15 below the threshold ends it, and then the full threshold counts again."""
    assert speech_flags(0.4, 0.5, 0.26, 0.24, 0.3) == [True, True, False, False]


def test_classifier_low_threshold_keeps_a_lower_edge():
    """The lower edge never falls under 0.01."""
    assert speech_flags(0.1, 0.2, 0.011, 0.009) == [True, True, False]


def test_classifier_quiet_frame_is_silence():
    """A probability alone is not enough: the level must stand out."""
    assert speech_flags(0.4, 0.9, amplitude=20) == [False]


def test_silero_speech_is_probable_and_noise_is_not(detector, samples):
    """The real network tells a voice from white noise."""
    voice = np.frombuffer(samples[0][0], "<i2")[: 60 * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    noise = np.random.default_rng(0).normal(0, 1000, voice.shape).astype("<i2")
    detector.reset()
    assert max(detector.probability(frame) for frame in voice) > 0.9
    detector.reset()
    assert max(detector.probability(frame) for frame in noise) < 0.3


def test_silero_reset_forgets_everything(detector, samples):
    """The same frames give the same probabilities after a reset."""
    frames = np.frombuffer(samples[0][0], "<i2")[: 40 * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    detector.reset()
    once = [detector.probability(frame) for frame in frames]
    detector.reset()
    assert [detector.probability(frame) for frame in frames] == once
