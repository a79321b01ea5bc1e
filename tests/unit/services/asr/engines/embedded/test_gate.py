"""The noise floor and the speech gate on signals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from services.asr.engines.embedded.gate import NoiseFloor, SpeechGate, level_db

FRAME_SAMPLES = 512
FRAME_MS = 32


def frames(signal) -> np.ndarray:
    """Cut a signal into frames of PCM16."""
    whole = len(signal) // FRAME_SAMPLES * FRAME_SAMPLES
    return np.round(signal[:whole]).astype("<i2").reshape(-1, FRAME_SAMPLES)


def opens(signal) -> bool:
    """Say whether the gate opens on a signal all of whose frames count as speech."""
    gate = SpeechGate(FRAME_SAMPLES)
    return any(gate.receive(frame, level_db(frame)) for frame in frames(signal))


def voice(seconds: float = 2.0) -> np.ndarray:
    """Return a buzz whose pitch, colour and level move as in speech."""
    t = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 1.5 * t)) / 16_000
    formant_hz = 700 + 500 * np.sin(2 * np.pi * 3 * t)
    weights = [np.exp(-(((n * 130 - formant_hz) / 400) ** 2)) + 0.05 for n in range(1, 25)]
    buzz = sum(weight * np.sin(n * phase) for n, weight in enumerate(weights, 1))
    return 2000 * buzz * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * t))


def test_level_digital_silence_is_zero():
    """One least significant bit is the reference."""
    assert level_db(np.zeros(512, "<i2")) == 0.0
    assert level_db(np.full(512, 100, "<i2")) == pytest.approx(40.0)


def test_floor_speech_in_first_frame_stands_out():
    """The window starts as a quiet room."""
    assert NoiseFloor(FRAME_MS).receive(50.0)
    assert not NoiseFloor(FRAME_MS).receive(30.0)


def test_floor_steady_noise_stops_standing_out_after_its_window():
    """The floor follows within three seconds."""
    floor = NoiseFloor(FRAME_MS)
    stood_out = [floor.receive(60.0) for _ in range(200)]
    assert stood_out.index(False) * FRAME_MS == pytest.approx(3000, abs=2 * FRAME_MS)
    assert not any(stood_out[stood_out.index(False) :])


def test_floor_span_covers_all_it_remembers():
    """After ``span_ms`` of the same frames two floors agree, whatever they heard before."""
    loud, quiet = NoiseFloor(FRAME_MS), NoiseFloor(FRAME_MS)
    for _ in range(500):
        loud.receive(80.0)
    levels = np.random.default_rng(1).uniform(20, 70, 300)
    answers = [(loud.receive(level), quiet.receive(level)) for level in levels]
    settled = answers[loud.span_ms // FRAME_MS :]
    assert all(one == other for one, other in settled)


def test_gate_voice_opens_it():
    """Voiced, moving in level and in colour: speech."""
    assert opens(voice())


def test_gate_stays_open():
    """Once open, a turn is speech to its end."""
    gate = SpeechGate(FRAME_SAMPLES)
    for frame in frames(voice()):
        gate.receive(frame, level_db(frame))
    assert gate.receive(np.zeros(FRAME_SAMPLES, "<i2"), 0.0)
    gate.reset()
    assert not gate.is_open


def test_gate_shorter_than_200_ms_stays_closed():
    """Too little to judge."""
    assert not opens(voice(0.19))


@pytest.mark.parametrize("name", ["white", "tone", "modulated tone", "modulated white"])
def test_gate_noise_stays_closed(name):
    """Steady, unvoiced or colourless sounds are not speech."""
    t = np.arange(5 * 16_000) / 16_000
    white = np.random.default_rng(2).normal(0, 3000, len(t))
    tone = 3000 * np.sin(2 * np.pi * 150 * t)
    swell = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * t)
    signals = {"white": white, "tone": tone, "modulated tone": tone * swell, "modulated white": white * swell}
    assert not opens(signals[name])
