"""What the Python drivers share: options in, one JSON line per event out, audio at real time."""

from __future__ import annotations

import json
import sys
import threading
import time
import wave
from collections.abc import Iterator
from typing import Any

STARTED_S = time.monotonic()
PRINTING = threading.Lock()
BYTES_PER_MS = 32  # 16 kHz, 16 bits, one channel


def options() -> dict[str, Any]:
    """Return what the test asked for."""
    return dict(json.loads(sys.argv[1]))


def report(event: str, **fields: Any) -> None:
    """Print one event; values that JSON does not know are printed as text."""
    line = json.dumps({"event": event, "at_s": round(time.monotonic() - STARTED_S, 3), **fields}, default=str)
    with PRINTING:
        print(line, flush=True)


def frames(audio: str, frame_ms: int) -> Iterator[bytes]:
    """Yield a recording in frames; the last one is as short as it comes."""
    with wave.open(audio, "rb") as file:
        pcm = file.readframes(file.getnframes())
    size = frame_ms * BYTES_PER_MS
    return (pcm[at : at + size] for at in range(0, len(pcm), size))


def due_in_s(started_s: float, number: int, frame_ms: int, speed: float) -> float:
    """Return how long to wait before a frame is sent; the schedule is absolute, so it does not drift."""
    return max(started_s + number * frame_ms / 1000 / speed - time.monotonic(), 0.0)


def steps(chosen: dict[str, Any]) -> Iterator[tuple[float, bytes | list[Any]]]:
    """Yield what a session does: seconds to wait, then a frame or a call.

    Args:
        chosen: ``audio``, sent in frames of ``frame_ms`` (100) at ``speed`` (1) times real time; ``at``, a list of
            [milliseconds of audio, method, arguments] in order of time, which come out without the time.
    """
    if "audio" not in chosen:
        return
    frame_ms, speed, calls = chosen.get("frame_ms", 100), chosen.get("speed", 1.0), list(chosen.get("at", []))
    started_s = time.monotonic()
    for number, frame in enumerate(frames(chosen["audio"], frame_ms)):
        while calls and calls[0][0] <= number * frame_ms:
            yield due_in_s(started_s, number, frame_ms, speed), calls.pop(0)[1:]
        yield due_in_s(started_s, number, frame_ms, speed), frame
