"""The embedded recogniser as the ASR server sees it: a pool of forked workers under asyncio."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from pathlib import Path

import structlog

import services
from runtime.errors import EngineError
from services.asr.engines.base import Capabilities, Closed, EventSink, Failed, SessionChange, SessionSpec
from services.asr.engines.embedded.channel import WorkerChannel
from services.asr.engines.embedded.pronunciation import is_speakable
from services.asr.engines.embedded.wire import (
    ZYGOTE_FORK,
    ZYGOTE_READY,
    Audio,
    Finish,
    ForceEndpoint,
    Open,
    Report,
    Update,
    WorkerReady,
)

AUDIO_MESSAGE_BYTES = 32_000
SEND_BUFFER_BYTES = 32_768
ZYGOTE_START_LIMIT_S = 60.0
WORKER_START_LIMIT_S = 20.0
RETRY_DELAY_S = 1.0
STOP_LIMIT_S = 5.0
ZYGOTE_MODULE = "services.asr.engines.embedded.zygote"

CAPABILITIES = Capabilities(engine="embedded", languages=("en",), degraded=True, finalizes_words_early=True)


class EmbeddedHandle:
    """One open session; see ``services.asr.engines.base.SessionHandle``."""

    def __init__(
        self, channel: WorkerChannel, spec: SessionSpec, sink: EventSink, log: structlog.stdlib.BoundLogger
    ) -> None:
        """Take over a ready worker."""
        self._channel = channel
        self._sink = sink
        self._log = log
        channel.on_report = self._forward
        channel.on_end = self._fail
        channel.send(Open(spec))
        self._report_unspeakable(spec.keyterms)

    @property
    def worker_pid(self) -> int:
        """Process that serves the session."""
        return self._channel.pid

    def feed(self, pcm16: bytes) -> None:
        """Take audio of any length; never blocks."""
        for offset in range(0, len(pcm16), AUDIO_MESSAGE_BYTES):
            self._channel.send(Audio(pcm16[offset : offset + AUDIO_MESSAGE_BYTES]))

    async def drained(self) -> None:
        """Wait until less than two seconds of audio are unsent, or the session is over."""
        await self._channel.drained()

    def update(self, change: SessionChange) -> None:
        """Apply a change to audio fed from now on."""
        self._channel.send(Update(change))
        self._report_unspeakable(change.keyterms or ())

    def force_endpoint(self) -> None:
        """End the open turn after the audio fed so far."""
        self._channel.send(ForceEndpoint())

    def finish(self) -> None:
        """Decode what was fed; ``Closed`` is the last event."""
        self._channel.send(Finish())

    def abort(self) -> None:
        """Kill the worker; no further events."""
        self._channel.kill()

    def _report_unspeakable(self, terms: tuple[str, ...]) -> None:
        """Say how many keyterms the worker leaves out; which ones is the client's secret."""
        left_out = sum(not is_speakable(term) for term in terms)
        if left_out:
            self._log.info("keyterms left out: not to be said in English", left_out=left_out, given=len(terms))

    def _forward(self, report: Report) -> None:
        assert not isinstance(report, WorkerReady)
        if isinstance(report, Closed | Failed):
            self._channel.close()
        self._sink(report)

    def _fail(self) -> None:
        self._sink(Failed(code="worker_died", message=f"recogniser process {self._channel.pid} ended unexpectedly"))


