"""Messages between the ASR server and a recogniser process: msgpack with a length in front."""

from __future__ import annotations

import struct

import msgspec

from services.asr.engines.base import Event, SessionChange, SessionSpec

HEADER = struct.Struct("<I")
# Single bytes on the zygote's control socket.
ZYGOTE_READY = b"R"
ZYGOTE_FORK = b"F"


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Begin the session; the first command, and the only one of its kind."""

    spec: SessionSpec


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    """The next audio of the session."""

    pcm16: bytes


class Update(msgspec.Struct, frozen=True, tag="update"):
    """A change for the audio after it."""

    change: SessionChange


class ForceEndpoint(msgspec.Struct, frozen=True, tag="force_endpoint"):
    """End the open turn."""


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """End the session; the worker answers ``Closed`` and exits."""


class WorkerReady(msgspec.Struct, frozen=True, tag="worker_ready"):
    """First message of a worker: it can take a session."""

    pid: int


Command = Open | Audio | Update | ForceEndpoint | Finish
Report = WorkerReady | Event


class Codec:
    """Encodes messages of both directions, decodes their payloads."""

    def __init__(self) -> None:
        """Build the coders once; they are not shared between threads."""
        self._encoder = msgspec.msgpack.Encoder()
        self._commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
        self._reports: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)

    def encode(self, message: Command | Report) -> bytes:
        """Return a message with its header."""
        payload = self._encoder.encode(message)
        return HEADER.pack(len(payload)) + payload

    def command(self, payload: bytes | bytearray) -> Command:
        """Decode what the server sent.

        Raises:
            msgspec.MsgspecError: not a command.
        """
        return self._commands.decode(payload)

    def report(self, payload: bytes | bytearray) -> Report:
        """Decode what a worker sent.

        Raises:
            msgspec.MsgspecError: not a report.
        """
        return self._reports.decode(payload)
