"""A recogniser that costs next to nothing, so that a bench of the gateway measures the gateway.

Plain HTTP/2 frames on asyncio instead of a gRPC library, which would take more processor time than the gateway
itself. It serves ``Recognize`` only and never reads header blocks: whatever is called on it is a session. Every
200 ms of audio it says a hypothesis of eight words, every four seconds a turn ends, every second it reports progress.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import cast

from protos import asr_v1_pb2 as asr

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
FRAME_HEADER = struct.Struct(">IBI")  # 24 bits of length, type, flags, stream
SETTING = struct.Struct(">HI")
MESSAGE_PREFIX = struct.Struct(">BI")  # compressed flag and length, before every gRPC message
SETTINGS_INITIAL_WINDOW_SIZE = 4
DEFAULT_WINDOW_BYTES = 65_535
MAX_WINDOW_BYTES = 2**31 - 1
# HPACK without a table (RFC 7541, 6.1 and 6.2.2): ":status: 200", "content-type: application/grpc"; "grpc-status: 0".
RESPONSE_HEADERS = b"\x88\x0f\x10\x10application/grpc"
TRAILERS = b"\x00\x0bgrpc-status\x010"

BYTES_PER_MS = 32
HYPOTHESIS_MS = 200
HYPOTHESES_PER_TURN = 20
REPORT_MS = 1_000
# Eight words of ordinary length, as in the measurements the gateway's goals come from.
WORDS = ("please", "connect", "the", "second", "customer", "with", "our", "office")


@dataclass(slots=True, eq=False)
class BackendStream:
    """One session.

    Attributes:
        spoken: stretches of 200 ms that were answered.
        turn_starts_at: value of ``spoken`` at which the open turn began.
        window_bytes: what the client still takes.
        waiting: frames that found the window closed.
    """

    number: int
    window_bytes: int
    spoken: int
    turn_starts_at: int
    received: bytearray = field(default_factory=bytearray)
    waiting: list[bytes] = field(default_factory=list)
    audio_bytes: int = 0
    turn_order: int = 0


class TrivialBackend(asyncio.Protocol):
    """One connection of a gRPC client; all state is the event loop's."""

    def __init__(self) -> None:
        """Start with an unread preface."""
        self._transport: asyncio.Transport | None = None
        self._input = bytearray()
        self._output: list[bytes] = []
        self._preface_read = False
        self._streams: dict[int, BackendStream] = {}
        self._window_bytes = DEFAULT_WINDOW_BYTES
        self._stream_window_bytes = DEFAULT_WINDOW_BYTES
        self._opened = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet with a window for the connection that nobody can fill; streams keep the usual one."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class
        grant = (MAX_WINDOW_BYTES - DEFAULT_WINDOW_BYTES).to_bytes(4)
        self._transport.write(_frame(SETTINGS, 0, 0, b"") + _frame(WINDOW_UPDATE, 0, 0, grant))

    def data_received(self, data: bytes) -> None:
        """Take frames, answer all of them with one write."""
        buffer = self._input
        buffer += data
        at = 0
        if not self._preface_read:
            if len(buffer) < len(PREFACE):
                return
            assert buffer.startswith(PREFACE), "not an HTTP/2 client"
            self._preface_read = True
            at = len(PREFACE)
        while at + FRAME_HEADER.size <= len(buffer):
            head, flags, stream = FRAME_HEADER.unpack_from(buffer, at)
            end = at + FRAME_HEADER.size + (head >> 8)
            if end > len(buffer):
                break
            self._take(head & 0xFF, flags, stream, bytes(buffer[at + FRAME_HEADER.size : end]))
            at = end
        del buffer[:at]
        if self._output and self._transport is not None:
            self._transport.write(b"".join(self._output))
            self._output.clear()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the sessions."""
        self._streams.clear()

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == DATA:
            stream = self._streams.get(number)
            if stream is not None:
                self._hear(stream, payload)
            if number in self._streams:
                # A grpcio server was seen to give credit for nearly every frame, which its client has to read.
                self._output.append(_frame(WINDOW_UPDATE, 0, number, len(payload).to_bytes(4)))
        elif kind == HEADERS:
            self._open(number)
        elif kind == WINDOW_UPDATE:
            self._grant(number, int.from_bytes(payload))
        elif kind == SETTINGS and not flags & ACK:
            self._obey(payload)
        elif kind == PING and not flags & ACK:
            self._output.append(_frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM:
            self._streams.pop(number, None)

    def _open(self, number: int) -> None:
        self._opened += 1
        # Sessions begin at different places of their first turn, so that turns end at different times.
        ahead = self._opened % HYPOTHESES_PER_TURN
        self._streams[number] = BackendStream(number, self._stream_window_bytes, 0, -ahead)
        self._output.append(_frame(HEADERS, END_HEADERS, number, RESPONSE_HEADERS))

    def _hear(self, stream: BackendStream, payload: bytes) -> None:
        received = stream.received
        received += payload
        while len(received) >= MESSAGE_PREFIX.size:
            _, size = MESSAGE_PREFIX.unpack_from(received)
            end = MESSAGE_PREFIX.size + size
            if len(received) < end:
                return
            request = asr.RecognizeRequest.FromString(bytes(received[MESSAGE_PREFIX.size : end]))
            del received[:end]
            self._answer(stream, request)

    def _answer(self, stream: BackendStream, request: asr.RecognizeRequest) -> None:
        kind = request.WhichOneof("request")
        if kind == "audio":
            self._answer_audio(stream, len(request.audio))
        elif kind == "config":
            self._say(stream, asr.RecognizeResponse(ready=asr.Ready(engine="trivial", languages=["en"])))
        elif kind in ("force_endpoint", "finish"):
            self._say(stream, _turn_end(stream))
            if kind == "finish":
                audio_ms = stream.audio_bytes // BYTES_PER_MS
                self._say(stream, asr.RecognizeResponse(statistics=asr.Statistics(audio_ms=audio_ms)))
                self._output.append(_frame(HEADERS, END_HEADERS | END_STREAM, stream.number, TRAILERS))
                del self._streams[stream.number]

    def _answer_audio(self, stream: BackendStream, byte_count: int) -> None:
        before_ms = stream.audio_bytes // BYTES_PER_MS
        stream.audio_bytes += byte_count
        now_ms = stream.audio_bytes // BYTES_PER_MS
        while (stream.spoken + 1) * HYPOTHESIS_MS <= now_ms:
            stream.spoken += 1
            ends = stream.spoken - stream.turn_starts_at >= HYPOTHESES_PER_TURN
            self._say(stream, _turn_end(stream) if ends else _hypothesis(stream))
        if now_ms // REPORT_MS > before_ms // REPORT_MS:
            activity = asr.SpeechActivity(
                audio_ms=now_ms,
                max_speech_probability=0.9,
                replay_from_ms=max(stream.turn_starts_at * HYPOTHESIS_MS, 0),
            )
            self._say(stream, asr.RecognizeResponse(speech_activity=activity))

    def _say(self, stream: BackendStream, response: asr.RecognizeResponse) -> None:
        message = response.SerializeToString()
        stream.waiting.append(MESSAGE_PREFIX.pack(0, len(message)) + message)
        self._send_waiting(stream)

    def _send_waiting(self, stream: BackendStream) -> None:
        while stream.waiting:
            size = len(stream.waiting[0])
            if size > self._window_bytes or size > stream.window_bytes:
                return
            self._window_bytes -= size
            stream.window_bytes -= size
            self._output.append(_frame(DATA, 0, stream.number, stream.waiting.pop(0)))

    def _grant(self, number: int, more_bytes: int) -> None:
        if number == 0:
            self._window_bytes += more_bytes
            for stream in self._streams.values():
                self._send_waiting(stream)
        elif (stream := self._streams.get(number)) is not None:
            stream.window_bytes += more_bytes
            self._send_waiting(stream)

    def _obey(self, payload: bytes) -> None:
        for name, value in SETTING.iter_unpack(payload):
            if name == SETTINGS_INITIAL_WINDOW_SIZE:
                for stream in self._streams.values():
                    stream.window_bytes += value - self._stream_window_bytes
                    self._send_waiting(stream)
                self._stream_window_bytes = value
        self._output.append(_frame(SETTINGS, ACK, 0, b""))


async def start_backend(port: int) -> asyncio.Server:
    """Serve on a port of this machine, in the running loop."""
    return await asyncio.get_running_loop().create_server(TrivialBackend, "127.0.0.1", port)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return FRAME_HEADER.pack(len(payload) << 8 | kind, flags, stream) + payload


def _words(stream: BackendStream, *, all_final: bool) -> list[asr.Word]:
    start_ms = max(stream.turn_starts_at, 0) * HYPOTHESIS_MS
    last = len(WORDS) - 1
    return [
        asr.Word(
            text=text,
            start_ms=start_ms + place * 300,
            end_ms=start_ms + place * 300 + 250,
            confidence=0.9,
            is_final=all_final or place < last,
        )
        for place, text in enumerate(WORDS)
    ]


def _hypothesis(stream: BackendStream) -> asr.RecognizeResponse:
    return asr.RecognizeResponse(
        hypothesis=asr.Hypothesis(
            turn_order=stream.turn_order,
            words=_words(stream, all_final=False),
            audio_ms=stream.spoken * HYPOTHESIS_MS,
            end_of_turn_confidence=0.1,
        )
    )


def _turn_end(stream: BackendStream) -> asr.RecognizeResponse:
    response = asr.RecognizeResponse(
        turn_end=asr.TurnEnd(
            turn_order=stream.turn_order,
            words=_words(stream, all_final=True),
            reason=asr.TURN_END_REASON_SILENCE,
            end_of_turn_confidence=0.8,
            audio_ms=stream.spoken * HYPOTHESIS_MS,
        )
    )
    stream.turn_order += 1
    stream.turn_starts_at = stream.spoken
    return response
