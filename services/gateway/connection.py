"""One client connection: performs what its Session decides. No protocol rules here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from protos import asr_v1_pb2 as asr
from runtime.clock import Clock
from runtime.errors import AppError, UpstreamError
from services.gateway.latency import Measurement
from services.gateway.recognition import DropUpstream, OpenUpstream, SendUpstream
from services.gateway.session import CloseClient, Measured, SendFrame, Session
from services.gateway.upstream import RecognizerStream
from services.gateway.waiting_audio import WaitingAudio

# One read of a socket can bring 40,000 tiny messages; other sessions get their turn in between.
MESSAGES_A_TURN = 16
# 300 s of audio in the shortest frames are 6,000 requests; a flood of control messages stops being read here.
MAX_WAITING_REQUESTS = 16_384
# A client that is not read cannot be seen to leave, nor its pongs; recognisers that lag for longer have failed it.
ROOM_LIMIT_S = 30.0


class Link:
    """One recogniser stream with the requests that wait for it.

    The queue needs no bound of its own: the client is not read above MAX_WAITING_REQUESTS.
    """

    def __init__(self, stream: RecognizerStream) -> None:
        """Bind a stream."""
        self.stream = stream
        self._requests: asyncio.Queue[asr.RecognizeRequest] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self.tasks: list[asyncio.Task[None]] = []

    def put(self, request: asr.RecognizeRequest) -> None:
        """Queue a request."""
        self._requests.put_nowait(request)
        if self._requests.qsize() >= MAX_WAITING_REQUESTS:
            self._room.clear()

    @property
    def is_full(self) -> bool:
        """The client should not be read now."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait until few enough requests wait, or the stream is over."""
        await self._room.wait()

    async def write(self) -> None:
        """Send queued requests until the stream is over."""
        with suppress(UpstreamError):  # whoever reads the stream learns the cause
            while True:
                request = await self._requests.get()
                if self._requests.qsize() < MAX_WAITING_REQUESTS:
                    self._room.set()
                await self.stream.send(request)
        self._room.set()

    def drop(self) -> None:
        """Cancel the stream and its writer; the reader, who may be calling, notices."""
        self.stream.cancel()
        self.tasks[-1].cancel()
        self._room.set()


