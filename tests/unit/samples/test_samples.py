"""The recordings that ship with the product, and the example client that streams them."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.audio import read_wav
from samples import make_samples
from samples.stream_file import SessionError, TurnPrinter, UsageError, converse, main, read_frames, session_url
from tests.support.scripted_connection import ScriptedConnection

SAMPLES = Path(make_samples.__file__).resolve().parent
WAV_NAMES = sorted(path.name for path in SAMPLES.glob("*.wav"))
TERMINATION = {"type": "Termination", "audio_duration_seconds": 1, "session_duration_seconds": 1}


def turn(text: str, *, end: bool, formatted: bool) -> dict[str, Any]:
    """Return the fields of a Turn message that a client shows."""
    words = [{"text": word} for word in text.split()]
    transcript = text if end else ""
    return {
        "type": "Turn", "end_of_turn": end, "turn_is_formatted": formatted, "transcript": transcript, "words": words,
    }  # fmt: skip


async def frames_of(*frames: bytes) -> AsyncIterator[bytes]:
    """Yield frames without waiting."""
    for frame in frames:
        yield frame


def test_samples_every_recording_has_the_transcript_the_maker_speaks() -> None:
    """Recordings, transcripts and the script that made both agree."""
    transcripts = json.loads((SAMPLES / "transcripts.json").read_text(encoding="utf-8"))
    assert transcripts == make_samples.transcripts()
    assert sorted(transcripts) == WAV_NAMES


@pytest.mark.parametrize("name", WAV_NAMES)
def test_samples_recording_is_short_16_khz_mono_speech(name: str) -> None:
    """A recording lasts 5 to 9 s, begins and ends in silence and is audible between."""
    audio = read_wav(SAMPLES / name)
    assert (audio.sample_rate_hz, audio.channels) == (16_000, 1)
    assert 5_000 <= audio.duration_ms <= 9_000
    samples = np.frombuffer(audio.pcm16, dtype="<i2").astype(int)
    assert not samples[: 16 * make_samples.LEADING_SILENCE_MS].any()
    assert not samples[-16 * make_samples.TRAILING_SILENCE_MS :].any()
    assert 5_000 < np.abs(samples).max() < 32_767


@pytest.mark.parametrize("sample", make_samples.SAMPLES, ids=lambda sample: sample.name)
def test_samples_pause_between_sentences_has_its_length(sample: make_samples.Sample) -> None:
    """The pause the maker asked for is in the recording."""
    samples = np.frombuffer(read_wav(SAMPLES / f"{sample.name}.wav").pcm16, dtype="<i2")
    inner = samples[16 * make_samples.LEADING_SILENCE_MS : -16 * make_samples.TRAILING_SILENCE_MS]
    edges = np.flatnonzero(np.abs(inner.astype(int)) > 0)
    assert np.diff(edges).max() >= 16 * sample.pause_ms


def test_samples_one_recording_pauses_longer_than_the_default_turn_silence() -> None:
    """At least one recording makes two turns."""
    assert max(sample.pause_ms for sample in make_samples.SAMPLES) > 1_280


def test_samples_sentences_hold_no_digits() -> None:
    """What is said can be compared with what is heard, word by word."""
    assert not any(character.isdigit() for text in make_samples.transcripts().values() for character in text)


def test_read_frames_of_a_sample_are_100_ms_and_lose_nothing() -> None:
    """Frames are 3200 bytes, the last one may be shorter, together they are the recording."""
    rate_hz, frames = read_frames(SAMPLES / "weather.wav")
    assert rate_hz == 16_000
    assert {len(frame) for frame in frames[:-1]} == {3_200}
    assert b"".join(frames) == read_wav(SAMPLES / "weather.wav").pcm16


def test_read_frames_stereo_is_refused(tmp_path: Path) -> None:
    """The message names what was found and what is expected."""
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(400))
    with pytest.raises(UsageError, match="2 channels of 16 bits, expected 1 channel of 16 bits"):
        read_frames(path)


def test_read_frames_of_eight_bits_counts_one_channel(tmp_path: Path) -> None:
    """One channel is not called channels."""
    path = tmp_path / "narrow.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(16_000)
        file.writeframes(bytes(400))
    with pytest.raises(UsageError, match="1 channel of 8 bits, expected"):
        read_frames(path)


def test_read_frames_of_an_empty_file_says_that_it_ends_too_early(tmp_path: Path) -> None:
    """A file that is cut off has a reason, too."""
    path = tmp_path / "empty.wav"
    path.touch()
    with pytest.raises(UsageError, match="not a PCM WAV file: it ends too early"):
        read_frames(path)


@pytest.mark.parametrize("endpoint", ["localhost:8080", "http://localhost", "ws://localhost:port"])
def test_stream_file_bad_address_names_the_accepted_forms(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An address that is none is one line on stderr and exit code 2."""
    assert main(["--audio-file", str(SAMPLES / "weather.wav"), "--endpoint", endpoint]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"{endpoint} is not a WebSocket address: expected ws://HOST:PORT or wss://HOST:PORT"


@pytest.mark.parametrize(("name", "reason"), [("nothing.wav", "No such file"), ("transcripts.json", "not a PCM WAV")])
def test_stream_file_unusable_file_exits_2_with_one_line(
    name: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad file is one line on stderr and exit code 2."""
    assert main(["--audio-file", str(SAMPLES / name)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert reason in line


def test_session_url_holds_given_parameters_only() -> None:
    """Optional parameters appear only when given."""
    assert session_url("ws://h:1", 16_000, None, None) == "ws://h:1?sample_rate=16000&format_turns=true"
    full = session_url("wss://h/v3/ws?token=t", 8_000, "u3-rt-pro", "en")
    assert full == "wss://h/v3/ws?token=t&sample_rate=8000&format_turns=true&speech_model=u3-rt-pro&language=en"


async def test_converse_sends_audio_then_terminate_and_prints_turns(capsys: pytest.CaptureFixture[str]) -> None:
    """Partials go to stderr once each; of a raw and a formatted final only the latter is printed."""
    opening = [{"type": "Begin", "id": "s1"}, *[turn("hello", end=False, formatted=False)] * 2]
    closing = [turn("hello you", end=True, formatted=False), turn("Hello you.", end=True, formatted=True), TERMINATION]
    connection = ScriptedConnection(opening, closing)
    await converse(connection, frames_of(b"a", b"b"), TurnPrinter())  # type: ignore[arg-type]
    assert connection.sent == [b"a", b"b", '{"type": "Terminate"}']
    said = capsys.readouterr()
    assert said.out == "Hello you.\n"
    assert said.err.splitlines() == ["session s1", "partial: hello", "end of session, 1 s of audio"]


async def test_converse_raw_final_alone_is_printed_at_the_next_turn(capsys: pytest.CaptureFixture[str]) -> None:
    """A final that is never formatted is not lost."""
    closing = [
        turn("one", end=True, formatted=False),
        turn("two", end=False, formatted=False),
        turn("two", end=True, formatted=False),
        TERMINATION,
    ]
    await converse(ScriptedConnection([], closing), frames_of(), TurnPrinter())  # type: ignore[arg-type]
    assert capsys.readouterr().out == "one\ntwo\n"


async def test_converse_error_message_becomes_the_session_error() -> None:
    """What the server reported is what the user reads, with its code."""
    connection = ScriptedConnection([{"type": "Error", "error_code": 3006, "error": "Invalid 'x'"}])
    with pytest.raises(SessionError, match="error 3006: Invalid 'x'"):
        await converse(connection, frames_of(b"a"), TurnPrinter())  # type: ignore[arg-type]


async def test_converse_close_without_termination_is_an_error() -> None:
    """A session that just ends is not a success."""
    with pytest.raises(SessionError, match=r"before Termination \(close code 1000\)"):
        await converse(ScriptedConnection([]), frames_of(b"a"), TurnPrinter())  # type: ignore[arg-type]


async def test_converse_failing_audio_source_still_terminates_the_session() -> None:
    """When the source fails, the session is ended properly and the failure is reported."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise UsageError("no microphone")

    connection = ScriptedConnection([], [TERMINATION])
    with pytest.raises(UsageError, match="no microphone"):
        await converse(connection, broken(), TurnPrinter())  # type: ignore[arg-type]
    assert connection.sent[-1] == '{"type": "Terminate"}'


@pytest.mark.parametrize("script", ["stream_file.py", "stream_mic.py", "make_samples.py"])
def test_sample_scripts_explain_themselves(script: str) -> None:
    """Each script runs on its own and prints its options."""
    done = subprocess.run([sys.executable, SAMPLES / script, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage:")
