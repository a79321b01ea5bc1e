"""One client connection: performs what its Session decides. No protocol rules here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from protos import asr_v1_pb2 as asr
from runtime.clock import Clock
from runtime.errors import AppError, UpstreamError
from services.gateway.recognition import DropUpstream, OpenUpstream, SendUpstream
from services.gateway.session import CloseClient, SendFrame, Session
from services.gateway.upstream import RecognizerStream

# A client that reads nothing for this long is not coming back.
SEND_LIMIT_S = 10.0
# 300 s of audio in the shortest frames are 6,000 requests; a flood of control messages stops being read here.
MAX_WAITING_REQUESTS = 16_384


class Link:
    """One recogniser stream with the requests that wait for it.

    The queue needs no bound of its own: the client is not read above MAX_WAITING_REQUESTS.
    """

    def __init__(self, stream: RecognizerStream, room: asyncio.Event) -> None:
        """Bind a stream; ``room`` is set whenever few enough requests wait."""
        self.stream = stream
        self._room = room
        self._requests: asyncio.Queue[asr.RecognizeRequest] = asyncio.Queue()
        self.tasks: list[asyncio.Task[None]] = []

    def put(self, request: asr.RecognizeRequest) -> None:
        """Queue a request."""
        self._requests.put_nowait(request)
        if self._requests.qsize() >= MAX_WAITING_REQUESTS:
            self._room.clear()

    async def write(self) -> None:
        """Send queued requests until the stream is over."""
        with suppress(UpstreamError):  # whoever reads the stream learns the cause
            while True:
                request = await self._requests.get()
                if self._requests.qsize() < MAX_WAITING_REQUESTS:
                    self._room.set()
                await self.stream.send(request)
        self._room.set()

    def cancel(self) -> None:
        """Drop the stream and end its tasks."""
        self.stream.cancel()
        for task in self.tasks:
            task.cancel()


class Connection:
    """Tasks of one session: client reader, timer, and reader and writer of the current recogniser stream."""

    def __init__(
        self, socket: ServerConnection, session: Session, open_stream: Callable[[], RecognizerStream], clock: Clock
    ) -> None:
        """Bind a session to its client.

        Args:
            open_stream: starts a stream to the session's backend, each time the session wants one.
        """
        self._socket = socket
        self._session = session
        self._open_stream = open_stream
        self._clock = clock
        self._link: Link | None = None
        self._output_lock = asyncio.Lock()
        self._ended = asyncio.Event()
        self._begun = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._deadline_moved_up = asyncio.Event()
        self._awaited_deadline_ms: int | None = None
        self._failure: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serve until the session has ended."""
        await self._flush()
        ended: asyncio.Future[bool] = asyncio.ensure_future(self._ended.wait())
        tasks = [self._start(self._read_client()), self._start(self._keep_time())]
        try:
            # A task that fails ends the connection; one that merely finishes does not.
            await asyncio.wait([ended, self._failure], return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
        finally:
            link_tasks = self._link.tasks if self._link else []
            if self._link is not None:
                self._link.cancel()
            for task in tasks:
                task.cancel()
            ended.cancel()
            self._failure.cancel()
            await asyncio.gather(*tasks, ended, *link_tasks, return_exceptions=True)

    async def drain(self, limit_s: float) -> None:
        """Let the session run on for a while, then end it in order."""
        self._session.drain(round(limit_s * 1000), self._clock.monotonic_ms())
        await self._flush()

    async def fail(self, error: AppError) -> None:
        """End the session with an error."""
        self._session.fail(error)
        await self._flush()

    async def closed(self) -> None:
        """Wait until the session has ended and its close handshake is over."""
        await self._ended.wait()
        await self._socket.wait_closed()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start a task whose unexpected end, by an exception, ends the connection."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._notice)
        return task

    def _notice(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def _read_client(self) -> None:
        # Frames sent before Begin stay in the socket's queue until the backend is there to take them.
        await self._until_begun_or_gone()
        with suppress(ConnectionClosed):  # told below, as every end of the socket is
            async for message in self._socket:
                if isinstance(message, bytes):
                    for piece in self._session.slices_of(message):
                        self._session.receive_audio(piece, self._clock.monotonic_ms())
                        await self._flush()
                        if piece is not message:
                            await asyncio.sleep(0)  # others' turn
                else:
                    self._session.receive_text(message, self._clock.monotonic_ms())
                    await self._flush()
                await self._room.wait()
        self._session.receive_disconnect()
        await self._flush()

    async def _until_begun_or_gone(self) -> None:
        waits = {asyncio.create_task(self._begun.wait()), asyncio.create_task(self._socket.wait_closed())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _read_recognizer(self, link: Link) -> None:
        failure: AppError = UpstreamError("the recogniser closed the stream")
        try:
            async for response in link.stream.responses():
                self._session.receive_recognition(response, self._clock.monotonic_ms())
                await self._flush()
                if link is not self._link:
                    return  # the session has given this stream up
        except AppError as error:
            failure = error
        if link is self._link:
            self._session.receive_upstream_failure(failure, self._clock.monotonic_ms())
            await self._flush()

    async def _keep_time(self) -> None:
        while (deadline_ms := self._session.next_deadline_ms()) is not None:
            self._deadline_moved_up.clear()
            self._awaited_deadline_ms = deadline_ms
            wait_s = max(deadline_ms - self._clock.monotonic_ms(), 0) / 1000
            with suppress(TimeoutError):
                await asyncio.wait_for(self._deadline_moved_up.wait(), wait_s)
            self._session.tick(self._clock.monotonic_ms())
            await self._flush()

    async def _flush(self) -> None:
        """Perform pending outputs in order, one flush at a time."""
        async with self._output_lock:
            for output in self._session.take_output():
                match output:
                    case SendFrame(text):
                        await self._send(text)
                        self._begun.set()
                    case SendUpstream(request):
                        assert self._link is not None  # the session sends on open streams only
                        self._link.put(request)
                    case OpenUpstream(config):
                        self._open(config)
                    case DropUpstream():
                        self._drop()
                    case CloseClient(code, reason):
                        # The library bounds the close handshake itself.
                        await self._socket.close(code, reason)
            deadline_ms = self._session.next_deadline_ms()
            if deadline_ms is not None and deadline_ms < (self._awaited_deadline_ms or 0):
                self._deadline_moved_up.set()
            if self._session.ended:
                self._ended.set()

    def _open(self, config: asr.RecognizeRequest) -> None:
        self._drop()
        self._link = Link(self._open_stream(), self._room)
        self._link.put(config)
        self._link.tasks = [self._start(self._read_recognizer(self._link)), self._start(self._link.write())]

    def _drop(self) -> None:
        """Cancel the current stream; its reader, who may be calling, ends by itself."""
        link, self._link = self._link, None
        if link is not None:
            link.stream.cancel()
            link.tasks[-1].cancel()
            self._room.set()

    async def _send(self, text: str) -> None:
        try:
            await asyncio.wait_for(self._socket.send(text), SEND_LIMIT_S)
        except ConnectionClosed:
            return  # the reader notices
        except TimeoutError:
            self._socket.transport.abort()
