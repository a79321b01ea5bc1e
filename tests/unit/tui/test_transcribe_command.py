"""`aai-console transcribe`, as far as it needs no gateway: arguments, files, errors."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest

from tui.cli import build_parser


def _wav(path: Path, *, channels: int = 1, rate_hz: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(b"\0\0" * channels * 1_600)
    return path


def _run(*arguments: str) -> int:
    parsed = build_parser().parse_args(["transcribe", "--endpoint", "ws://127.0.0.1:9", *arguments])
    return int(parsed.func(parsed))


def test_transcribe_of_a_missing_file_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is named, code 2."""
    assert _run(str(tmp_path / "none.wav")) == 2
    assert "none.wav: no such file" in capsys.readouterr().err


def test_transcribe_of_a_stereo_file_names_the_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two channels are refused with the option that helps."""
    assert _run(str(_wav(tmp_path / "two.wav", channels=2))) == 2
    assert "--convert" in capsys.readouterr().err


def test_transcribe_of_a_rate_outside_the_protocol_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """4 kHz is below what a session takes."""
    assert _run(str(_wav(tmp_path / "low.wav", rate_hz=4_000))) == 2
    assert "4000 Hz is not within 8000 to 96000" in capsys.readouterr().err


def test_transcribe_with_a_bad_endpoint_shows_the_accepted_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only WebSocket addresses are taken."""
    assert _run(str(_wav(tmp_path / "a.wav")), "--endpoint", "http://host") == 2
    assert "ws://HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "1000", "nan"])
def test_transcribe_refuses_a_speed_that_makes_no_sense(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Speed is max or a positive number."""
    with pytest.raises(SystemExit) as ended:
        _run("x.wav", f"--speed={speed}")
    assert ended.value.code == 2
    assert "expected max or a number" in capsys.readouterr().err


def test_transcribe_failure_as_json_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also a failure is a document with a constant code."""
    assert _run(str(tmp_path / "none.wav"), "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["error"]["code"], document["data"]) == (False, "usage", {"files": []})
