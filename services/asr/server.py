"""The gRPC shell of an ASR server: admission, one task pair per stream, health, drain."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]

from protos import asr_v1_pb2 as asr
from protos import asr_v1_pb2_grpc
from runtime.catalog import AsrServer
from runtime.errors import CapacityError, EngineError, EnvironmentFault, InvalidInput
from runtime.grpc_tls import add_port, server_credentials
from runtime.health import AdminServer, Health
from runtime.logs import get_logger
from runtime.process import Shutdown
from runtime.settings import AsrSettings
from services.asr.engines.base import Closed, Event, Failed, Recognizer, SessionHandle, SessionSpec
from services.asr.translate import event_response, ready_response, session_change, session_spec

SERVICE_NAME = "aai.asr.v1.SpeechRecognition"
MAX_REQUEST_BYTES = 1024 * 1024
# A stream that says nothing holds no slot, and not for long.
FIRST_REQUEST_LIMIT_S = 5.0
# How far responses may pile up for a client that does not read, before its audio is not read either.
MAX_WAITING_EVENTS = 1_000
# A stopping server lets open sessions finish this long; the gateway drains before it stops servers.
STOP_GRACE_S = 5.0
SERVER_OPTIONS = (
    # Two servers on one port would each get half the sessions; fail to bind instead.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class AsrProgram:
    """One ASR server process."""

    def __init__(self, server: AsrServer, settings: AsrSettings, recognizer: Recognizer) -> None:
        """Prepare a server for one model."""
        self._server = server
        self._settings = settings
        self._recognizer = recognizer
        self._port = settings.server_port or settings.asr_port(server.program)
        self._log = get_logger(server.program)
        self._streams = StreamService(recognizer, settings.max_open_streams, server.program)
        self._health = health_aio.HealthServicer()
        self._ready = False
        self._admin = AdminServer(settings.admin_socket(server.program), self._report)

    async def run(self, shutdown: Shutdown) -> int:
        """Serve until shut down.

        Raises:
            EnvironmentFault: the port is taken.
            EngineError: the engine cannot be loaded.
        """
        await self._admin.start()
        grpc_server = grpc.aio.server(options=SERVER_OPTIONS)
        asr_v1_pb2_grpc.add_SpeechRecognitionServicer_to_server(self._streams, grpc_server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, grpc_server)
        await self._set_health(serving=False)
        try:
            self._bind(grpc_server)
            await grpc_server.start()
            await self._recognizer.start()
            await self._set_health(serving=True)
            self._ready = True
            capabilities = self._recognizer.capabilities
            self._log.info(
                "engine loaded",
                model=self._server.model,
                engine=capabilities.engine,
                degraded=capabilities.degraded,
                languages=list(capabilities.languages),
                port=self._port,
            )
            if capabilities.degraded:
                self._log.warning("no model weights here: the embedded engine transcribes English, with more errors")
            self._log.info(self._server.ready_line)
            await shutdown.requested.wait()
            self._ready = False
            await self._set_health(serving=False)
            self._log.info("stopping", open_streams=self._streams.open_streams)
            return 0
        finally:
            await grpc_server.stop(0 if shutdown.is_orphan else STOP_GRACE_S)
            await self._recognizer.stop()
            await self._admin.stop()

    def _bind(self, grpc_server: grpc.aio.Server) -> None:
        try:
            bound = add_port(grpc_server, f"127.0.0.1:{self._port}", server_credentials(self._settings))
        except RuntimeError:
            bound = 0
        if bound != self._port:
            variable = "SERVER_PORT" if self._settings.server_port else self._server.port_variable
            raise EnvironmentFault(f"port {self._port} is taken by another program; free it or set {variable}")

    async def _set_health(self, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE_NAME, str(self._server.model)):
            await self._health.set(name, status)

    def _report(self) -> Health:
        capabilities = self._recognizer.capabilities
        return Health(
            program=self._server.program,
            pid=os.getpid(),
            ready=self._ready,
            port=self._port,
            detail="" if self._ready else "loading the model",
            facts={
                "model": self._server.model,
                "engine": capabilities.engine,
                "degraded": capabilities.degraded,
                "languages": list(capabilities.languages),
                "open_streams": self._streams.open_streams,
                "max_open_streams": self._settings.max_open_streams,
            },
        )


class StreamService(asr_v1_pb2_grpc.SpeechRecognitionServicer):
    """Admits streams and moves messages between a stream and its recogniser session."""

    def __init__(self, recognizer: Recognizer, max_open_streams: int, program: str) -> None:
        """Serve one recogniser.

        Args:
            max_open_streams: streams above this are refused with RESOURCE_EXHAUSTED.
        """
        self._recognizer = recognizer
        self._max_open_streams = max_open_streams
        self._log = get_logger(program)
        self.open_streams = 0

    async def Recognize(  # noqa: N802 - named by the proto
        self,
        request_iterator: AsyncIterator[asr.RecognizeRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        """Serve one session."""
        # Read before refusing: a client whose first write fails never learns the status.
        spec = await self._first_request(request_iterator, context)
        if self.open_streams >= self._max_open_streams:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"all {self._max_open_streams} streams of this server are in use"
            )
        self.open_streams += 1
        try:
            await self._serve(spec, request_iterator, context)
        finally:
            self.open_streams -= 1

    async def _serve(
        self,
        spec: SessionSpec,
        requests: AsyncIterator[asr.RecognizeRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(session_id=spec.session_id)
        events = EventQueue()
        try:
            handle = await self._recognizer.open(spec, events.put)
        except CapacityError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except EngineError as error:
            self._log.error("no recogniser worker", cause=str(error))
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        self._log.debug("stream opened", open_streams=self.open_streams)
        feeding = asyncio.create_task(self._feed(requests, handle, spec, events))
        try:
            await context.write(ready_response(self._recognizer.capabilities))
            while (event := await events.get()) is not None:
                if isinstance(event, Failed):
                    self._log.error("session failed", code=event.code, cause=event.message)
                await context.write(event_response(event))
                if isinstance(event, Closed | Failed):
                    break
            if feeding.done() and not feeding.cancelled() and feeding.exception() is not None:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(feeding.exception()))
        finally:
            feeding.cancel()
            with suppress(asyncio.CancelledError, InvalidInput):
                await feeding
            handle.abort()

    async def _first_request(
        self, requests: AsyncIterator[asr.RecognizeRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> SessionSpec:
        try:
            async with asyncio.timeout(FIRST_REQUEST_LIMIT_S):
                request = await anext(requests, None)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"no request within {FIRST_REQUEST_LIMIT_S:.0f} s")
        if request is not None and request.WhichOneof("request") == "config":
            try:
                return session_spec(request.config)
            except InvalidInput as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first request must be a SessionConfig")
        raise AssertionError("abort raises")

    async def _feed(
        self,
        requests: AsyncIterator[asr.RecognizeRequest],
        handle: SessionHandle,
        spec: SessionSpec,
        events: EventQueue,
    ) -> None:
        """Pass requests on until the client half-closes; flow control reaches back through unread requests.

        Raises:
            InvalidInput: a request the contract forbids.
        """
        turn_detection = spec.turn_detection
        finished = False
        try:
            async for request in requests:
                kind = request.WhichOneof("request")
                if kind == "audio":
                    if len(request.audio) % 2:
                        raise InvalidInput(f"{len(request.audio)} bytes of audio are no whole number of samples")
                    handle.feed(request.audio)
                    await handle.drained()
                    await events.has_room()
                elif kind == "update":
                    change = session_change(request.update, turn_detection)
                    turn_detection = change.turn_detection or turn_detection
                    handle.update(change)
                elif kind == "force_endpoint":
                    handle.force_endpoint()
                elif kind == "finish":
                    handle.finish()
                    finished = True
                else:
                    raise InvalidInput("a stream has one SessionConfig, and it is the first request")
            if not finished:
                handle.finish()
        except InvalidInput:
            events.end()
            raise


class EventQueue:
    """Events of one session on their way to its stream; the producer never waits.

    It is bounded by flow control: once ``MAX_WAITING_EVENTS`` are waiting, no more audio is read, and
    events come from audio only.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, event: Event) -> None:
        """Add an event; called on the event loop."""
        self._events.put_nowait(event)
        if self._events.qsize() >= MAX_WAITING_EVENTS:
            self._room.clear()

    def end(self) -> None:
        """Let the consumer see the end."""
        self._events.put_nowait(None)

    async def get(self) -> Event | None:
        """Return the next event, None at the end."""
        event = await self._events.get()
        if self._events.qsize() < MAX_WAITING_EVENTS:
            self._room.set()
        return event

    async def has_room(self) -> None:
        """Wait until few enough events are waiting."""
        await self._room.wait()
