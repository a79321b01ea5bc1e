"""Relay gRPC calls to the backend their metadata names: opaque bytes both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]

from runtime.grpc_tls import open_channel
from runtime.logs import get_logger
from services.router.table import ROUTING_HEADER, Refusal, RoutingTable

HEALTH_SERVICE = "grpc.health.v1.Health"
FIRST_REQUEST_LIMIT_S = 1.0
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # One address, two backends over time: never share a subchannel with an older channel.
    ("grpc.use_local_subchannel_pool", 1),
)


def _as_is(data: bytes) -> bytes:
    return data


class Relay(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Handles every method of every service alike; health without a routing header is the router's own."""

    def __init__(self, table: RoutingTable, credentials: grpc.ChannelCredentials | None = None) -> None:
        """Start with a table, which may be replaced at any time; backends speak TLS when there are credentials."""
        self.table = table
        self._credentials = credentials
        self.open_streams = 0
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._log = get_logger("streaming-asr-lb")

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a call, None to let the router's own services answer."""
        method = details.method
        headers = dict(details.invocation_metadata or ())
        header = headers.get(ROUTING_HEADER)
        if method.startswith(f"/{HEALTH_SERVICE}/") and header is None:
            return None
        target = self.table.route(str(header) if header is not None else None)

        async def relay(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> None:
            if isinstance(target, Refusal):
                # Read before refusing: a client whose first write fails never learns the status.
                with suppress(TimeoutError):
                    async with asyncio.timeout(FIRST_REQUEST_LIMIT_S):
                        await anext(requests, None)
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, target.value)
            else:
                await self._relay(method, target, requests, context)

        return grpc.stream_stream_rpc_method_handler(relay, _as_is, _as_is)

    def connect(self) -> None:
        """Dial every backend of the table now, so that the first stream need not wait."""
        for target in self.table.backends.values():
            self._channel(target).get_state(try_to_connect=True)

    async def close(self) -> None:
        """Close every connection to a backend."""
        for channel in self._channels.values():
            await channel.close(None)

    async def _relay(
        self,
        method: str,
        target: str,
        requests: AsyncIterator[bytes],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        metadata = tuple((key, value) for key, value in (context.invocation_metadata() or ()) if key.startswith("x-"))
        open_call = self._channel(target).stream_stream(method, _as_is, _as_is)
        self.open_streams += 1
        first_read = asyncio.Event()

        async def noted() -> AsyncIterator[bytes]:
            async for request in requests:
                first_read.set()
                yield request

        call = open_call(noted(), metadata=metadata, timeout=context.time_remaining())
        try:
            async for response in call:
                await context.write(response)
            trailing = await call.trailing_metadata()
            context.set_trailing_metadata(tuple(trailing or ()))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                self._log.warning("backend unavailable", target=target, cause=error.details())
            # Read before refusing, as above: a backend that is gone fails the call before anything was sent.
            with suppress(TimeoutError):
                await asyncio.wait_for(first_read.wait(), FIRST_REQUEST_LIMIT_S)
            context.set_trailing_metadata(tuple(error.trailing_metadata() or ()))  # type: ignore[arg-type]
            await context.abort(error.code(), error.details() or "")
        finally:
            call.cancel()
            self.open_streams -= 1

    def _channel(self, target: str) -> grpc.aio.Channel:
        channel = self._channels.get(target)
        if channel is None:
            channel = self._channels[target] = open_channel(target, self._credentials, CHANNEL_OPTIONS)
        return channel


async def own_health() -> grpc.GenericRpcHandler:  # type: ignore[type-arg]
    """Return the router's own health service, as a handler to stand behind the relay.

    Registered the usual way it would stand before the relay and hide the health of the backends.
    """
    servicer = health_aio.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    request = health_pb2.HealthCheckRequest.FromString
    response = health_pb2.HealthCheckResponse.SerializeToString
    return grpc.method_handlers_generic_handler(
        HEALTH_SERVICE,
        {
            "Check": grpc.unary_unary_rpc_method_handler(servicer.Check, request, response),
            "Watch": grpc.unary_stream_rpc_method_handler(servicer.Watch, request, response),
        },
    )
