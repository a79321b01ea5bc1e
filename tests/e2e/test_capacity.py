"""Sessions counted over real gateway workers, and what operators and Prometheus see of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from runtime.api_keys import add_api_key
from tests.support.lone_gateway import LoneGateway, lone_gateway
from tests.support.private_stack import private_stack
from tests.support.scripted_recognizer import ScriptedRecognizer
from tests.support.streaming import session, transcribe

TOO_MANY = "Unauthorized Connection: Too many concurrent sessions"
PATIENCE_S = 30.0


@asynccontextmanager
async def begun(endpoint: str, query: str = "sample_rate=16000", **headers: str) -> AsyncIterator[ClientConnection]:
    """Give a session that has its Begin."""
    async with session(endpoint, query, **headers) as socket:
        assert json.loads(await socket.recv())["type"] == "Begin"
        yield socket


async def refusal(endpoint: str, query: str = "sample_rate=16000", **headers: str) -> tuple[dict[str, Any], int | None]:
    """Return the first message of a session that is refused, and its close code."""
    async with session(endpoint, query, **headers) as socket:
        first = json.loads(await socket.recv())
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        return first, socket.close_code


async def samples(gateway: LoneGateway) -> dict[str, float]:
    """Return what Prometheus reads, by name and label values, model first."""
    port = gateway.environment["AAI_METRICS_PORT"]
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/metrics") as response:
        assert response.status == 200
        text = await response.text()
    return {
        "|".join((sample.name, *sorted(sample.labels.values(), reverse=True))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def eventually(gateway: LoneGateway, name: str, value: float) -> None:
    """Wait until a sample has a value."""
    async with asyncio.timeout(PATIENCE_S):
        while (await samples(gateway)).get(name) != value:  # noqa: ASYNC110 - asks another process
            await asyncio.sleep(0.05)


async def test_license_limit_holds_over_workers() -> None:
    """The third session is refused before Begin, whichever worker it reaches; a place that is free again is given."""
    async with lone_gateway(workers=2, max_sessions=2) as gateway:
        async with AsyncExitStack() as held:
            for _ in range(2):
                await held.enter_async_context(begun(gateway.endpoint))
            for _ in range(6):
                error, code = await refusal(gateway.endpoint)
                assert (error["error_code"], error["error"], code) == (3009, TOO_MANY, 3009)
        await eventually(gateway, "aai_open_sessions|en-default", 0)
        async with begun(gateway.endpoint):
            pass


async def test_worker_limit_is_its_own() -> None:
    """A worker takes no more than AAI_MAX_SESSIONS_PER_WORKER."""
    async with lone_gateway(AAI_MAX_SESSIONS_PER_WORKER="1") as gateway, begun(gateway.endpoint):
        assert (await refusal(gateway.endpoint))[1] == 3009


async def test_places_of_a_killed_worker_are_free_at_once() -> None:
    """Nobody has to give them back."""
    async with lone_gateway(workers=2, max_sessions=4) as gateway, AsyncExitStack() as held:
        for _ in range(4):
            await held.enter_async_context(begun(gateway.endpoint))
        used = [len((await worker.admin("GET", "/sessions"))[1]) for worker in gateway.workers]
        assert sum(used) == 4
        fuller = used.index(max(used))
        gateway.workers[fuller].process.kill()
        await gateway.workers[fuller].process.wait()
        other = gateway.workers[1 - fuller]
        for _ in range(used[fuller]):
            await held.enter_async_context(begun(gateway.endpoint))
        assert len((await other.admin("GET", "/sessions"))[1]) == 4
        assert (await refusal(gateway.endpoint))[1] == 3009


async def test_backend_that_refuses_against_the_count_is_3009() -> None:
    """A backend of another host names no limit; what it says at the first audio is passed on."""
    recognizer = ScriptedRecognizer()
    recognizer.refuse = True
    async with lone_gateway(recognizer=recognizer) as gateway:
        transcript = await transcribe(gateway.endpoint, bytes(3_200))
        assert transcript.close_code == 3009
        assert [message["type"] for message in transcript.messages] == ["Begin", "Error"]


async def test_silent_session_holds_no_recogniser_stream() -> None:
    """It opens with the first audio."""
    async with lone_gateway() as gateway, begun(gateway.endpoint) as socket:
        assert gateway.recognizer.opened_streams == 0
        await socket.send(bytes(16_000))
        assert json.loads(await socket.recv())["type"] == "Turn"
        assert gateway.recognizer.open_streams == 1


async def test_clients_with_a_backlog_are_not_read_above_the_bound() -> None:
    """Their sends wait, and nothing is dropped. A session that keeps up goes on meanwhile."""
    recognizer = ScriptedRecognizer()
    recognizer.held_models = {"ml-default"}
    bound_s = (1 << 20) / 32_000
    async with lone_gateway(recognizer=recognizer, AAI_MAX_WAITING_AUDIO_MIB="1") as gateway:

        async def health() -> dict[str, Any]:
            return dict((await gateway.workers[0].admin("GET", "/health"))[1])

        query = "speech_model=universal-streaming-multilingual"
        lagging = asyncio.create_task(transcribe(gateway.endpoint, bytes(32_000 * 200), query, speed=1_000))
        async with asyncio.timeout(PATIENCE_S):
            while not (await health())["detail"]:  # noqa: ASYNC110 - asks another process
                await asyncio.sleep(0.05)
        assert (await health())["detail"] == "recognisers lag behind: clients with a backlog are not read"
        neighbour = await transcribe(gateway.endpoint, bytes(32 * 9_000), speed=10)
        assert (neighbour.close_code, len(neighbour.finals)) == (1000, 3)
        # One frame is read before the bound is noticed.
        assert bound_s <= (await health())["facts"]["waiting_audio_s"] <= bound_s + 1
        recognizer.release.set()
        transcript = await lagging
        assert (transcript.close_code, len(transcript.finals)) == (1000, 200 * 5 // 20)
        assert (await health())["detail"] == ""


async def test_sessions_tell_latency_lag_and_label() -> None:
    """What an operator needs to know of a session, and nothing of what was said."""
    async with lone_gateway(AAI_AUTH_MODE="keys") as gateway:
        key = add_api_key(gateway.home / "keys" / "api-keys.json", "acme", None, now_s=int(time.time()))
        async with begun(gateway.endpoint, Authorization=key) as socket:
            for _ in range(50):
                await socket.send(bytes(3_200))
            while not json.loads(await socket.recv())["end_of_turn"]:
                pass
            (seen,) = (await gateway.workers[0].admin("GET", "/sessions"))[1]
        assert (seen["label"], seen["model"], seen["state"]) == ("acme", "en-default", "open")
        assert (seen["audio_s"], seen["turns"], seen["recognizer"]) == (5.0, 1, "live")
        assert 0 <= seen["lag_s"] <= 5
        assert seen["first_partial_latency_ms"] >= 0
        assert seen["turn_latency_ms"] >= 0
        assert not {"transcript", "text", "words"} & set(seen)


async def test_metrics_are_merged_over_workers_and_outlive_them() -> None:
    """Any worker answers for all; a worker that was killed takes back nothing but what was open in it."""
    async with lone_gateway(workers=2, max_sessions=10) as gateway:
        for _ in range(6):
            transcript = await transcribe(gateway.endpoint, bytes(32 * 4_600), speed=50)
            assert transcript.close_code == 1000
        assert (await refusal(gateway.endpoint, "speech_model=nonsense"))[1] == 3006
        found = await samples(gateway)
        assert found["aai_sessions_total|en-default"] == 6
        assert found["aai_session_closes_total|en-default|1000"] == 6
        assert found["aai_sessions_refused_total|3006"] == 1
        assert found["aai_turns_total|en-default"] == 12
        assert found["aai_words_total|en-default"] == 6 * 23
        assert found["aai_audio_seconds_total|en-default"] == pytest.approx(6 * 4.6)
        assert found["aai_turn_end_latency_seconds_count|en-default"] == 12
        assert found["aai_first_partial_latency_seconds_count|en-default"] == 12
        async with begun(gateway.endpoint), begun(gateway.endpoint):
            found = await samples(gateway)
            assert found["aai_open_sessions|en-default"] == 2
            assert found["aai_capacity_used_ratio"] == pytest.approx(0.2)
            gateway.workers[0].process.kill()
            await gateway.workers[0].process.wait()
            found = await samples(gateway)
            assert found["aai_sessions_total|en-default"] == 8
            assert found["aai_turns_total|en-default"] == 12
        await eventually(gateway, "aai_open_sessions|en-default", 0)


def test_backend_limit_is_refused_before_begin_and_health_says_how_full() -> None:
    """MAX_OPEN_STREAMS of the ASR server counts over both workers; another backend still has room."""

    async def check(endpoint: str, admin: Any) -> None:
        async with begun(endpoint), begun(endpoint):
            for _ in range(4):
                error, code = await refusal(endpoint)
                assert (error["error"], code) == (TOO_MANY, 3009)
            async with begun(endpoint, "speech_model=universal-streaming-multilingual"):
                facts = (await admin())["facts"]
                assert facts["backends"]["en-default"] == {"sessions": 2, "max_sessions": 2, "problem": ""}
                assert facts["capacity_used_ratio"] == 1.0

    with private_stack(MAX_OPEN_STREAMS="2") as stack:

        async def admin() -> Any:
            path = str(stack.home / "run" / "streaming-api-00.sock")
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as client,
                client.get("http://admin/health") as response,
            ):
                return await response.json()

        asyncio.run(check(stack.endpoint, admin))
