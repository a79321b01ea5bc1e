#!/usr/bin/env python3
"""Stream a WAV file to the gateway at real time and print what it hears.

Needs only ``pip install websockets``. Final turns go to stdout, everything else to stderr.
Exit codes: 0 the session ended well, 1 it did not, 2 the file or an option cannot be used.

Usage: python samples/stream_file.py --audio-file samples/weather.wav
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import shutil
import signal
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

DEFAULT_ENDPOINT = "ws://localhost:8080"
FRAME_MS = 100
END_LIMIT_S = 10  # from Terminate to the server's close


class UsageError(Exception):
    """The file or an option cannot be used."""


class SessionError(Exception):
    """The session could not be opened or ended badly."""


class TurnPrinter:
    """Print turns as they come: on a terminal one line that is rewritten, elsewhere a line per message."""

    def __init__(self) -> None:
        self._on_terminal = sys.stdout.isatty()
        self._partial = ""
        self._unformatted = ""  # a raw final, printed only when no formatted one follows

    def show(self, turn: dict[str, Any]) -> None:
        """Print one Turn message; each replaces the former ones of its turn."""
        if not turn["end_of_turn"]:
            self.finish()
            self._show_partial(" ".join(word["text"] for word in turn["words"]))
        elif turn["turn_is_formatted"]:
            self._unformatted = ""
            self._show_final(turn["transcript"])
        else:
            self.finish()
            self._unformatted = turn["transcript"]

    def finish(self) -> None:
        """Print a raw final that was held back."""
        if self._unformatted:
            self._show_final(self._unformatted)
            self._unformatted = ""

    def _show_partial(self, text: str) -> None:
        if not text or text == self._partial:
            return
        self._partial = text
        if self._on_terminal:
            width = shutil.get_terminal_size().columns - 5
            print(f"\r\x1b[K... {text[-width:]}", end="", flush=True)
        else:
            print(f"partial: {text}", file=sys.stderr, flush=True)

    def _show_final(self, text: str) -> None:
        self._partial = ""
        print(f"\r\x1b[K{text}" if self._on_terminal else text, flush=True)


def read_frames(path: Path) -> tuple[int, list[bytes]]:
    """Return the sample rate in Hz and the 100 ms frames of a 16-bit mono PCM WAV file.

    Raises:
        UsageError: the file is missing or of another kind.
    """
    try:
        with wave.open(str(path), "rb") as file:
            rate_hz, channels, sample_bytes = file.getframerate(), file.getnchannels(), file.getsampwidth()
            audio = file.readframes(file.getnframes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (wave.Error, EOFError) as error:
        raise UsageError(f"{path}: not a PCM WAV file: {str(error) or 'it ends too early'}") from None
    if channels != 1 or sample_bytes != 2:
        noun = "channel" if channels == 1 else "channels"
        raise UsageError(f"{path}: {channels} {noun} of {8 * sample_bytes} bits, expected 1 channel of 16 bits")
    if not audio:
        raise UsageError(f"{path}: no audio in it")
    frame_bytes = 2 * rate_hz * FRAME_MS // 1000
    frame_bytes -= frame_bytes % 2
    return rate_hz, [audio[at : at + frame_bytes] for at in range(0, len(audio), frame_bytes)]


async def at_real_time(frames: list[bytes]) -> AsyncIterator[bytes]:
    """Yield each frame when a microphone would have it; the schedule is absolute, so it cannot drift."""
    clock = asyncio.get_running_loop()
    start_s = clock.time()
    for number, frame in enumerate(frames):
        await asyncio.sleep(start_s + number * FRAME_MS / 1000 - clock.time())
        yield frame


def session_url(endpoint: str, sample_rate_hz: int, speech_model: str | None, language: str | None) -> str:
    """Return the address of a session with these parameters."""
    query = {"sample_rate": str(sample_rate_hz), "format_turns": "true"}
    if speech_model:
        query["speech_model"] = speech_model
    if language:
        query["language"] = language
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


async def send(connection: ClientConnection, frames: AsyncIterator[bytes]) -> None:
    """Send every frame."""
    async for frame in frames:
        await connection.send(frame)


async def receive(connection: ClientConnection, printer: TurnPrinter) -> None:
    """Print what the server says until it closes the connection.

    Raises:
        SessionError: the server reported an error, or closed without Termination.
    """
    reported, ended = "", False
    try:
        while True:
            message = json.loads(await connection.recv())
            match message["type"]:
                case "Begin":
                    print(f"session {message['id']}", file=sys.stderr)
                case "Turn":
                    printer.show(message)
                case "Error":
                    reported = f"the server reported error {message['error_code']}: {message['error']}"
                case "Termination":
                    ended = True
                    printer.finish()
                    print(f"end of session, {message['audio_duration_seconds']} s of audio", file=sys.stderr)
    except ConnectionClosed as closed:
        how = f"close code {closed.rcvd.code}" if closed.rcvd else "connection lost"
        if reported or not ended:
            raise SessionError(reported or f"the session broke off before Termination ({how})") from None


@contextlib.contextmanager
def ctrl_c_cancels(task: asyncio.Task[None]) -> Iterator[None]:
    """Make Ctrl-C cancel one task instead of the program."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C ends the program
        loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)


