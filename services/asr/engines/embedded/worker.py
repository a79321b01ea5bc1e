"""The recogniser process of one session: reads commands from a socket, writes events."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import msgspec

from services.asr.engines.base import Closed, Event
from services.asr.engines.embedded.decoder import TurnDecoder
from services.asr.engines.embedded.detector import SpeechDetector
from services.asr.engines.embedded.session import EmbeddedSession
from services.asr.engines.embedded.wire import (
    HEADER,
    Audio,
    Codec,
    Command,
    Finish,
    ForceEndpoint,
    Open,
    Update,
    WorkerReady,
)

READ_BYTES = 65_536


def serve_session(channel: socket.socket, detector: SpeechDetector, decoder: TurnDecoder) -> None:
    """Serve one session from its ``Open`` to its ``Finish``, or until the server is gone.

    The end of the stream is the only sign that a session was aborted or that the server died,
    in a read as in a write; neither is an error here.
    """
    codec = Codec()
    try:
        channel.sendall(codec.encode(WorkerReady(os.getpid())))
        _serve(channel, codec, detector, decoder)
    except (BrokenPipeError, ConnectionResetError):
        return


def _serve(channel: socket.socket, codec: Codec, detector: SpeechDetector, decoder: TurnDecoder) -> None:
    session: EmbeddedSession | None = None
    started_s = time.process_time()
    for command in _commands(channel, codec):
        if isinstance(command, Open):
            session = EmbeddedSession(command.spec, detector, decoder)
            continue
        assert session is not None, "the first command opens the session"
        events = _apply(session, command)
        if events:
            cpu_ms = round(1000 * (time.process_time() - started_s))
            channel.sendall(b"".join(codec.encode(_with_cpu(event, cpu_ms)) for event in events))
        if isinstance(command, Finish):
            return


def _apply(session: EmbeddedSession, command: Command) -> list[Event]:
    match command:
        case Audio(pcm16=pcm16):
            return session.feed(pcm16)
        case Update(change=change):
            session.update(change)
        case ForceEndpoint():
            return session.force_endpoint()
        case Finish():
            return session.finish()
    return []


def _with_cpu(event: Event, cpu_ms: int) -> Event:
    return msgspec.structs.replace(event, engine_cpu_ms=cpu_ms) if isinstance(event, Closed) else event


def _commands(channel: socket.socket, codec: Codec) -> Iterator[Command]:
    """Yield commands until the stream ends."""
    received = bytearray()
    while block := channel.recv(READ_BYTES):
        received += block
        offset = 0
        while len(received) - offset >= HEADER.size:
            (length,) = HEADER.unpack_from(received, offset)
            end = offset + HEADER.size + length
            if len(received) < end:
                break
            yield codec.command(received[offset + HEADER.size : end])
            offset = end
        del received[:offset]
