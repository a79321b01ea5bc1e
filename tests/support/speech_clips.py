"""Recorded speech with reference transcripts: where it lies, what is in it, how text is compared."""

from __future__ import annotations

import json
import re
import wave
from dataclasses import dataclass
from pathlib import Path

SAMPLE_RATE_HZ = 16_000
DEFAULT_AUDIO = Path(__file__).resolve().parents[2].parent / "shared" / "audio" / "dev"
# "The Zephyr QX nine runs Kubernetes.", without silence around it; see make_keyterm_clip.py.
KEYTERM_CLIP = Path(__file__).with_name("keyterms.wav")


@dataclass(frozen=True, slots=True)
class Segment:
    """One utterance of a long clip, seconds from its start."""

    speech_start: float
    speech_end: float


@dataclass(frozen=True, slots=True)
class SpeechClip:
    """One line of the manifest.

    Attributes:
        text: reference transcript, "" when nothing is said.
    """

    clip_id: str
    group: str
    text: str
    path: Path
    segments: tuple[Segment, ...] = ()

    def pcm16(self) -> bytes:
        """Return the samples, 16 kHz mono."""
        with wave.open(str(self.path), "rb") as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (SAMPLE_RATE_HZ, 1, 2):
                raise ValueError(f"{self.path} is not 16 kHz mono PCM16")
            return file.readframes(file.getnframes())


def load_clips(folder: Path, groups: frozenset[str]) -> list[SpeechClip]:
    """Return the clips of some groups, in the manifest's order."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = (json.loads(line) for line in lines if line.strip())
    return [
        SpeechClip(
            row["id"],
            row["group"],
            row["text"],
            folder / row["file"],
            tuple(Segment(part["speech_start"], part["speech_end"]) for part in row.get("segments", ())),
        )
        for row in rows
        if row["group"] in groups and row["language"] in {"en", "und"}
    ]


def plain_text(text: str) -> str:
    """Return a text as word error rates compare it: lower case, no punctuation but inner apostrophes."""
    text = text.lower().replace("\u2019", "'").replace("-", " ")
    text = re.sub(r"[^\w\s']|_", "", text)
    text = re.sub(r"(?<!\w)'|'(?!\w)", "", text)
    return " ".join(text.split())
