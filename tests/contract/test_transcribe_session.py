"""The transcribing client against a gateway that behaves well, badly, or not at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from runtime.errors import UpstreamError
from tui.live import GatewayUnreachable, Recording, SessionFailed, session_url, transcribe_recording
from tui.transcription import Output, Transcription

BEGIN = json.dumps({"type": "Begin", "id": "s1", "expires_at": 1, "configuration": {"model": "m"}})
TERMINATION = json.dumps({"type": "Termination", "audio_duration_seconds": 0, "session_duration_seconds": 0})
# 250 ms: two whole blocks and a short one.
RECORDING = Recording(b"\1\0" * 4_000, 16_000, None)

Behaviour = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def _gateway(behaviour: Behaviour) -> AsyncIterator[str]:
    async with serve(behaviour, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield session_url(f"ws://127.0.0.1:{port}", RECORDING.sample_rate_hz, None)


async def _transcribe(behaviour: Behaviour) -> tuple[Transcription, list[Output]]:
    transcription, outputs = Transcription(), list[Output]()
    async with _gateway(behaviour) as url:
        await transcribe_recording(url, RECORDING, transcription, outputs.append)
    return transcription, outputs


async def test_recording_is_sent_whole_in_blocks_after_begin_and_ended_with_terminate() -> None:
    """Credential, rate, 100 ms blocks with a short last one, Terminate."""
    received: list[str | bytes] = []
    seen: dict[str, str] = {}

    async def gateway(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen["authorization"] = connection.request.headers["Authorization"]
        seen["path"] = connection.request.path
        await connection.send(BEGIN)
        async for message in connection:
            received.append(message)
            if isinstance(message, str):
                await connection.send(TERMINATION)
                return

    transcription, _ = await _transcribe(gateway)
    assert seen == {"authorization": "self-hosted", "path": "/?sample_rate=16000"}
    assert [len(message) for message in received[:-1]] == [3_200, 3_200, 1_600]
    assert b"".join(message for message in received if isinstance(message, bytes)) == RECORDING.pcm16
    assert json.loads(received[-1]) == {"type": "Terminate"}
    assert transcription.session_id == "s1"


async def test_error_before_begin_fails_with_its_code_and_text() -> None:
    """A refused session is reported in the gateway's words."""

    async def gateway(connection: ServerConnection) -> None:
        await connection.send('{"type":"Error","error_code":3006,"error":"Invalid \'speech_model\'"}')
        await connection.close(3006)

    with pytest.raises(SessionFailed, match="Invalid 'speech_model'") as failed:
        await _transcribe(gateway)
    assert (failed.value.code, failed.value.exit_code) == (3006, 1)


async def test_close_without_termination_fails_with_the_close_code() -> None:
    """A session that just ends is not a transcript."""

    async def gateway(connection: ServerConnection) -> None:
        await connection.send(BEGIN)
        await connection.close(3005, "backend lost")

    with pytest.raises(SessionFailed, match="backend lost") as failed:
        await _transcribe(gateway)
    assert failed.value.code == 3005


async def test_answer_that_is_not_the_protocol_is_an_upstream_error() -> None:
    """Anything may listen on a port."""

    async def gateway(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.wait_closed()

    with pytest.raises(UpstreamError, match="breaks the protocol"):
        await _transcribe(gateway)


async def test_nobody_listening_is_unreachable_with_exit_code_five() -> None:
    """A refused connection names the address."""

    async def gateway(_connection: ServerConnection) -> None:
        return

    async with _gateway(gateway) as url:
        pass
    with pytest.raises(GatewayUnreachable, match="connection refused") as failed:
        await transcribe_recording(url, RECORDING, Transcription(), lambda _output: None)
    assert failed.value.exit_code == 5
