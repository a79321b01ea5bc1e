"""The gateway's side of the recogniser stream: gRPC in, typed errors out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc

from protos import asr_v1_pb2 as asr
from protos import asr_v1_pb2_grpc
from runtime.errors import AppError, CapacityError, EngineError, UpstreamError
from runtime.grpc_tls import open_channel

CHANNEL_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # A restarted router is back within a second; do not wait the default minutes before dialling again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
# Another stream would meet the same refusal.
NOT_RETRIED = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)


class RecognizerChannel:
    """One gRPC connection to the router, shared by all sessions of a worker."""

    def __init__(self, target: str, credentials: grpc.ChannelCredentials | None) -> None:
        """Prepare a channel; it connects with the first session.

        Args:
            target: host:port.
            credentials: for TLS; None for a plain connection.
        """
        self._channel = open_channel(target, credentials, CHANNEL_OPTIONS)
        self._stub = asr_v1_pb2_grpc.SpeechRecognitionStub(self._channel)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        """Dial the router now, so that the first session need not wait for it."""
        self._channel.get_state(try_to_connect=True)

    def open(self, model: str, session_id: str) -> RecognizerStream:
        """Start a stream to the backend of a model.

        A router that is just being restarted is waited for; the session's own limit ends the wait.
        """
        call = self._stub.Recognize(
            metadata=(("x-model-version", model), ("x-session-id", session_id)), wait_for_ready=True
        )
        return RecognizerStream(call)

    async def close(self) -> None:
        """Close the connection; running streams are cancelled."""
        await self._channel.close(None)


class RecognizerStream:
    """One session's stream; requests and responses are independent."""

    def __init__(self, call: Any) -> None:
        """Wrap a started call."""
        self._call = call

    async def send(self, request: asr.RecognizeRequest) -> None:
        """Send one request, waiting for flow control.

        Raises:
            AppError: the stream is over; see ``failure``.
        """
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError) as error:
            raise UpstreamError("the recogniser's stream is closed") from error

    async def responses(self) -> AsyncIterator[asr.RecognizeResponse]:
        """Yield responses until the stream ends.

        Raises:
            CapacityError: the backend is full.
            EngineError: the backend refuses this session, and would again.
            UpstreamError: the backend, or the way to it, failed.
        """
        try:
            async for response in self._call:
                yield cast(asr.RecognizeResponse, response)
        except grpc.aio.AioRpcError as error:
            raise _typed(error) from error

    def cancel(self) -> None:
        """Drop the stream; the backend frees the slot."""
        self._call.cancel()


def _typed(error: grpc.aio.AioRpcError) -> AppError:
    text = f"{error.code().name}: {error.details()}"
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return CapacityError(text)
    if error.code() in NOT_RETRIED:
        return EngineError(text)
    return UpstreamError(text)