class EmbeddedRecognizer:
    """A zygote, its spare workers and one worker per open session.

    A worker is used once: session state can never leak, and the spare that replaces it costs a
    fork. Sessions outlive the zygote; a new one is started when it dies.
    """

    def __init__(self, spare_workers: int, log: structlog.stdlib.BoundLogger) -> None:
        """Prepare; ``spare_workers`` idle workers are kept, 0 forks at each ``open``."""
        self._spare_workers = spare_workers
        self._log = log
        self._spares: deque[WorkerChannel] = deque()
        self._channels: set[WorkerChannel] = set()
        self._zygote: Process | None = None
        self._control: socket.socket | None = None
        self._zygote_runs = asyncio.Event()
        self._spares_wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def capabilities(self) -> Capabilities:
        """English only, and honest about being a fall-back."""
        return CAPABILITIES

    @property
    def spare_count(self) -> int:
        """Workers that wait for a session."""
        return len(self._spares)

    @property
    def zygote_pid(self) -> int | None:
        """Process that forks the workers; None while there is none."""
        return self._zygote.pid if self._zygote is not None else None

    async def start(self) -> None:
        """Load the model and fork the spare workers.

        Raises:
            EngineError: the model cannot be loaded, or no worker comes up.
        """
        try:
            await self._start_zygote()
            while len(self._spares) < self._spare_workers:
                self._spares.append(await self._fork_worker())
        except EngineError:
            await self.stop()
            raise
        self._tasks = [asyncio.create_task(self._watch_zygote()), asyncio.create_task(self._refill_spares())]

    async def open(self, spec: SessionSpec, sink: EventSink) -> EmbeddedHandle:
        """Give a session a worker of its own.

        Raises:
            EngineError: no worker could be had in time.
        """
        channel = self._take_spare() or await self._fork_worker()
        self._spares_wanted.set()
        return EmbeddedHandle(channel, spec, sink, self._log)

    def _take_spare(self) -> WorkerChannel | None:
        """Return a living spare worker; a dead one leaves the list by itself when its socket is read."""
        while self._spares:
            channel = self._spares.popleft()
            if channel.is_alive:
                return channel
        return None

    async def stop(self) -> None:
        """Kill every worker and end the zygote."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for channel in tuple(self._channels):
            channel.kill()
        self._spares.clear()
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._zygote is not None:
            await _end(self._zygote)
            self._zygote = None

    async def _start_zygote(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            number = theirs.fileno()
            self._zygote = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", ZYGOTE_MODULE, str(number),
                stdin=DEVNULL, pass_fds=(number,), env=_zygote_environment(),
            )  # fmt: skip
        self._control = ours
        try:
            async with asyncio.timeout(ZYGOTE_START_LIMIT_S):
                answer = await asyncio.get_running_loop().sock_recv(ours, 1)
        except TimeoutError:
            raise EngineError(f"the recogniser did not load within {ZYGOTE_START_LIMIT_S:.0f} s") from None
        if answer != ZYGOTE_READY:
            code = await self._zygote.wait()
            raise EngineError(f"the recogniser ended with code {code} while it loaded; its log tells why")
        self._zygote_runs.set()

    async def _watch_zygote(self) -> None:
        """Start the zygote again whenever it ends."""
        while True:
            if self._zygote is not None:
                code = await self._zygote.wait()
                self._zygote_runs.clear()
                self._log.error("recogniser zygote ended, starting another", exit_code=code)
            if self._control is not None:
                self._control.close()
            try:
                await self._start_zygote()
            except (EngineError, OSError) as error:
                self._log.error("recogniser zygote does not start", cause=str(error))
                await asyncio.sleep(RETRY_DELAY_S)
            self._spares_wanted.set()

    async def _refill_spares(self) -> None:
        """Fork whenever a spare was taken or died."""
        while True:
            await self._spares_wanted.wait()
            self._spares_wanted.clear()
            try:
                while len(self._spares) < self._spare_workers:
                    self._spares.append(await self._fork_worker())
            except EngineError as error:
                self._log.warning("no spare recogniser process", cause=str(error))
                await asyncio.sleep(RETRY_DELAY_S)
                self._spares_wanted.set()

    async def _fork_worker(self) -> WorkerChannel:
        """Have the zygote fork a worker and wait until it is ready."""
        channel: WorkerChannel | None = None
        try:
            async with asyncio.timeout(WORKER_START_LIMIT_S):
                await self._zygote_runs.wait()
                channel = await self._request_worker()
                await channel.ready()
        except BaseException as error:
            # A client that left meanwhile must not leave its worker behind.
            if channel is not None:
                channel.kill()
            if isinstance(error, TimeoutError):
                limit_s = f"{WORKER_START_LIMIT_S:.0f} s"
                raise EngineError(f"no recogniser process came up within {limit_s}") from None
            raise
        return channel

    async def _request_worker(self) -> WorkerChannel:
        ours, theirs = socket.socketpair()
        assert self._control is not None
        with theirs:
            try:
                socket.send_fds(self._control, [ZYGOTE_FORK], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise EngineError(f"the recogniser zygote cannot be reached: {error}") from error
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            _transport, channel = await loop.create_unix_connection(lambda: WorkerChannel(self._released), sock=ours)
        except BaseException:
            ours.close()  # the worker ends when its socket does
            raise
        self._channels.add(channel)
        return channel

    def _released(self, channel: WorkerChannel) -> None:
        self._channels.discard(channel)
        if channel in self._spares:
            self._spares.remove(channel)
            self._spares_wanted.set()


def _zygote_environment() -> dict[str, str]:
    """Return our environment, with our own packages first and numeric libraries kept single-threaded."""
    root = str(Path(services.__file__ or "").resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


async def _end(process: Process) -> None:
    """Wait for a process whose input has ended; kill it when it takes too long."""
    try:
        async with asyncio.timeout(STOP_LIMIT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
