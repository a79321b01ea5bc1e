"""A v3 client that knows only the protocol, for end-to-end tests."""

from __future__ import annotations

import asyncio
import json
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.private_stack import CHECKOUT

SAMPLES = CHECKOUT / "samples"
BYTES_PER_MS = 32
AUTHORIZED = {"Authorization": "self-hosted"}


@dataclass(slots=True)
class Transcript:
    """Everything one session said."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None
    close_reason: str = ""
    begin_after_s: float = 0.0

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of one type."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def finals(self) -> list[dict[str, Any]]:
        """Turns that ended."""
        return [turn for turn in self.of_type("Turn") if turn["end_of_turn"]]

    @property
    def text(self) -> str:
        """All final transcripts, joined."""
        return " ".join(turn["transcript"] for turn in self.finals)


def sample_pcm(name: str) -> bytes:
    """Return the audio of a recording in samples/."""
    return read_pcm(SAMPLES / name)


def sample_text(name: str) -> str:
    """Return what is said in a recording in samples/."""
    return str(json.loads((SAMPLES / "transcripts.json").read_text())[name])


def read_pcm(path: Path) -> bytes:
    """Return the samples of a 16 kHz mono WAV."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        return file.readframes(file.getnframes())


def session(endpoint: str, query: str = "sample_rate=16000", **headers: str) -> connect:
    """Return a connection to enter; ``headers`` replace the usual authorization when given."""
    url = f"{endpoint}?{query}"
    return connect(url, additional_headers=headers or AUTHORIZED, compression=None, max_size=None, proxy=None)


async def collect(socket: ClientConnection, transcript: Transcript) -> Transcript:
    """Read until the server closes."""
    try:
        async for text in socket:
            transcript.messages.append(json.loads(text))
    except ConnectionClosed:
        pass  # the codes below tell
    transcript.close_code, transcript.close_reason = socket.close_code, socket.close_reason or ""
    return transcript


async def transcribe(
    endpoint: str,
    audio: bytes,
    query: str = "sample_rate=16000",
    *,
    frame_bytes: int = 100 * BYTES_PER_MS,
    frame_s: float = 0.1,
    speed: float = 1.0,
) -> Transcript:
    """Stream audio in frames at ``speed`` times real time, terminate, and return what was said."""
    transcript = Transcript()
    started = time.monotonic()
    async with session(endpoint, query) as socket:
        first = json.loads(await socket.recv())
        transcript.begin_after_s = time.monotonic() - started
        transcript.messages.append(first)
        reading = asyncio.create_task(collect(socket, transcript))
        start = time.monotonic()
        try:
            for number, at in enumerate(range(0, len(audio), frame_bytes)):
                await asyncio.sleep(max(start + number * frame_s / speed - time.monotonic(), 0))
                await socket.send(audio[at : at + frame_bytes])
            await socket.send('{"type": "Terminate"}')
        except ConnectionClosed:
            pass  # the reader knows why
        return await reading


def words_wrong(reference: str, hypothesis: str) -> float:
    """Return the word error rate, after case and punctuation are taken away."""
    import jiwer

    def plain(text: str) -> str:
        return "".join(letter for letter in text.lower().replace("-", " ") if letter.isalnum() or letter in " '")

    return float(jiwer.wer(plain(reference), plain(hypothesis)))
