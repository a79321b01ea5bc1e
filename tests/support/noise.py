"""Sounds that are not speech, made from seeds: what a recogniser must stay silent on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
FULL_SCALE = 32_767.0

Signal = npt.NDArray[np.float64]
DTMF_ROWS_HZ = (697, 770, 852, 941)
DTMF_COLUMNS_HZ = (1209, 1336, 1477, 1633)


@dataclass(frozen=True, slots=True)
class NoiseClip:
    """A named stretch of noise, PCM16 at 16 kHz."""

    name: str
    pcm16: bytes

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.pcm16) / 2 / SAMPLE_RATE_HZ


def noise_clips(clip_s: float = 20.0) -> Iterator[NoiseClip]:
    """Yield every kind of noise, ``clip_s`` seconds each; 34 kinds, so 20 s make over 11 minutes."""
    for number, (name, make) in enumerate(_kinds().items()):
        times = np.arange(round(clip_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        signal = np.clip(make(times, np.random.default_rng(number)), -1.0, 1.0)
        yield NoiseClip(name, np.round(signal * FULL_SCALE).astype("<i2").tobytes())


def _kinds() -> dict[str, Callable[[Signal, np.random.Generator], Signal]]:
    return {
        "zeros": lambda t, _rng: np.zeros_like(t),
        "one bit": lambda t, rng: rng.integers(-1, 2, len(t)) / FULL_SCALE,
        "dc": lambda t, _rng: np.full_like(t, 0.1),
        "dc steps": lambda t, rng: np.repeat(rng.uniform(-0.3, 0.3, len(t) // 8000 + 1), 8000)[: len(t)],
        "white -60 dB": lambda t, rng: _coloured(rng, len(t), 0.0, -60),
        "white -45 dB": lambda t, rng: _coloured(rng, len(t), 0.0, -45),
        "white -30 dB": lambda t, rng: _coloured(rng, len(t), 0.0, -30),
        "white -15 dB": lambda t, rng: _coloured(rng, len(t), 0.0, -15),
        "pink -50 dB": lambda t, rng: _coloured(rng, len(t), 1.0, -50),
        "pink -25 dB": lambda t, rng: _coloured(rng, len(t), 1.0, -25),
        "brown -45 dB": lambda t, rng: _coloured(rng, len(t), 2.0, -45),
        "brown -20 dB": lambda t, rng: _coloured(rng, len(t), 2.0, -20),
        "white bursts": lambda t, rng: _coloured(rng, len(t), 0.0, -20) * _gate(t, 1.7, 0.4),
        "white modulated 4 Hz": lambda t, rng: _coloured(rng, len(t), 0.0, -20) * _swell(t, 4.0),
        "pink modulated 3 Hz": lambda t, rng: _coloured(rng, len(t), 1.0, -20) * _swell(t, 3.0),
        "white waves 0.2 Hz": lambda t, rng: _coloured(rng, len(t), 0.0, -20) * _swell(t, 0.2),
        "hum 50 Hz": lambda t, _rng: _harmonics(t, 50, (1.0,)) * 0.2,
        "hum 50 Hz harmonics": lambda t, _rng: _harmonics(t, 50, (1, 0.5, 0.6, 0.2, 0.3, 0.1)) * 0.1,
        "hum 60 Hz harmonics": lambda t, _rng: _harmonics(t, 60, (1, 0.2, 0.7, 0.1, 0.4, 0.1)) * 0.1,
        "hum 60 Hz and hiss": lambda t, rng: _harmonics(t, 60, (1, 0.4)) * 0.1 + _coloured(rng, len(t), 0, -40),
        "clicks 2 a second": lambda t, rng: _clicks(rng, len(t), 2.0),
        "clicks 12 a second": lambda t, rng: _clicks(rng, len(t), 12.0),
        "keyboard": lambda t, rng: _taps(rng, len(t), 6.0),
        "tone 440 Hz": lambda t, _rng: 0.3 * np.sin(2 * np.pi * 440 * t),
        "tone 150 Hz": lambda t, _rng: 0.3 * np.sin(2 * np.pi * 150 * t),
        "beeps 1 kHz": lambda t, _rng: 0.3 * np.sin(2 * np.pi * 1000 * t) * _gate(t, 1.0, 0.3),
        "beeps 250 Hz": lambda t, _rng: 0.3 * np.sin(2 * np.pi * 250 * t) * _gate(t, 0.8, 0.35),
        "ringing 440 + 480 Hz": lambda t, _rng: (_harmonics(t, 40, (0,) * 10 + (1, 1)) * 0.2) * _gate(t, 6.0, 0.33),
        "chirp 100 Hz - 4 kHz": lambda t, _rng: 0.3 * np.sin(2 * np.pi * _sweep(t, 100, 4000, 2.0)),
        "chirp 90 - 350 Hz": lambda t, _rng: 0.3 * np.sin(2 * np.pi * _sweep(t, 90, 350, 1.0)),
        "siren": lambda t, _rng: 0.3 * np.sin(2 * np.pi * (800 * t - 300 * np.cos(2 * np.pi * 0.5 * t) / np.pi)),
        "square 110 Hz": lambda t, _rng: 0.2 * np.sign(np.sin(2 * np.pi * 110 * t)),
        "saw-tooth 120 Hz gated": lambda t, _rng: 0.3 * (2 * (120 * t % 1) - 1) * _gate(t, 1.1, 0.5),
        "dtmf": _dtmf,
    }


def _coloured(rng: np.random.Generator, samples: int, exponent: float, level_db: float) -> Signal:
    """Return noise whose power falls with frequency to the power of ``exponent``; level in dB of full scale."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    frequencies = np.maximum(np.arange(len(spectrum)), 20 * samples / SAMPLE_RATE_HZ)
    signal = np.fft.irfft(spectrum / frequencies ** (exponent / 2), samples)
    return np.asarray(signal / np.sqrt(np.mean(signal**2)) * 10 ** (level_db / 20))


