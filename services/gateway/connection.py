"""One client connection: performs what its Session decides. No protocol rules here."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from protos import asr_v1_pb2 as asr
from runtime.clock import Clock
from runtime.errors import AppError, UpstreamError
from services.gateway.session import CloseClient, DropUpstream, SendFrame, SendUpstream, Session
from services.gateway.upstream import RecognizerStream

# A client that reads nothing for this long is not coming back.
SEND_LIMIT_S = 10.0
# 300 s of audio in the shortest frames are 6,000 requests; a flood of control messages stops being read here.
MAX_WAITING_REQUESTS = 16_384


class Connection:
    """Tasks of one session: client reader, recogniser reader, recogniser writer, timer.

    Waiting audio is bounded by the session's 300 s rule; above MAX_WAITING_REQUESTS the client is not read.
    """

    def __init__(self, socket: ServerConnection, session: Session, stream: RecognizerStream, clock: Clock) -> None:
        """Bind a session to its two peers."""
        self._socket = socket
        self._session = session
        self._stream = stream
        self._clock = clock
        self._requests: asyncio.Queue[asr.RecognizeRequest] = asyncio.Queue()
        self._output_lock = asyncio.Lock()
        self._ended = asyncio.Event()
        self._begun = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._deadline_moved_up = asyncio.Event()
        self._awaited_deadline_ms: int | None = None

    async def run(self) -> None:
        """Serve until the session has ended."""
        await self._flush()
        tasks = [
            asyncio.create_task(self._read_recognizer()),
            asyncio.create_task(self._write_recognizer()),
            asyncio.create_task(self._read_client()),
            asyncio.create_task(self._keep_time()),
        ]
        ended = asyncio.create_task(self._ended.wait())
        try:
            # A task that fails ends the session; one that merely finishes does not.
            pending = {ended, *tasks}
            while not ended.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            self._stream.cancel()
            for task in (*tasks, ended):
                task.cancel()
            await asyncio.gather(*tasks, ended, return_exceptions=True)

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

    async def _read_client(self) -> None:
        # Frames sent before Begin stay in the socket's queue until the backend is there to take them.
        await self._until_begun_or_gone()
        try:
            async for message in self._socket:
                now_ms = self._clock.monotonic_ms()
                if isinstance(message, bytes):
                    self._session.receive_audio(message, now_ms)
                else:
                    self._session.receive_text(message, now_ms)
                await self._flush()
                await self._room.wait()
        except ConnectionClosed:
            pass  # told below, as every end of the stream is
        self._session.receive_disconnect()
        await self._flush()

    async def _until_begun_or_gone(self) -> None:
        waits = {asyncio.create_task(self._begun.wait()), asyncio.create_task(self._socket.wait_closed())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _read_recognizer(self) -> None:
        failure: AppError = UpstreamError("the recogniser closed the stream")
        try:
            async for response in self._stream.responses():
                self._session.receive_recognition(response, self._clock.monotonic_ms())
                await self._flush()
        except AppError as error:
            failure = error
        self._session.receive_upstream_failure(failure)
        await self._flush()

    async def _write_recognizer(self) -> None:
        while True:
            request = await self._requests.get()
            if self._requests.qsize() < MAX_WAITING_REQUESTS:
                self._room.set()
            try:
                await self._stream.send(request)
            except UpstreamError:
                self._room.set()
                return  # the reader reports the cause

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
                        self._requests.put_nowait(request)
                        if self._requests.qsize() >= MAX_WAITING_REQUESTS:
                            self._room.clear()
                    case CloseClient(code, reason):
                        await self._close(code, reason)
                    case DropUpstream():
                        self._stream.cancel()
            deadline_ms = self._session.next_deadline_ms()
            if deadline_ms is not None and deadline_ms < (self._awaited_deadline_ms or 0):
                self._deadline_moved_up.set()
            if self._session.ended:
                self._ended.set()

    async def _send(self, text: str) -> None:
        try:
            await asyncio.wait_for(self._socket.send(text), SEND_LIMIT_S)
        except ConnectionClosed:
            return  # the reader notices
        except TimeoutError:
            self._socket.transport.abort()

    async def _close(self, code: int, reason: str) -> None:
        # The library bounds the close handshake itself.
        await self._socket.close(code, reason)
