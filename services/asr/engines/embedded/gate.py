"""Tell speech from noise by what it sounds like: an energy floor and a gate on whole turns.

A frame detector alone calls many steady noises speech. A turn is let through only when its frames
are louder than the recent background, voiced often enough, and change in level and in colour.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from services.asr.engines.base import SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]
Values = npt.NDArray[np.float64]

FLOOR_WINDOW_MS = 3_000
FLOOR_START_DB = 25.0
FLOOR_MARGIN_DB = 6.0
FLOOR_SMOOTHING_FRAMES = 3

GATE_MIN_SPEECH_MS = 200
GATE_MIN_VOICED_SHARE = 0.25
GATE_MIN_VOICING = 0.6
GATE_MIN_LEVEL_SPREAD_DB = 3.0
GATE_MIN_COLOUR_SPREAD = 0.45
PITCH_RANGE_HZ = (70, 400)
COLOUR_BANDS = 20
COLOUR_RANGE_HZ = (100, 7_000)


def level_db(frame: Samples) -> float:
    """Return the mean power of a frame in dB relative to one least significant bit, at least 0."""
    power = float(np.mean(np.square(frame.astype(np.float64))))
    return 10.0 * float(np.log10(max(power, 1.0)))


class NoiseFloor:
    """The quietest stretch of the last seconds.

    Starts as if the room had been quiet before, so that speech in the first frame counts.
    """

    def __init__(self, frame_ms: int) -> None:
        """Prepare for frames of one length."""
        frames = -(-FLOOR_WINDOW_MS // frame_ms)
        self._recent: deque[float] = deque(maxlen=FLOOR_SMOOTHING_FRAMES)
        self._window: deque[float] = deque([FLOOR_START_DB] * frames, maxlen=frames)
        self.span_ms = (frames + FLOOR_SMOOTHING_FRAMES - 1) * frame_ms

    def receive(self, frame_db: float) -> bool:
        """Take the level of the next frame; say whether it stands out from the floor."""
        self._recent.append(frame_db)
        self._window.append(sum(self._recent) / len(self._recent))
        return frame_db > min(self._window) + FLOOR_MARGIN_DB


class SpeechGate:
    """Whether the speech frames of one turn are speech; stays open once it is.

    The spectral work stops when the gate is open.
    """

    def __init__(self, frame_samples: int) -> None:
        """Prepare for frames of one length."""
        self._min_frames = -(-GATE_MIN_SPEECH_MS * SAMPLE_RATE_HZ // (1000 * frame_samples))
        self._spectrum = _SpectrumShape(frame_samples)
        self.reset()

    def reset(self) -> None:
        """Forget the turn."""
        self._levels_db: list[float] = []
        self._voicings: list[float] = []
        self._colours: list[Values] = []
        self.is_open = False

    def receive(self, frame: Samples, frame_db: float) -> bool:
        """Take the next speech frame of the turn; return whether the gate is open."""
        if self.is_open:
            return True
        samples = frame.astype(np.float64)
        self._levels_db.append(frame_db)
        self._voicings.append(self._spectrum.voicing(samples))
        self._colours.append(self._spectrum.colour(samples))
        if len(self._levels_db) >= self._min_frames:
            self.is_open = self._is_speech()
        return self.is_open

    def _is_speech(self) -> bool:
        levels = np.array(self._levels_db)
        low, high = np.percentile(levels, (10, 90))
        if high - low < GATE_MIN_LEVEL_SPREAD_DB:
            return False
        louder = levels >= np.median(levels)
        if float(np.mean(np.array(self._voicings)[louder] > GATE_MIN_VOICING)) < GATE_MIN_VOICED_SHARE:
            return False
        return float(np.mean(np.std(np.stack(self._colours)[louder], axis=0))) >= GATE_MIN_COLOUR_SPREAD


class _SpectrumShape:
    """Two measures of a frame: how periodic it is, and its energy in bands."""

    def __init__(self, frame_samples: int) -> None:
        self._size = 1 << (2 * frame_samples - 1).bit_length()
        low_hz, high_hz = PITCH_RANGE_HZ
        self._lags = slice(SAMPLE_RATE_HZ // high_hz, SAMPLE_RATE_HZ // low_hz + 1)
        self._window = np.hanning(frame_samples)
        # Equal steps on a scale between linear and logarithmic, as hearing has them.
        low_mel, high_mel = (1127 * float(np.log1p(edge_hz / 700)) for edge_hz in COLOUR_RANGE_HZ)
        mel = np.linspace(low_mel, high_mel, COLOUR_BANDS + 1)
        edges_hz = 700 * np.expm1(mel / 1127)
        self._edges = np.unique(np.round(edges_hz * self._size / SAMPLE_RATE_HZ).astype(np.int64))

    def voicing(self, samples: Values) -> float:
        """Return the highest normalised autocorrelation at a lag of a human pitch, at most 1."""
        centred = samples - samples.mean()
        spectrum = np.fft.rfft(centred, self._size)
        correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)[self._lags]
        total = np.concatenate(([0.0], np.cumsum(centred**2)))
        lags = np.arange(self._lags.start, self._lags.stop)
        # Energy of the two overlapping parts, so that a long lag is not punished for its short overlap.
        head = total[len(centred) - lags]
        tail = total[-1] - total[lags]
        return float(np.max(correlation / np.sqrt(np.maximum(head * tail, 1.0))))

    def colour(self, samples: Values) -> Values:
        """Return the natural logarithm of the energy in each band."""
        spectrum = np.fft.rfft(samples * self._window, self._size)
        power = spectrum.real**2 + spectrum.imag**2
        return np.log(np.add.reduceat(power[: self._edges[-1]], self._edges[:-1]) + 1.0)
