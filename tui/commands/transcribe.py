"""``aai-console transcribe``: stream recordings through the gateway and print what was said."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import msgspec

from runtime.audio import MAX_RATE_HZ, MIN_RATE_HZ, TARGET_RATE_HZ, AudioFileError, WavAudio, read_wav, to_mono_16k
from runtime.clock import SystemClock
from runtime.errors import AppError, ConfigError
from runtime.operator_access import UNCHECKED, operator_credential
from runtime.settings import ConsoleSettings
from runtime.supervise.plan import site_from_settings
from runtime.supervise.stack_state import read_stack_state
from tui.live import GatewayUnreachable, Recording, SessionFailed, session_url, transcribe_recording
from tui.phrases import clock_text
from tui.transcription import Output, PartialText, Timing, Transcription, Turn, TurnEnded, timing_of

JSON_SCHEMA = 1
USAGE_EXIT_CODE = 2
INTERRUPTED_EXIT_CODE = 130
MAX_SPEED = 100.0
_CODES = (
    "exit codes: 0 transcribed, 1 the gateway ended the session with an error, 2 wrong command line or audio file, "
    "5 the gateway cannot be reached, 78 bad setting, 130 interrupted"
)
_NARROWEST_TEXT_CELLS = 30


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``transcribe``; it sets ``func``, which takes the arguments and returns an exit code."""
    parser = subparsers.add_parser(
        "transcribe",
        help="stream recordings through the gateway and print what was said",
        description="Stream WAV recordings (16-bit PCM, mono) at real time and print each turn as it comes.",
        epilog=_CODES,
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a WAV file; 16 kHz mono needs no resampling"
    )
    parser.add_argument("--model", metavar="M", help="speech model to ask for; the gateway's default when not given")
    parser.add_argument("--endpoint", metavar="URL", help="ws:// or wss:// address; the running stack's when not given")
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE",
        help="file with the key or token for --endpoint; the running stack's own gateway needs none",
    )  # fmt: skip
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help="times real time, or max for as fast as it goes (default 1)",
    )
    parser.add_argument(
        "--convert", action="store_true", help="mix channels down and resample to 16 kHz before sending"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document with turns, words and timing")
    parser.add_argument("--quiet", action="store_true", help="print the final text only, one line a turn")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Transcribe the files one after the other; stop at the first that fails."""
    documents: list[dict[str, Any]] = []
    try:
        endpoint, credential_of = _endpoint(args.endpoint), _credential_source(args)
        for path in args.files:
            documents.append(  # noqa: PERF401 - kept when one fails
                asyncio.run(_transcribe(path, endpoint, credential_of(), args))
            )
    except AppError as error:
        return _fail(error, documents, as_json=args.json)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED_EXIT_CODE
    if args.json:
        _print_json(documents, None)
    return 0


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed <= MAX_SPEED:
        raise argparse.ArgumentTypeError(f"expected max or a number up to {MAX_SPEED:.0f}, got {text!r}")
    return speed


def _endpoint(given: str | None) -> str:
    if given is None:
        settings = ConsoleSettings.load()
        state = read_stack_state(settings.run_dir)
        return (state.site if state else site_from_settings(settings, Path(sys.executable).parent)).gateway_url
    parts = urlsplit(given)
    if parts.scheme not in ("ws", "wss") or not parts.netloc:
        raise _UsageError(f"--endpoint expects ws://HOST:PORT or wss://HOST:PORT, got {given!r}")
    return given


def _credential_source(args: argparse.Namespace) -> Callable[[], str]:
    """Return what makes an ``Authorization`` value for each session."""
    if args.key_file is not None:
        try:
            key = str(args.key_file.read_text(encoding="ascii")).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _UsageError(f"cannot read a key from {args.key_file}: {error}") from error
        return lambda: key
    if args.endpoint is not None:
        return lambda: UNCHECKED
    settings = ConsoleSettings.load()
    return lambda: operator_credential(settings.token_key_file, SystemClock().wall_s())


class _UsageError(ConfigError):
    """The command line asks for something that makes no sense."""

    exit_code = USAGE_EXIT_CODE


def _load(path: Path, *, convert: bool, speed: float | None) -> Recording:
    """Return a file as it will be sent.

    Raises:
        AudioFileError: it cannot be sent as it is.
    """
    audio: WavAudio = read_wav(path)
    if convert:
        return Recording(to_mono_16k(audio), TARGET_RATE_HZ, speed)
    if audio.channels != 1:
        raise AudioFileError(f"{path}: has {audio.channels} channels, expected 1; --convert mixes them down")
    if not MIN_RATE_HZ <= audio.sample_rate_hz <= MAX_RATE_HZ:
        raise AudioFileError(
            f"{path}: {audio.sample_rate_hz} Hz is not within {MIN_RATE_HZ} to {MAX_RATE_HZ}; --convert resamples it"
        )
    return Recording(audio.pcm16, audio.sample_rate_hz, speed)


async def _transcribe(path: Path, endpoint: str, credential: str, args: argparse.Namespace) -> dict[str, Any]:
    recording = _load(path, convert=args.convert, speed=args.speed)
    transcription = Transcription()
    paper = _Paper(sys.stdout, is_silent=args.json, is_quiet=args.quiet)
    paper.begin(path, recording, endpoint, args.model)
    url = session_url(endpoint, recording.sample_rate_hz, args.model)
    try:
        await transcribe_recording(url, recording, transcription, paper.show, credential)
    finally:
        paper.clear_partial()
    # Faster than real time, a delay says how far the recogniser is behind, not how quick it is.
    timing = timing_of(transcription.turns) if recording.speed == 1.0 else Timing()
    paper.end(transcription, timing)
    return _document(path, recording, transcription, timing)


def _document(path: Path, recording: Recording, transcription: Transcription, timing: Timing) -> dict[str, Any]:
    return {
        "file": str(path),
        "audio_s": round(recording.duration_s, 3),
        "sample_rate_hz": recording.sample_rate_hz,
        "session_id": transcription.session_id,
        "model": transcription.model,
        "text": transcription.text,
        "turns": [_turn_document(turn) for turn in transcription.turns],
        "timing": asdict(timing),
    }


def _turn_document(turn: Turn) -> dict[str, Any]:
    return {
        "order": turn.order,
        "text": turn.text,
        "start_ms": turn.start_ms,
        "end_ms": turn.end_ms,
        "final_ms": turn.final_ms,
        "words": [asdict(word) for word in turn.words],
    }


def _fail(error: AppError, documents: list[dict[str, Any]], *, as_json: bool) -> int:
    code, hint = "failed", ""
    if isinstance(error, GatewayUnreachable):
        code, hint = "gateway_unreachable", "start the stack: aai-console up; or name another gateway with --endpoint"
    elif isinstance(error, SessionFailed):
        code = f"session_{error.code}"
    elif error.exit_code == USAGE_EXIT_CODE:
        code = "usage"
    if as_json:
        _print_json(documents, {"code": code, "message": str(error), "hint": hint})
    else:
        print(f"aai-console transcribe: {error}", file=sys.stderr)
        if hint:
            print(f"fix: {hint}", file=sys.stderr)
    # A gateway that breaks the protocol is a failed session to whoever called.
    return error.exit_code if error.exit_code in (USAGE_EXIT_CODE, GatewayUnreachable.exit_code, 78) else 1


def _print_json(documents: list[dict[str, Any]], error: dict[str, str] | None) -> None:
    body = {"schema": JSON_SCHEMA, "ok": error is None, "data": {"files": documents}, "error": error}
    print(msgspec.json.encode(body).decode())


class _Paper:
    """What people read: a header, the open turn in one changing line, finished turns, a summary."""

    def __init__(self, stream: TextIO, *, is_silent: bool, is_quiet: bool) -> None:
        self._stream = stream
        self._is_silent = is_silent
        self._is_quiet = is_quiet
        self._is_tty = stream.isatty()
        self._is_dim = self._is_tty and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._partial_is_shown = False

    def begin(self, path: Path, recording: Recording, endpoint: str, model: str | None) -> None:
        """Print the header of a recording."""
        if not self._is_quiet:
            asked = f", model {model}" if model else ""
            self._line(f"{path}  ({recording.duration_s:.1f} s, {recording.sample_rate_hz} Hz)  ->  {endpoint}{asked}")

    def show(self, output: Output) -> None:
        """Print one answer."""
        if isinstance(output, TurnEnded):
            self.clear_partial()
            self._turn(output.turn)
        elif isinstance(output, PartialText) and output.text and not self._is_quiet:
            self._partial(output.text)

    def clear_partial(self) -> None:
        """Take the changing line away."""
        if self._partial_is_shown:
            self._write("\r\x1b[K")
            self._partial_is_shown = False

    def end(self, transcription: Transcription, timing: Timing) -> None:
        """Print the summary of a recording."""
        if self._is_quiet:
            return
        words = sum(len(turn.words) for turn in transcription.turns)
        parts = [f"{_count(len(transcription.turns), 'turn')}, {_count(words, 'word')}"]
        if timing.first_partial_ms is not None:
            parts.append(f"first text after {timing.first_partial_ms / 1000:.2f} s")
        if timing.final_median_ms is not None:
            parts.append(f"final {timing.final_median_ms / 1000:.2f} s after the last word")
        self._line("  " + "; ".join(parts))
        self._line("")

    def _turn(self, turn: Turn) -> None:
        if self._is_quiet:
            self._line(turn.text)
            return
        span = f"  {clock_text(turn.start_ms / 1000)}-{clock_text(turn.end_ms / 1000)}  "
        width = shutil.get_terminal_size().columns - len(span) - 1
        if not self._is_tty or width < _NARROWEST_TEXT_CELLS:
            self._line(span + turn.text)
            return
        lines = textwrap.wrap(turn.text, width) or [""]
        self._line(span + ("\n" + " " * len(span)).join(lines))

    def _partial(self, text: str) -> None:
        if not self._is_tty:
            self._line(f"  ... {text}")
            return
        room = shutil.get_terminal_size().columns - len("  ... ") - 1
        # The newest words are the interesting ones.
        line = "  ... " + (text if len(text) <= room else "<" + text[-(room - 1) :])
        self._write("\r\x1b[K" + (f"\x1b[2m{line}\x1b[0m" if self._is_dim else line))
        self._partial_is_shown = True

    def _line(self, text: str) -> None:
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        if not self._is_silent:
            self._stream.write(text)
            self._stream.flush()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