class Connection:
    """One session at work: reads the client; a recogniser stream brings two more tasks while there is one."""

    def __init__(
        self,
        socket: ServerConnection,
        session: Session,
        open_stream: Callable[[], RecognizerStream],
        clock: Clock,
        *,
        waiting_audio: WaitingAudio,
        measured: Callable[[Measurement], None],
    ) -> None:
        """Bind a session to its client.

        Args:
            open_stream: starts a stream to the session's backend, each time the session wants one.
            waiting_audio: of the whole worker.
            measured: takes what the session measured.
        """
        self._socket = socket
        self._session = session
        self._open_stream = open_stream
        self._clock = clock
        self._waiting_audio = waiting_audio
        self._measured = measured
        self._waiting_bytes = 0
        self._link: Link | None = None
        self._frames: list[SendFrame | CloseClient] = []
        self._output_lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_ms: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Serve until the socket is closed.

        Raises:
            BaseException: what no one expected, from any task of this connection.
        """
        try:
            await self._flush()
            await self._read_client()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._drop()
            for task in self._tasks:
                task.cancel()
            self._waiting_audio.add(-self._waiting_bytes)
            self._waiting_bytes = 0
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def drain(self, limit_s: float) -> None:
        """Let the session run on for a while, then end it in order."""
        self._session.drain(round(limit_s * 1000), self._clock.monotonic_ms())
        await self._flush()

    async def fail(self, error: AppError) -> None:
        """End the session with an error."""
        self._session.fail(error)
        await self._flush()

    async def closed(self) -> None:
        """Wait until the close handshake is over."""
        await self._socket.wait_closed()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task whose unexpected end, by an exception, ends the connection."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._notice)
        return task

    def _notice(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._failure is None:
            self._failure = error
            self._socket.transport.abort()  # the reader ends, and reports

    async def _read_client(self) -> None:
        session, clock = self._session, self._clock
        messages = 0
        with suppress(ConnectionClosed):  # told below, as every end of the socket is
            async for message in self._socket:
                if isinstance(message, str):
                    session.receive_text(message, clock.monotonic_ms())
                    await self._flush()
                else:
                    for piece in session.slices_of(message):
                        session.receive_audio(piece, clock.monotonic_ms())
                        await self._flush_audio()
                        if piece is not message:
                            await asyncio.sleep(0)  # others' turn
                if self._link is not None and self._link.is_full:
                    await self._link.room()
                if self._waiting_audio.must_wait(self._waiting_bytes):
                    await self._until_room()
                messages += 1
                if messages % MESSAGES_A_TURN == 0:
                    await asyncio.sleep(0)  # none of the above waits while messages are there and all goes well
        session.receive_disconnect()
        await self._flush()

    async def _until_room(self) -> None:
        try:
            async with asyncio.timeout(ROOM_LIMIT_S):
                while self._waiting_audio.must_wait(self._waiting_bytes):
                    await self._waiting_audio.room()
        except TimeoutError:
            await self.fail(UpstreamError(f"no room for more audio for {ROOM_LIMIT_S:.0f} s"))

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

    def _keep_time(self) -> None:
        self._deadline_ms = None
        self._session.tick(self._clock.monotonic_ms())
        self._start(self._flush())

    def _set_timer(self) -> None:
        """Wake up at the session's next deadline; waking up early does no harm."""
        deadline_ms = self._session.next_deadline_ms()
        if deadline_ms is None or (self._deadline_ms is not None and deadline_ms >= self._deadline_ms):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._deadline_ms = deadline_ms
        wait_s = max(deadline_ms - self._clock.monotonic_ms(), 0) / 1000
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._keep_time)

    async def _flush_audio(self) -> None:
        """Perform pending outputs after audio; most often that is one request, and no deadline came closer."""
        if self._perform():
            await self._flush()

    async def _flush(self) -> None:
        """Perform pending outputs, frames in their order."""
        self._perform()
        self._set_timer()
        if self._frames:
            # Frames are taken and the lock is asked for without a wait in between, so they keep their order.
            frames, self._frames = self._frames, []
            async with self._output_lock:
                for frame in frames:
                    await self._say(frame)

    def _perform(self) -> bool:
        """Perform outputs that need no waiting, keep frames for their turn; tell whether there was more than audio."""
        more_than_audio = False
        for output in self._session.take_output():
            match output:
                case SendUpstream(request):
                    assert self._link is not None  # the session sends on open streams only
                    self._link.put(request)
                    continue
                case SendFrame() | CloseClient():
                    self._frames.append(output)
                case Measured(measurement):
                    self._measured(measurement)
                case OpenUpstream(config):
                    self._open(config)
                case DropUpstream():
                    self._drop()
            more_than_audio = True
        waiting_bytes = self._session.waiting_bytes
        self._waiting_audio.add(waiting_bytes - self._waiting_bytes)
        self._waiting_bytes = waiting_bytes
        return more_than_audio

    async def _say(self, frame: SendFrame | CloseClient) -> None:
        if isinstance(frame, CloseClient):
            # The library bounds the close handshake itself.
            await self._socket.close(frame.code, frame.reason)
            return
        # A client that does not read is given up by its socket; the reader notices, as it does every end.
        with suppress(ConnectionClosed):
            await self._socket.send(frame.text)

    def _open(self, config: asr.RecognizeRequest) -> None:
        self._drop()
        link = self._link = Link(self._open_stream())
        link.put(config)
        link.tasks = [self._start(self._read_recognizer(link)), self._start(link.write())]

    def _drop(self) -> None:
        """Cancel the current stream; its reader, who may be calling, ends by itself."""
        link, self._link = self._link, None
        if link is not None:
            link.drop()
