"""WebSocket connections that keep to the input limits the library does not have itself."""

from __future__ import annotations

import asyncio
import http
import resource
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

from websockets.asyncio.server import Server, ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, Event
from websockets.server import ServerProtocol

from runtime.catalog import GATEWAY
from runtime.clock import Clock
from runtime.logs import get_logger
from services.gateway.door import DESCRIPTORS_FOR_SESSIONS, Door, DoorLimits, Verdict, Visit
from services.gateway.message_rate import MessageRate

MAX_HEADERS = 64
MAX_HEADER_LINE_BYTES = 8 * 1024
# A request line of 64 KiB, and as much for the headers.
MAX_REQUEST_BYTES = 128 * 1024
# A peer that leaves what was sent to it unread for so long is closed, and then has this long to fetch the reason.
STALL_LIMIT_S = 10.0
LAST_READ_LIMIT_S = 5.0
# Transcripts are small, and the kernel would hold 4 MiB of them for each client; it doubles this number.
SEND_BUFFER_BYTES = 64 * 1024
# A read brings up to 256 KiB, which can be 40,000 empty frames; they are counted after every slice.
SLICE_BYTES = 8 * 1024
# Pings, pongs and empty frames. A client pings every few seconds.
IDLE_FRAMES_PER_S = 20
IDLE_FRAMES_BURST = 100
# Open files of a worker besides its clients: logs, gRPC, HTTP, admin sockets.
OWN_DESCRIPTORS = 100
END_OF_REQUEST = b"\r\n\r\n"
CONTROL_OPCODES = frozenset({Opcode.PING, Opcode.PONG})
REFUSALS = {
    Verdict.FULL: (http.HTTPStatus.SERVICE_UNAVAILABLE, "This server has as many connections as it may hold.\n"),
    Verdict.CROWDED: (http.HTTPStatus.TOO_MANY_REQUESTS, "Too many connections from this address.\n"),
    Verdict.HURRIED: (http.HTTPStatus.TOO_MANY_REQUESTS, "Too many unfinished handshakes from this address.\n"),
}

Answer = Awaitable[Response | None] | Response | None
RequestHook = Callable[[ServerConnection, Request], Answer]
ResponseHook = Callable[[ServerConnection, Request, Response], Answer]


class Doorway:
    """What all listeners of one worker share: the door, and the log of who was turned away."""

    def __init__(self, sockets: int, sockets_per_address: int, handshakes_per_address: int, clock: Clock) -> None:
        """Open the door; the process may have more files open from now on, if the kernel lets it.

        Args:
            sockets: most connections at once.
            sockets_per_address: most of one address; 0 for no limit.
            handshakes_per_address: most unfinished ones of one address; 0 for no limit.
        """
        descriptors = raise_descriptor_limit(round(sockets / DESCRIPTORS_FOR_SESSIONS) + OWN_DESCRIPTORS)
        self._door = Door(DoorLimits(sockets, sockets_per_address, handshakes_per_address, descriptors))
        self._clock = clock
        self._log = get_logger(GATEWAY)

    @property
    def sockets(self) -> int:
        """Connections open now, those in their handshake included."""
        return self._door.sockets

    @property
    def connection_class(self) -> type[ServerConnection]:
        """What ``serve(create_connection=...)`` takes: a factory is enough, though its type asks for a class."""
        return cast(type[ServerConnection], self._connect)

    def arrive(self, transport: asyncio.BaseTransport) -> Visit:
        """Judge a new connection; most often it is admitted."""
        peer = transport.get_extra_info("peername")  # None when it has gone again
        visit = self._door.arrive(peer[0] if peer else "", transport.get_extra_info("socket").fileno())
        if visit.verdict is not Verdict.ADMIT:
            report = self._door.take_report(self._clock.monotonic_ms())
            if report:
                self._log.warning("connections refused", sockets=self._door.sockets, counts=report)
        return visit

    def settle(self, visit: Visit) -> None:
        """Take the end of a handshake."""
        self._door.settle(visit)

    def leave(self, visit: Visit) -> None:
        """Take the end of a connection."""
        self._door.leave(visit)

    def report_given_up(self, reason: str) -> None:
        """Log that a client was closed for how it behaves."""
        self._log.info("client given up", reason=reason)

    def now_ms(self) -> int:
        """Return the time for rates."""
        return self._clock.monotonic_ms()

    def _connect(self, protocol: ServerProtocol, server: Server, **options: Any) -> GuardedConnection:
        return GuardedConnection(protocol, server, doorway=self, **options)


