"""Thousands of hostile connections to one real gateway, several at once: each gets its code, and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.fuzzed_input import CASES
from tests.support.fuzzed_streams import (
    Batch,
    Stream,
    batches,
    captures,
    damaged_captures,
    frame_streams,
    message_streams,
    upgrade_streams,
)
from tests.support.lone_gateway import LoneGateway, lone_gateway
from tests.support.protocol_referee import DOCUMENTED_CLOSE_CODES, ProtocolReferee
from tests.support.raw_websocket import CLOSE, TEXT, Heard, RawWebSocket, raw_connection
from tests.support.streaming import transcribe

BATCH = 25
# Whatever a server still waits for, this completes it, and what comes next is no frame.
FILLER = b"\xff" * 16_384
MAX_FILLER_BYTES = 320 * 1024
HTTP_ANSWERS = frozenset({200, 400, 401, 404, 405, 414, 422, 426, 431, 505})
ALARMING = re.compile(r"Traceback|\[(error|critical) *\]", re.IGNORECASE)
ECHO = -1
GRACE_S = 0.05
SPARE_DESCRIPTORS = 5
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway under fire, and what it was like before."""

    runner: asyncio.Runner
    gateway: LoneGateway
    pid: int
    descriptors: int


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Give one gateway that has served a session."""
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        gateway = runner.run(stack.enter_async_context(lone_gateway(AAI_LOG_LEVEL="DEBUG")))
        try:
            runner.run(_transcribe(gateway))
            pid = gateway.workers[0].process.pid
            yield Target(runner, gateway, pid, psutil.Process(pid).num_fds())
        finally:
            runner.run(stack.aclose())


async def _transcribe(gateway: LoneGateway) -> None:
    """Hold a plain session."""
    heard = await transcribe(gateway.endpoint, bytes(2 * 32_000), speed=20)
    assert heard.close_code == 1000
    assert [len(turn["words"]) for turn in heard.finals] == [10]


async def _fill(socket: RawWebSocket) -> None:
    for _ in range(0, MAX_FILLER_BYTES, len(FILLER)):
        await socket.write_apart([FILLER])


async def _converse(port: int, stream: Stream) -> Heard:
    """Send a stream, then filler, and read until the server ends the connection."""
    async with raw_connection(port) as socket:
        socket.write(stream.request)
        if stream.is_upgraded:
            await socket.read_answer()
        reading = asyncio.create_task(_read(socket))
        with contextlib.suppress(ConnectionError):
            await socket.write_apart(stream.pieces)
            # The session may speak first; most often that is the end, and nothing needs to be filled.
            await asyncio.wait([reading], timeout=GRACE_S)
            filling = asyncio.create_task(_fill(socket))
            await asyncio.wait([reading, filling], return_when=asyncio.FIRST_COMPLETED)
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)
        return await reading


async def _read(socket: RawWebSocket) -> Heard:
    if socket.heard.status is None:
        await socket.read_answer()
    return await socket.read_to_end(answer=False) if socket.heard.status == 101 else socket.heard


def _judge(stream: Stream, heard: Heard) -> int | None:
    """Return the close code, or the status of a refused upgrade, once all is in order."""
    try:
        if heard.status == 101:
            return _judge_session(heard)
        assert not stream.is_upgraded
        # Nothing at all answers what is no HTTP.
        assert heard.status in HTTP_ANSWERS or heard.status is None
    except AssertionError as error:
        error.add_note(repr(stream))
        raise
    return heard.status


def _judge_session(heard: Heard) -> int:
    code = heard.close_code
    assert code is not None
    if code in range(3_000, 5_000) and not heard.of_type("Error"):
        return ECHO  # a close frame that damage made; the gateway itself always says why
    referee = ProtocolReferee()
    for frame in heard.frames:
        if frame.opcode == TEXT:
            referee.see_text(frame.payload.decode())
        elif frame.opcode == CLOSE:
            referee.see_close(frame.close_code, frame.payload[2:].decode())
    assert code in DOCUMENTED_CLOSE_CODES
    return code


async def _is_idle(target: Target) -> bool:
    status, sessions = await target.gateway.workers[0].admin("GET", "/sessions")
    spare = psutil.Process(target.pid).num_fds() - target.descriptors
    return status == 200 and sessions == [] and abs(spare) <= SPARE_DESCRIPTORS


async def _check_unharmed(target: Target) -> None:
    """The same process serves sessions as before, holds nothing, and saw nothing unexpected."""
    worker = target.gateway.workers[0]
    assert worker.process.returncode is None
    status, health = await worker.admin("GET", "/health")
    assert (status, health["pid"]) == (200, target.pid)
    await _transcribe(target.gateway)
    async with asyncio.timeout(PATIENCE_S):
        while not await _is_idle(target):  # noqa: ASYNC110 - asks another process
            await asyncio.sleep(0.05)
    assert [line for line in target.gateway.log.splitlines() if ALARMING.search(line)] == []


KINDS: dict[str, tuple[Callable[[int], st.SearchStrategy[Stream]], int, set[int]]] = {
    "frames": (frame_streams, CASES.frame_streams, {1002, 3006}),
    "damaged-captures": (lambda port: damaged_captures(captures(port)), CASES.damaged_captures, {1000, 1002}),
    "messages": (message_streams, CASES.message_streams, {1000, 3006}),
    "upgrades": (upgrade_streams, CASES.upgrades, {1000, 3006, 404}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_fuzzed_connections_end_with_documented_codes_and_harm_nothing(target: Target, kind: str) -> None:
    """Any bytes at all: a documented code or a refused upgrade; then the gateway is as it was."""
    make, cases, expected = KINDS[kind]
    ends: Counter[int | None] = Counter()

    # Shrinking would repeat every failure hundreds of times; the stream that failed is printed.
    @settings(
        max_examples=cases // BATCH + 1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(batches(make(target.gateway.port), BATCH))
    def check(batch: Batch) -> None:
        async def talk_to_all() -> list[Heard]:
            return await asyncio.gather(*(_converse(target.gateway.port, stream) for stream in batch.streams))

        for stream, heard in zip(batch.streams, target.runner.run(talk_to_all()), strict=True):
            ends[_judge(stream, heard)] += 1

    check()
    target.runner.run(_check_unharmed(target))
    assert ends.total() >= cases
    assert expected <= ends.keys(), ends