async def converse(connection: ClientConnection, frames: AsyncIterator[bytes], printer: TurnPrinter) -> None:
    """Send audio and print turns until the audio or the session ends, or Ctrl-C; then end the session.

    Raises:
        SessionError: the session ended badly.
        UsageError: the audio source failed.
    """
    sending = asyncio.create_task(send(connection, frames))
    receiving = asyncio.create_task(receive(connection, printer))
    with ctrl_c_cancels(sending):
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
    sending.cancel()
    [failure] = await asyncio.gather(sending, return_exceptions=True)
    with contextlib.suppress(ConnectionClosed):
        await connection.send(json.dumps({"type": "Terminate"}))
    if isinstance(failure, Exception) and not isinstance(failure, ConnectionClosed):
        receiving.cancel()
        raise failure
    try:
        await asyncio.wait_for(receiving, END_LIMIT_S)
    except TimeoutError:
        raise SessionError(f"the server did not end the session within {END_LIMIT_S} s") from None


async def run_session(url: str, frames: AsyncIterator[bytes]) -> None:
    """Open a session, stream the frames, print the turns.

    Raises:
        UsageError: the address is not a WebSocket address.
        SessionError: no connection, or the session ended badly.
    """
    try:
        # A self-hosted gateway is near: no proxy of the environment lies between.
        connection = await connect(url, additional_headers={"Authorization": "self-hosted"}, proxy=None)
    except (InvalidURI, ValueError):  # the latter for a port that is no number
        address = url.partition("?")[0]
        raise UsageError(f"{address} is not a WebSocket address: expected ws://HOST:PORT or wss://HOST:PORT") from None
    except (OSError, InvalidHandshake) as error:
        reason = "connection refused" if f"[Errno {errno.ECONNREFUSED}]" in str(error) else str(error) or "no answer"
        raise SessionError(f"cannot connect to {url.partition('?')[0]}: {reason}") from None
    async with connection:
        await converse(connection, frames, TurnPrinter())


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the server and the model."""
    parser.add_argument("--endpoint", default=DEFAULT_ENDPOINT, help="address of the gateway (default: %(default)s)")
    parser.add_argument("--speech-model", help="for example universal-streaming-english; the gateway's own if absent")
    parser.add_argument("--language", help="older way to choose: en, or anything else for the multilingual model")


def exit_code_of(url: str, frames: AsyncIterator[bytes]) -> int:
    """Run a session and return the exit code of the program; problems become one line on stderr."""
    try:
        asyncio.run(run_session(url, frames))
    except (UsageError, SessionError) as error:
        print(f"\n{error}" if sys.stdout.isatty() else error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("interrupted before the session had ended", file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Stream a WAV file to the gateway and print what it hears.")
    parser.add_argument("--audio-file", type=Path, required=True, help="16-bit mono PCM WAV")
    add_session_options(parser)
    options = parser.parse_args(arguments)
    try:
        sample_rate_hz, frames = read_frames(options.audio_file)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    url = session_url(options.endpoint, sample_rate_hz, options.speech_model, options.language)
    return exit_code_of(url, at_real_time(frames))


if __name__ == "__main__":
    sys.exit(main())