def _gate(t: Signal, period_s: float, share: float) -> Signal:
    return ((t % period_s) < period_s * share).astype(np.float64)


def _swell(t: Signal, rate_hz: float) -> Signal:
    return 0.5 - 0.5 * np.cos(2 * np.pi * rate_hz * t)


def _harmonics(t: Signal, base_hz: float, weights: tuple[float, ...]) -> Signal:
    waves = (weight * np.sin(2 * np.pi * base_hz * (n + 1) * t + n) for n, weight in enumerate(weights) if weight)
    return np.sum(list(waves), axis=0)


def _sweep(t: Signal, low_hz: float, high_hz: float, period_s: float) -> Signal:
    """Return the phase, in turns, of a tone that rises from low to high again and again."""
    frequency = low_hz + (high_hz - low_hz) * (t % period_s) / period_s
    return np.cumsum(frequency) / SAMPLE_RATE_HZ


def _clicks(rng: np.random.Generator, samples: int, per_second: float) -> Signal:
    signal = np.zeros(samples)
    signal[rng.random(samples) < per_second / SAMPLE_RATE_HZ] = 0.8
    return signal


def _taps(rng: np.random.Generator, samples: int, per_second: float) -> Signal:
    decay = np.exp(-np.arange(800) / 120)
    return np.convolve(_clicks(rng, samples, per_second), decay, "same") * rng.normal(0, 0.5, samples)


def _dtmf(t: Signal, rng: np.random.Generator) -> Signal:
    keys = 1 + int(t[-1] / 0.2)
    rows = np.repeat(rng.choice(DTMF_ROWS_HZ, keys), SAMPLE_RATE_HZ // 5)[: len(t)]
    columns = np.repeat(rng.choice(DTMF_COLUMNS_HZ, keys), SAMPLE_RATE_HZ // 5)[: len(t)]
    return 0.2 * (np.sin(2 * np.pi * rows * t) + np.sin(2 * np.pi * columns * t)) * _gate(t, 0.2, 0.5)
