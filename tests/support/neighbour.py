"""A well-behaved session beside whatever a test does to the same gateway worker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import psutil
from websockets.asyncio.client import ClientConnection

from tests.support.lone_gateway import LoneGateway
from tests.support.scripted_recognizer import VOCABULARY, WORD_MS
from tests.support.streaming import BYTES_PER_MS, Transcript, collect, session

FRAME_MS = 50
LEAST_FRAMES = 20
PATIENCE_S = 60.0
# The test's own connections come and go meanwhile, and so do the gateway's to its proxy.
DESCRIPTOR_TOLERANCE = 5


@contextlib.asynccontextmanager
async def undisturbed(gateway: LoneGateway) -> AsyncIterator[None]:
    """Run the block with a neighbour, then wait until the worker holds no more files and streams than before.

    Raises:
        AssertionError: the neighbour lost a word or its session, or something was not given back.
    """
    worker = psutil.Process(gateway.workers[0].process.pid)
    files, streams = worker.num_fds(), gateway.recognizer.open_streams
    async with neighbour(gateway):
        yield
    await until(lambda: worker.num_fds() <= files + DESCRIPTOR_TOLERANCE, "files are open still")
    await until(lambda: gateway.recognizer.open_streams <= streams, "recognisers are busy still")


@contextlib.asynccontextmanager
async def neighbour(gateway: LoneGateway) -> AsyncIterator[None]:
    """Stream in real time while the block runs, then terminate.

    Raises:
        AssertionError: not every word came, or the session did not end in order.
    """
    transcript, over = Transcript(), asyncio.Event()
    async with session(gateway.endpoint) as socket:
        reading = asyncio.create_task(collect(socket, transcript))
        sending = asyncio.create_task(_stream(socket, over))
        try:
            yield
        finally:
            over.set()
            sent_ms = await sending
        await socket.send('{"type": "Terminate"}')
        async with asyncio.timeout(PATIENCE_S):
            await reading
    assert transcript.close_code == 1000, transcript.close_reason
    expected = [VOCABULARY[number % len(VOCABULARY)] for number in range(sent_ms // WORD_MS)]
    assert transcript.text.split() == expected


async def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: it does not, for a minute.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.05)
    raise AssertionError(otherwise)


async def _stream(socket: ClientConnection, over: asyncio.Event) -> int:
    """Send silence in real time until told to stop; return its milliseconds."""
    start, frames = time.monotonic(), 0
    while frames < LEAST_FRAMES or not over.is_set():
        await socket.send(bytes(FRAME_MS * BYTES_PER_MS))
        frames += 1
        pause_s = max(0.0, start + frames * FRAME_MS / 1_000 - time.monotonic())
        if frames < LEAST_FRAMES:
            await asyncio.sleep(pause_s)
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), pause_s)
    return frames * FRAME_MS