class GuardedConnection(ServerConnection):
    """One connection: counted at the door, bounded in its request, its idle frames and what it leaves unread."""

    def __init__(self, protocol: ServerProtocol, server: Server, *, doorway: Doorway, **options: Any) -> None:
        """Bind a connection to the door of its worker."""
        super().__init__(protocol, server, **options)
        self._doorway = doorway
        self._visit: Visit  # from connection_made on
        self._request_bytes = 0
        self._request_end = b""  # of what came so far
        self._early: bytearray | None = bytearray()  # frames before the handshake was answered; None after it
        self._idle_frames = MessageRate(IDLE_FRAMES_PER_S, IDLE_FRAMES_BURST)
        self._timer: asyncio.TimerHandle | None = None
        self._is_given_up = False

    def refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that is not served, for its size or for want of room."""
        headers = list(request.headers.raw_items())
        if len(headers) > MAX_HEADERS:
            return self._too_large(f"at most {MAX_HEADERS} headers are read")
        if any(len(name) + len(value) > MAX_HEADER_LINE_BYTES for name, value in headers):
            return self._too_large(f"a header has at most {MAX_HEADER_LINE_BYTES} bytes")
        return self._turned_away() if self._visit.verdict in REFUSALS else None

    async def handshake(
        self,
        process_request: RequestHook | None = None,
        process_response: ResponseHook | None = None,
        server_header: str | None = None,
    ) -> None:
        """Perform the opening handshake, which ends being counted as one."""
        try:
            await super().handshake(process_request, process_response, server_header)
        finally:
            self._doorway.settle(self._visit)
            self._take_early_frames()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection and judge it."""
        self._visit = self._doorway.arrive(transport)
        super().connection_made(transport)
        if self._visit.verdict is Verdict.DROP:
            self.transport.abort()
        elif self._visit.verdict is Verdict.HURRIED:
            self._answer(self._turned_away())

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection."""
        if self._timer is not None:
            self._timer.cancel()
        self._doorway.leave(self._visit)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what a read brought, in slices, so that a flood is noticed early in it."""
        if len(data) <= SLICE_BYTES:
            self._receive(data)
            return
        for at in range(0, len(data), SLICE_BYTES):
            self._receive(data[at : at + SLICE_BYTES])
            if self.transport.is_closing():
                return

    def process_event(self, event: Event) -> None:
        """Take one frame or the request."""
        super().process_event(event)
        if isinstance(event, Frame) and _is_idle(event) and not self._idle_frames.allows(self._doorway.now_ms()):
            self._give_up("Too many control or empty frames")

    def pause_writing(self) -> None:
        """Take that the peer does not read as fast as it is sent to; it has a while to catch up."""
        super().pause_writing()
        if self._timer is None:
            self._timer = self.loop.call_later(STALL_LIMIT_S, self._give_up, "Client does not read")

    def resume_writing(self) -> None:
        """Take that the peer has caught up."""
        super().resume_writing()
        if self._timer is not None and not self._is_given_up:
            self._timer.cancel()
            self._timer = None

    def _receive(self, data: bytes) -> None:
        if self._early is not None:
            data = self._hold_early_frames(self._early, data)
        if data:
            super().data_received(data)

    def _hold_early_frames(self, early: bytearray, data: bytes) -> bytes:
        """Return what belongs to the request, and keep the rest: the library would answer a ping before the request."""
        if self._request_end == END_OF_REQUEST:
            early += data
            if len(early) > MAX_REQUEST_BYTES:
                self.transport.pause_reading()
            return b""
        self._request_bytes += len(data)
        if self._request_bytes > MAX_REQUEST_BYTES:
            self._answer(self._too_large(f"a request has at most {MAX_REQUEST_BYTES} bytes"))
        before = len(self._request_end)
        joined = self._request_end + data
        end = joined.find(END_OF_REQUEST)
        if end < 0:
            self._request_end = joined[-len(END_OF_REQUEST) + 1 :]
            return data
        self._request_end = END_OF_REQUEST
        length = end + len(END_OF_REQUEST) - before
        early += data[length:]
        return data[:length]

    def _take_early_frames(self) -> None:
        early, self._early = self._early or b"", None
        if len(early) > MAX_REQUEST_BYTES and not self.transport.is_closing():
            self.transport.resume_reading()
        if early and self.protocol.state is OPEN:
            self.data_received(bytes(early))

    def _too_large(self, limit: str) -> Response:
        return self.protocol.reject(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"Request too large: {limit}.\n")

    def _turned_away(self) -> Response:
        response = self.protocol.reject(*REFUSALS[self._visit.verdict])
        response.headers["Retry-After"] = "1"
        return response

    def _answer(self, response: Response) -> None:
        """Answer before the request is known; what still comes of it is read and forgotten until the time is up."""
        if not self.protocol.close_expected():  # nobody has answered yet
            self.protocol.send_response(response)
            self.send_data()

    def _give_up(self, reason: str) -> None:
        """Close with 1008; a peer that does not fetch that in time is cut off."""
        if self._is_given_up:
            return
        self._is_given_up = True
        self._doorway.report_given_up(reason)
        if self._timer is not None:
            self._timer.cancel()
        if self.protocol.state is not OPEN:  # before its session, or after the end of it
            self.transport.abort()
            return
        self.protocol.fail(CloseCode.POLICY_VIOLATION, reason)
        self.send_data()
        self._timer = self.loop.call_later(LAST_READ_LIMIT_S, self.transport.abort)


def bound_kernel_buffers(server: Server) -> None:
    """Keep what the kernel holds for a client that does not read small; connections take it from their listener."""
    for listener in server.sockets:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def raise_descriptor_limit(wanted: int) -> int:
    """Let this process have so many files open, or as many as the kernel allows; return how many it may.

    A limit that is higher already stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _is_idle(frame: Frame) -> bool:
    """Say whether a frame carries nothing; an empty last fragment is the usual end of a message sent in parts."""
    return frame.opcode in CONTROL_OPCODES or (not frame.data and not (frame.opcode is Opcode.CONT and frame.fin))
