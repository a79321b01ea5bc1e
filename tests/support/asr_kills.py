"""Kill the ASR server again and again under sessions in the middle of a turn, and see how they go on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil

from runtime.catalog import ASR_SERVERS, Model
from tests.support.private_stack import PrivateStack
from tests.support.streaming import BYTES_PER_MS, Transcript, collect, sample_pcm, session

RECORDINGS = ("order.wav", "appointment.wav", "weather.wav")
PAUSE_MS = 1_500
FRAME_MS = 100
PATIENCE_S = 60.0
# supervisord counts a process that lived for less than its startsecs (1 s) as one that cannot start.
MIN_AGE_S = 1.5
POLL_S = 0.05


def recordings(count: int) -> bytes:
    """Return the samples one after the other, with pauses, so many recordings in all."""
    pause = bytes(PAUSE_MS * BYTES_PER_MS)
    return b"".join(sample_pcm(RECORDINGS[number % len(RECORDINGS)]) + pause for number in range(count))


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill and what followed.

    Attributes:
        healthy_after_s: until the ASR server was ready again.
        resumed_after_s: from then until each session had its next Turn.
    """

    healthy_after_s: float
    resumed_after_s: tuple[float, ...]


@dataclass(slots=True)
class _Listener(Transcript):
    """A transcript that knows when a Turn came and what stands open."""

    turns_seen: int = 0
    turn_is_open: bool = False
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_turn_open(self) -> None:
        """Wait for a partial of a turn that has not ended."""
        async with asyncio.timeout(PATIENCE_S), self.news:
            seen = self.turns_seen
            await self.news.wait_for(lambda: self.turn_is_open and self.turns_seen > seen)

    async def until_next_turn(self) -> float:
        """Wait for the next Turn message; return the time it came."""
        async with asyncio.timeout(PATIENCE_S), self.news:
            seen = self.turns_seen
            await self.news.wait_for(lambda: self.turns_seen > seen)
        return time.monotonic()

    async def take(self, message: dict[str, Any]) -> None:
        """Take one message."""
        self.messages.append(message)
        if message["type"] == "Turn":
            async with self.news:
                self.turns_seen += 1
                self.turn_is_open = not message["end_of_turn"]
                self.news.notify_all()


async def transcribe_through_kills(
    stack: PrivateStack, audio: bytes, kills: int, sessions: int = 1, model: Model = Model.ENGLISH
) -> tuple[list[Transcript], list[Kill]]:
    """Stream the same audio in some sessions, in real time while the ASR server is being killed, then as fast as taken.

    Raises:
        AssertionError: the audio ended before the last kill.
    """
    listeners = [_Listener() for _ in range(sessions)]
    all_killed = asyncio.Event()
    streaming = [asyncio.create_task(_stream(stack.endpoint, audio, listener, all_killed)) for listener in listeners]
    outcomes: list[Kill] = []
    for _ in range(kills):
        assert not any(task.done() for task in streaming), f"the audio ended after {len(outcomes)} kills"
        outcomes.append(await _kill(stack, listeners, model))
    all_killed.set()
    await asyncio.gather(*streaming)
    return list(listeners), outcomes


async def _stream(endpoint: str, audio: bytes, listener: _Listener, all_killed: asyncio.Event) -> None:
    frame_bytes = FRAME_MS * BYTES_PER_MS
    async with session(endpoint, "sample_rate=16000&format_turns=true") as socket:
        reading = asyncio.create_task(_read(socket, listener))
        start = time.monotonic()
        for number, at in enumerate(range(0, len(audio), frame_bytes)):
            if not all_killed.is_set():
                await asyncio.sleep(max(start + number * FRAME_MS / 1_000 - time.monotonic(), 0))
            await socket.send(audio[at : at + frame_bytes])
        await socket.send('{"type":"Terminate"}')
        await reading


async def _read(socket: Any, listener: _Listener) -> None:
    async for text in socket:
        await listener.take(json.loads(text))
    await collect(socket, listener)


async def _kill(stack: PrivateStack, listeners: list[_Listener], model: Model) -> Kill:
    pid = await _until_ready(stack, model)
    while time.time() - psutil.Process(pid).create_time() < MIN_AGE_S:  # noqa: ASYNC110 - the process's age, not ours
        await asyncio.sleep(POLL_S)
    await listeners[0].until_turn_open()
    os.kill(pid, signal.SIGKILL)
    killed_s = time.monotonic()
    waiting = [asyncio.create_task(_resumed(stack, listener, model, pid)) for listener in listeners]
    await _until_ready(stack, model, former_pid=pid)
    healthy_s = time.monotonic()
    resumed_s = [max(0.0, at_s - healthy_s) for at_s in await asyncio.gather(*waiting)]
    return Kill(healthy_s - killed_s, tuple(resumed_s))


async def _resumed(stack: PrivateStack, listener: _Listener, model: Model, former_pid: int) -> float:
    """Return when the first Turn came that another process than the killed one can have brought."""
    while True:
        at_s = await listener.until_next_turn()
        if await _ready_pid(stack, model) not in (None, former_pid):
            return at_s


async def _until_ready(stack: PrivateStack, model: Model, former_pid: int | None = None) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while (pid := await _ready_pid(stack, model)) in (None, former_pid):  # noqa: ASYNC110 - another process
            await asyncio.sleep(POLL_S)
    assert pid is not None
    return pid


async def _ready_pid(stack: PrivateStack, model: Model) -> int | None:
    """Return the process that serves a model; None while there is none that is ready."""
    program = next(server.program for server in ASR_SERVERS if server.model is model)
    path = str(stack.home / "run" / f"{program}-00.sock")
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as client,
            client.get("http://admin/health") as response,
        ):
            health = await response.json()
    except (aiohttp.ClientError, OSError):
        return None
    return int(health["pid"]) if health["ready"] else None
