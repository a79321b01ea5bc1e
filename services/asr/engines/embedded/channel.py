"""The server's end of the socket to one worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import Callable
from typing import cast

from runtime.errors import EngineError
from services.asr.engines.base import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from services.asr.engines.embedded.wire import HEADER, Codec, Command, Report, WorkerReady

UNSENT_LIMIT_BYTES = 2 * SAMPLE_RATE_HZ * BYTES_PER_SAMPLE


class WorkerChannel(asyncio.Protocol):
    """Reports of a worker as they come, commands to it, and its end.

    Attributes:
        on_report: called for every report after the worker's readiness.
        on_end: called once when the worker is gone, unless ``close`` was called before.
    """

    def __init__(self, released: Callable[[WorkerChannel], None]) -> None:
        """Prepare for ``create_unix_connection``; ``released`` is called when the socket is closed, always."""
        self._released = released
        self.on_report: Callable[[Report], None] = _ignore
        self.on_end: Callable[[], None] = _nothing
        self.pid = 0
        self._codec = Codec()
        self._received = bytearray()
        self._pidfd = -1
        self._writable = asyncio.Event()
        self._writable.set()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    @property
    def is_alive(self) -> bool:
        """The worker runs; known from the kernel, before the end of its socket has been read."""
        if self._pidfd < 0:
            return False
        exits = select.poll()  # select() takes no descriptor above 1023
        exits.register(self._pidfd, select.POLLIN)
        return not exits.poll(0)

    async def ready(self) -> None:
        """Wait for the worker's readiness.

        Raises:
            EngineError: it ended before.
        """
        await self._ready

    def send(self, command: Command) -> None:
        """Queue a command; one to a worker that is gone is lost."""
        if self._transport is not None:
            self._transport.write(self._codec.encode(command))

    async def drained(self) -> None:
        """Wait until less than the limit is queued, or the worker is gone."""
        await self._writable.wait()

    def close(self) -> None:
        """Let go of a worker that ends by itself."""
        self.on_report, self.on_end = _ignore, _nothing
        if self._transport is not None:
            self._transport.abort()

    def kill(self) -> None:
        """End the worker at once, whatever it is doing."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=UNSENT_LIMIT_BYTES)

    def data_received(self, data: bytes) -> None:
        """Cut what arrived into reports; called by the event loop."""
        self._received += data
        offset = 0
        while len(self._received) - offset >= HEADER.size:
            (length,) = HEADER.unpack_from(self._received, offset)
            end = offset + HEADER.size + length
            if len(self._received) < end:
                break
            self._dispatch(self._codec.report(self._received[offset + HEADER.size : end]))
            offset = end
        del self._received[:offset]

    def pause_writing(self) -> None:
        """Too much is queued; called by the event loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The queue is short again; called by the event loop."""
        self._writable.set()

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell the owner and whoever waits that the worker is gone; called by the event loop."""
        self._transport = None
        self._writable.set()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        if not self._ready.done():
            self._ready.set_exception(EngineError("a recogniser process ended before it was ready"))
            self._ready.exception()  # read here, so that nobody has to be waiting for it
        self._released(self)
        on_end, self.on_end = self.on_end, _nothing
        on_end()

    def _dispatch(self, report: Report) -> None:
        if not isinstance(report, WorkerReady):
            self.on_report(report)
            return
        try:
            self._pidfd = os.pidfd_open(report.pid)
        except ProcessLookupError:
            return  # the end of its stream follows
        self.pid = report.pid
        if not self._ready.done():
            self._ready.set_result(None)


def _ignore(_report: Report) -> None:
    return


def _nothing() -> None:
    return
