"""Measure how late final Turns are with six sessions at once, and whether the sessions stay apart.

Latency of a turn = arrival of its final Turn minus the moment the sample at (last word's end +
max_turn_silence) was sent. Run as ``python -m tests.bench.turn_latency``; prints a table and a JSON
record, and exits 1 when p95 exceeds the limit or a session's words differ from a run of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import wave
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from tests.support.machine import machine_line
from tests.support.private_stack import CHECKOUT, private_stack

SAMPLE_RATE_HZ = 16_000
FRAME_MS = 100
BYTES_PER_MS = SAMPLE_RATE_HZ * 2 // 1000
MAX_TURN_SILENCE_MS = 1_280
LIMIT_P95_S = 1.5
GROUP = "endpointing-long"


@dataclass(frozen=True, slots=True)
class SessionResult:
    """What one session heard.

    Attributes:
        texts: final transcripts in order.
        latencies_s: of turns that silence ended.
    """

    texts: list[str]
    latencies_s: list[float]


def read_pcm(path: Path) -> bytes:
    """Return the samples of a 16 kHz mono PCM16 WAV."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE_HZ, 1, 2)
        return file.readframes(file.getnframes())


async def stream(endpoint: str, pcm: bytes, offset_s: float) -> SessionResult:
    """Stream one clip at real time, ``offset_s`` after the call, and collect its final Turns."""
    await asyncio.sleep(offset_s)
    uri = (
        f"{endpoint}/v3/ws?sample_rate={SAMPLE_RATE_HZ}&speech_model=universal-streaming-english"
        f"&max_turn_silence={MAX_TURN_SILENCE_MS}&end_of_turn_confidence_threshold=1"
    )
    sent_at: list[float] = []  # per frame
    async with connect(uri, additional_headers={"Authorization": "self-hosted"}, compression=None) as socket:
        begin = json.loads(await socket.recv())
        assert begin["type"] == "Begin", begin

        async def send() -> None:
            start = time.monotonic()
            for number, at in enumerate(range(0, len(pcm), FRAME_MS * BYTES_PER_MS)):
                await asyncio.sleep(max(start + number * FRAME_MS / 1000 - time.monotonic(), 0))
                await socket.send(pcm[at : at + FRAME_MS * BYTES_PER_MS])
                sent_at.append(time.monotonic())
            await socket.send('{"type":"Terminate"}')

        sending = asyncio.create_task(send())
        finals: list[tuple[float, dict[str, Any]]] = []
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "Turn" and message["end_of_turn"]:
                finals.append((time.monotonic(), message))
        await sending
    latencies = []
    for arrived, message in finals:
        decided_at_frame = (message["words"][-1]["end"] + MAX_TURN_SILENCE_MS) // FRAME_MS
        if decided_at_frame < len(sent_at):  # the last turn is ended by Terminate
            latencies.append(arrived - sent_at[decided_at_frame])
    return SessionResult([message["transcript"] for _, message in finals], latencies)


async def measure(endpoint: str, clips: list[Path], sessions: int) -> tuple[list[SessionResult], list[SessionResult]]:
    """Run all sessions at once, then each clip alone; return both results, one per session."""
    audio = [read_pcm(clips[number % len(clips)]) for number in range(sessions)]
    together = await asyncio.gather(*(stream(endpoint, pcm, number * 0.137) for number, pcm in enumerate(audio)))
    alone = [await stream(endpoint, pcm, 0) for pcm in audio[: len(clips)]]
    return together, [alone[number % len(clips)] for number in range(sessions)]


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, default=CHECKOUT.parent / "shared" / "audio" / "dev")
    parser.add_argument("--endpoint", help="a running gateway; a private stack is started without it")
    parser.add_argument("--sessions", type=int, default=6)
    arguments = parser.parse_args()
    manifest = [json.loads(line) for line in (arguments.audio / "manifest.jsonl").read_text().splitlines()]
    clips = [arguments.audio / clip["file"] for clip in manifest if clip["group"] == GROUP]
    with ExitStack() as stack:
        endpoint = arguments.endpoint or stack.enter_context(private_stack()).endpoint
        together, alone = asyncio.run(measure(endpoint, clips, arguments.sessions))
    latencies = sorted(latency for result in together for latency in result.latencies_s)
    p95_s = statistics.quantiles(latencies, n=20)[-1]
    mixed = sum(one.texts != other.texts for one, other in zip(together, alone, strict=True))
    record = {
        "machine": machine_line(),
        "sessions": arguments.sessions,
        "turns": len(latencies),
        "latency_p50_s": round(statistics.median(latencies), 3),
        "latency_p95_s": round(p95_s, 3),
        "latency_max_s": round(latencies[-1], 3),
        "limit_p95_s": LIMIT_P95_S,
        "sessions_with_other_words_than_alone": mixed,
    }
    for name, value in record.items():
        print(f"{name:40} {value}")
    print(json.dumps(record))
    return 0 if p95_s <= LIMIT_P95_S and mixed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
