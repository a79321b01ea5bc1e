"""Switching stacks under clients, and programs that are killed, on a real stack of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.private_stack import PrivateStack, private_stack
from tests.support.streaming import Transcript, collect, sample_pcm, sample_text, session, transcribe, words_wrong

SAMPLE = "weather.wav"
DRAIN_S = 3
RECOVERY_LIMIT_S = 30.0  # the product promises 10; the bench measures, this only bounds


@pytest.fixture(scope="module")
def stack() -> Iterator[PrivateStack]:
    """A stack that tests may switch and hurt; each leaves universal running."""
    with private_stack(AAI_DRAIN_LIMIT_S=str(DRAIN_S)) as running:
        yield running


def services(stack: PrivateStack) -> dict[str, dict[str, Any]]:
    """Return what status says of every process."""
    report = json.loads(stack.console("status", "--json").stdout)
    return {service["name"]: service for service in report["data"]["services"]}


async def speak(stack: PrivateStack, query: str, heard: Transcript, begun: asyncio.Event) -> Transcript:
    """Repeat a recording at real time until the server ends the session."""
    pcm = sample_pcm(SAMPLE)
    async with session(stack.endpoint, query) as socket:
        heard.messages.append(json.loads(await socket.recv()))
        begun.set()
        reading = asyncio.create_task(collect(socket, heard))
        at = 0
        while not reading.done():
            await socket.send(pcm[at : at + 3200])
            at = (at + 3200) % (len(pcm) // 3200 * 3200)
            await asyncio.wait({reading}, timeout=0.1)
        return await reading


async def test_switch_ends_open_sessions_in_order_and_refuses_new_ones(stack: PrivateStack) -> None:
    """To u3pro and back with clients connected: finals, Termination, 1000; 3006 for the stack that goes."""
    for target, old, new in (
        ("u3pro", "universal-streaming-english", "u3-rt-pro"),
        ("universal", "u3-rt-pro", "universal-streaming-english"),
    ):
        heard, begun = Transcript(), asyncio.Event()
        speaking = asyncio.create_task(speak(stack, f"speech_model={old}", heard, begun))
        await asyncio.wait_for(begun.wait(), 20)
        await asyncio.sleep(1.5)  # some speech, so that a turn is open when the drain ends
        switching = asyncio.create_task(asyncio.to_thread(stack.console, "switch", target, "--yes"))
        if old == "universal-streaming-english":
            refused = await refused_while_switching(stack, f"speech_model={old}")
            assert refused.close_code == 3006
            assert [message["type"] for message in refused.messages] == ["Error"]
        await asyncio.wait_for(speaking, 60)
        done = await switching
        assert done.returncode == 0, done.stdout + done.stderr
        assert (heard.close_code, heard.messages[-1]["type"]) == (1000, "Termination")
        assert heard.finals
        ready = {name for name, service in services(stack).items() if service["ready"]}
        assert ("streaming-asr-u3pro" in ready) == (target == "u3pro")
        fresh = await transcribe(stack.endpoint, sample_pcm(SAMPLE), f"speech_model={new}", speed=4)
        assert words_wrong(sample_text(SAMPLE), fresh.text) <= 0.1


async def refused_while_switching(stack: PrivateStack, query: str) -> Transcript:
    """Connect again and again until a session of the old stack is refused, and return that refusal."""
    for _ in range(200):
        async with session(stack.endpoint, query) as socket:
            first = json.loads(await socket.recv())
            if first["type"] == "Error":
                heard = Transcript(messages=[first])
                return await collect(socket, heard)
        await asyncio.sleep(0.05)
    raise AssertionError("never refused")


@pytest.mark.parametrize(
    "name",
    [
        "streaming-api-00",
        "streaming-api-01",
        "streaming-asr-lb",
        "streaming-asr-english",
        "streaming-asr-multilang",
        "license-and-usage-proxy",
    ],
)
async def test_killed_program_comes_back_and_leaves_the_others_alone(stack: PrivateStack, name: str) -> None:
    """After kill -9 the program is ready again under a new pid, the others keep theirs, and sessions work."""
    before = services(stack)
    os.kill(before[name]["pid"], signal.SIGKILL)
    async with asyncio.timeout(RECOVERY_LIMIT_S):
        while True:
            after = await asyncio.to_thread(services, stack)
            if after[name]["ready"] and after[name]["pid"] != before[name]["pid"]:
                break
    others = [other for other in before if other != name]
    assert {other: after[other]["pid"] for other in others} == {other: before[other]["pid"] for other in others}
    model = "multilingual" if name.endswith("multilang") else "english"
    heard = await transcribe(stack.endpoint, sample_pcm(SAMPLE), f"speech_model=universal-streaming-{model}", speed=4)
    assert words_wrong(sample_text(SAMPLE), heard.text) <= 0.1


@pytest.mark.parametrize("name", ["streaming-asr-english", "streaming-asr-lb"])
async def test_session_outlives_a_killed_backend_word_for_word(stack: PrivateStack, name: str) -> None:
    """Kill it in the middle of a turn: same final turns as the undisturbed run, times monotonic."""
    pcm = sample_pcm("appointment.wav")
    undisturbed = await transcribe(stack.endpoint, pcm, "speech_model=universal-streaming-english", speed=4)
    pid = services(stack)[name]["pid"]
    async with session(stack.endpoint, "speech_model=universal-streaming-english") as socket:
        heard = Transcript()
        reading = asyncio.create_task(collect(socket, heard))
        for number, at in enumerate(range(0, len(pcm), 3200)):
            await socket.send(pcm[at : at + 3200])
            await asyncio.sleep(0.1)
            if number == 20:
                os.kill(pid, signal.SIGKILL)
        # A slow machine may still be starting the backend; the first turn tells when it is there.
        async with asyncio.timeout(RECOVERY_LIMIT_S):
            while not heard.finals and not reading.done():
                await asyncio.wait({reading}, timeout=0.1)
        await socket.send('{"type":"Terminate"}')
        await reading
    assert heard.close_code == 1000
    assert heard.finals == undisturbed.finals
    starts = [word["start"] for turn in heard.finals for word in turn["words"]]
    assert starts == sorted(starts)


async def test_capacity_is_refused_with_3009_before_begin() -> None:
    """A backend with one stream refuses the second session; the first goes on."""
    with private_stack(MAX_OPEN_STREAMS="1") as small:
        async with session(small.endpoint) as first:
            assert json.loads(await first.recv())["type"] == "Begin"
            async with session(small.endpoint) as second:
                heard = await collect(second, Transcript())
            assert [message["type"] for message in heard.messages] == ["Error"]
            assert heard.close_code == heard.messages[0]["error_code"] == 3009
            await first.send('{"type":"Terminate"}')
            rest = await collect(first, Transcript())
            assert rest.close_code == 1000
