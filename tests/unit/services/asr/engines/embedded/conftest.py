"""The real models, loaded once, and audio made of the repository's own samples."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest

from services.asr.engines.embedded.decoder import TurnDecoder
from services.asr.engines.embedded.detector import SileroDetector

SAMPLES = Path(__file__).resolve().parents[6] / "samples"


def read_pcm16(path: Path) -> bytes:
    """Return the samples of a WAV file."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return file.readframes(file.getnframes())


@pytest.fixture(scope="session")
def decoder() -> TurnDecoder:
    """Return one decoder for all tests: turns must not depend on the ones before."""
    return TurnDecoder()


@pytest.fixture(scope="session")
def detector() -> SileroDetector:
    """Return one detector for all tests."""
    return SileroDetector()


@pytest.fixture(scope="session")
def samples() -> list[tuple[bytes, str]]:
    """Return the audio of two samples with their transcripts."""
    transcripts = json.loads((SAMPLES / "transcripts.json").read_text(encoding="utf-8"))
    return [(read_pcm16(SAMPLES / name), transcripts[name]) for name in ("order.wav", "weather.wav")]


@pytest.fixture(scope="session")
def conversation(samples: list[tuple[bytes, str]]) -> bytes:
    """Return the samples with 5 s between them, half a second of silence in front and one behind."""
    pauses_ms = (500, 5_000, 1_000)
    parts = [bytes(32 * pauses_ms[0])]
    for (audio, _text), pause_ms in zip(samples, pauses_ms[1:], strict=True):
        parts += [audio, bytes(32 * pause_ms)]
    return b"".join(parts)
