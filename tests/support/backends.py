"""gRPC backends with a known behaviour, for tests of what stands in front of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc


class EchoBackend(grpc.GenericRpcHandler):
    """Answers each request of any method with its own name and the bytes it got.

    The request ``fail`` ends the call with FAILED_PRECONDITION and trailing metadata; ``hang`` waits until
    the call is cancelled, then sets ``cancelled``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.cancelled = asyncio.Event()
        self.metadata: dict[str, Any] = {}

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def echo(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
            self.metadata = dict(context.invocation_metadata())
            try:
                async for request in requests:
                    if request == b"fail":
                        context.set_trailing_metadata((("x-reason", "asked"),))
                        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "asked to fail: ü")
                    if request == b"hang":
                        await asyncio.Event().wait()
                    await context.write(self.name.encode() + b":" + request)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise

        return grpc.stream_stream_rpc_method_handler(echo, lambda data: data, lambda data: data)


async def start_backend(handler: grpc.GenericRpcHandler, port: int) -> grpc.aio.Server:
    """Serve a handler on a port of this machine."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)))
    server.add_generic_rpc_handlers((handler,))
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    await server.start()
    return server
