#!/usr/bin/env python3
"""Stream the microphone to the gateway and print what it hears until Ctrl-C.

Needs ``pip install websockets sounddevice`` and PortAudio (Debian: apt-get install libportaudio2).
The session itself is that of ``stream_file.py``, which must lie beside this file.
Exit codes: 0 the session ended well, 1 it did not, 2 the microphone or an option cannot be used.

Usage: python samples/stream_mic.py
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from stream_file import FRAME_MS, UsageError, add_session_options, exit_code_of, session_url

MAX_WAITING_FRAMES = 100  # 10 s; what a stalled network cannot take is lost, oldest first


def check_microphone(device: str | None, sample_rate_hz: int) -> None:
    """Refuse a microphone that cannot be used, before a session is opened for it.

    Raises:
        UsageError: a library is missing, or there is no such device, or it does not take the sample rate.
    """
    try:
        import sounddevice  # loads PortAudio, which may be absent
    except ImportError:
        raise UsageError("the Python package sounddevice is missing; install it: pip install sounddevice") from None
    except OSError as error:
        raise UsageError(f"no microphone support: {error}; on Debian: apt-get install libportaudio2") from None
    try:
        sounddevice.check_input_settings(_device(device), channels=1, dtype="int16", samplerate=sample_rate_hz)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise UsageError(f"cannot use the microphone: {error}; choose another with --device") from None


def _device(text: str | None) -> int | str | None:
    return int(text) if text and text.isdecimal() else text


async def microphone(device: str | None, sample_rate_hz: int) -> AsyncIterator[bytes]:
    """Yield 100 ms frames of 16-bit mono PCM from an input device, without end.

    Raises:
        UsageError: the device cannot be opened.
    """
    import sounddevice

    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING_FRAMES)

    def keep(frame: bytes) -> None:
        if waiting.full():
            waiting.get_nowait()
        waiting.put_nowait(frame)

    def captured(data: Any, _frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(keep, bytes(data))  # PortAudio calls from a thread of its own

    try:
        stream = sounddevice.RawInputStream(
            samplerate=sample_rate_hz,
            blocksize=sample_rate_hz * FRAME_MS // 1000,
            device=_device(device),
            channels=1,
            dtype="int16",
            callback=captured,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise UsageError(f"cannot open the microphone: {error}") from None
    with stream:
        print("listening; Ctrl-C ends", file=sys.stderr)
        while True:
            yield await waiting.get()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Stream the microphone to the gateway and print what it hears.")
    parser.add_argument("--device", help="number or part of the name of an input device; the system's if absent")
    parser.add_argument("--sample-rate", type=int, default=16_000, help="in Hz, 8000 to 96000 (default: %(default)s)")
    add_session_options(parser)
    options = parser.parse_args(arguments)
    try:
        check_microphone(options.device, options.sample_rate)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    url = session_url(options.endpoint, options.sample_rate, options.speech_model, options.language)
    return exit_code_of(url, microphone(options.device, options.sample_rate))


if __name__ == "__main__":
    sys.exit(main())
