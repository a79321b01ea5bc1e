"""The router as a process, between real gRPC clients and backends with a known behaviour."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.catalog import Stack
from runtime.deployment import Deployment, whole_stack, write_deployment
from tests.support.backends import EchoBackend, start_backend
from tests.support.private_stack import private_environment
from tests.support.programs import RunningProgram, program

METHOD = "/any.Service/Method"


@dataclass(slots=True)
class Setup:
    """A router with an English backend; multilang is deployed but nobody listens there."""

    router: RunningProgram
    english: EchoBackend
    channel: grpc.aio.Channel
    home: Path

    def call(self, requests: list[bytes], model: str | None = "en-default", **options: Any) -> Any:
        """Start a call with the given routing header."""
        metadata = (("x-model-version", model),) if model else ()

        async def stream() -> AsyncIterator[bytes]:
            for request in requests:
                yield request

        return self.channel.stream_stream(METHOD)(stream(), metadata=metadata, **options)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    """Run a router on free ports."""
    with tempfile.TemporaryDirectory(prefix="aai-", dir="/tmp") as name:
        home = Path(name)
        environment = private_environment(home)
        (home / "run").mkdir()
        write_deployment(home / "run", whole_stack(Stack.UNIVERSAL))
        english = EchoBackend("english")
        server = await start_backend(english, int(environment["AAI_ASR_ENGLISH_PORT"]))
        async with program(["streaming-asr-lb"], environment, "streaming-asr-lb-00") as router:
            target = f"127.0.0.1:{environment['AAI_ROUTER_PORT']}"
            async with grpc.aio.insecure_channel(target, options=(("grpc.max_receive_message_length", -1),)) as channel:
                yield Setup(router, english, channel, home)
        await server.stop(0)


@pytest.mark.parametrize("header", ["en-default", None, "no-such-model"])
async def test_stream_goes_to_english_also_without_a_known_header(setup: Setup, header: str | None) -> None:
    """Absent and unknown headers fall to English, as the vendor's router does."""
    assert [answer async for answer in setup.call([b"one", b"two"], header)] == [b"english:one", b"english:two"]


async def test_bytes_pass_unchanged_in_both_directions(setup: Setup) -> None:
    """Empty, binary and large messages arrive as they were sent."""
    messages = [b"", bytes(range(256)) * 40, bytes(5 * 1024 * 1024)]
    assert [answer async for answer in setup.call(messages)] == [b"english:" + message for message in messages]


async def test_metadata_of_the_client_reaches_the_backend(setup: Setup) -> None:
    """The session id is passed on."""
    call = setup.channel.stream_stream(METHOD)(
        iter_once(b"x"), metadata=(("x-model-version", "en-default"), ("x-session-id", "abc"))
    )
    assert [answer async for answer in call] == [b"english:x"]
    assert setup.english.metadata["x-session-id"] == "abc"


async def test_known_model_that_is_not_deployed_is_unimplemented(setup: Setup) -> None:
    """The Pro model on a universal stack is refused, not sent to English."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        [answer async for answer in setup.call([b"x"], "u3-pro")]
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_dead_backend_is_unavailable(setup: Setup) -> None:
    """Nobody listens on the port of a deployed model."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        [answer async for answer in setup.call([b"x"], "ml-default")]
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_error_of_the_backend_keeps_code_text_and_trailers(setup: Setup) -> None:
    """The client sees the backend's own status."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        [answer async for answer in setup.call([b"fail"])]
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert failed.value.details() == "asked to fail: ü"
    assert ("x-reason", "asked") in tuple(failed.value.trailing_metadata())


async def test_cancel_of_the_client_reaches_the_backend(setup: Setup) -> None:
    """A client that leaves frees the backend's stream."""
    call = setup.call([b"x", b"hang"])
    assert await call.read() == b"english:x"
    call.cancel()
    await asyncio.wait_for(setup.english.cancelled.wait(), 10)


async def test_own_health_is_serving_and_backend_health_is_forwarded(setup: Setup) -> None:
    """Without a routing header the router answers; with one the backend does (here: an echo, so an error)."""
    stub = health_pb2_grpc.HealthStub(setup.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.Check(health_pb2.HealthCheckRequest(), metadata=(("x-model-version", "ml-default"),))


async def test_reload_changes_the_table_without_a_restart(setup: Setup) -> None:
    """After a switch to nothing deployed, English is unimplemented too."""
    write_deployment(setup.home / "run", Deployment(None, ()))
    status, _ = await setup.router.admin("POST", "/deployment/reload")
    assert status == 200
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        [answer async for answer in setup.call([b"x"])]
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def iter_once(message: bytes) -> AsyncIterator[bytes]:
    """Yield one message."""
    yield message
