#!/usr/bin/env python3
"""Make the recordings of this directory and their transcripts with flite (Debian: apt-get install flite).

Usage: python3 samples/make_samples.py [DIRECTORY]
"""

from __future__ import annotations

import argparse
import array
import json
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

SAMPLE_RATE_HZ = 16_000
LEADING_SILENCE_MS = 500
TRAILING_SILENCE_MS = 300
SILENCE_AMPLITUDE = 100  # what the synthesiser leaves before and after a sentence stays below
MARGIN_SAMPLES = SAMPLE_RATE_HZ // 20  # soft sounds at both ends of a sentence


@dataclass(frozen=True)
class Sample:
    """One recording: who says what, with how much silence between two sentences."""

    name: str
    voice: str
    pause_ms: int
    sentences: tuple[str, ...]

    @property
    def transcript(self) -> str:
        """Everything that is said, as one line."""
        return " ".join(self.sentences)


SAMPLES = (
    # The pause is longer than the default of max_turn_silence, so this one makes two turns.
    Sample(
        "appointment",
        "awb",
        1500,
        ("I would like to make an appointment for next Tuesday morning.", "Please call me back this afternoon."),
    ),
    Sample(
        "order",
        "rms",
        400,
        ("We would like a table for four people on Friday night.", "Please bring the bill and a glass of water."),
    ),
    Sample(
        "weather",
        "rms",
        400,
        (
            "The weather will be warm and dry this weekend.",
            "There is a small chance of rain on Sunday evening.",
        ),
    ),
)


def transcripts() -> dict[str, str]:
    """Return what each file says, by file name."""
    return {f"{sample.name}.wav": sample.transcript for sample in SAMPLES}


def speak(sentence: str, voice: str) -> bytes:
    """Return a sentence as 16 kHz mono PCM16 without the silence around it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", file.name], check=True)
        with wave.open(file.name, "rb") as spoken:
            form = (spoken.getframerate(), spoken.getnchannels(), spoken.getsampwidth())
            if form != (SAMPLE_RATE_HZ, 1, 2):
                raise ValueError(f"voice {voice} speaks at {form}, expected {SAMPLE_RATE_HZ} Hz mono 16-bit")
            samples = array.array("h", spoken.readframes(spoken.getnframes()))
    loud = [position for position, value in enumerate(samples) if abs(value) > SILENCE_AMPLITUDE]
    return samples[max(0, loud[0] - MARGIN_SAMPLES) : loud[-1] + 1 + MARGIN_SAMPLES].tobytes()


def silence(duration_ms: int) -> bytes:
    """Return silence as 16 kHz mono PCM16."""
    return bytes(2 * SAMPLE_RATE_HZ * duration_ms // 1000)


def record(sample: Sample) -> bytes:
    """Return a whole sample as 16 kHz mono PCM16."""
    spoken = silence(sample.pause_ms).join(speak(sentence, sample.voice) for sentence in sample.sentences)
    return silence(LEADING_SILENCE_MS) + spoken + silence(TRAILING_SILENCE_MS)


def write_all(directory: Path) -> None:
    """Write every recording and ``transcripts.json``."""
    for sample in SAMPLES:
        with wave.open(str(directory / f"{sample.name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(record(sample))
    text = json.dumps(transcripts(), indent=2) + "\n"
    (directory / "transcripts.json").write_text(text, encoding="utf-8")


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Make the sample recordings with flite.")
    parser.add_argument("directory", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    directory: Path = parser.parse_args().directory
    try:
        write_all(directory)
    except FileNotFoundError as error:
        print(f"make_samples: {error.filename} not found; flite comes with: apt-get install flite", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
