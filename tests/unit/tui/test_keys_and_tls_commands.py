"""``aai-console keys`` and ``tls``: what they write, show and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.api_keys import hash_key, read_api_keys
from runtime.settings import HostSettings
from runtime.tls import load_context, tls_files
from tui.cli import run_command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty AAI_HOME that the commands use."""
    monkeypatch.setenv("AAI_HOME", str(tmp_path))
    return tmp_path


def answer_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json and return exit code and answer."""
    code = run_command([*arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def test_key_is_shown_once_and_its_hash_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list shows label and limit, never the key."""
    code, added = answer_of(capsys, "keys", "add", "acme", "--max-sessions", "3")
    assert code == 0
    key = added["data"]["key"]
    assert read_api_keys(home / "keys" / "api-keys.json")[0].sha256 == hash_key(key)
    run_command(["keys", "list"])
    shown = capsys.readouterr().out
    assert "acme" in shown
    assert " 3 " in shown
    assert key not in shown
    _, listed = answer_of(capsys, "keys", "list")
    assert [(one["label"], one["max_sessions"]) for one in listed["data"]["keys"]] == [("acme", 3)]
    assert key not in str(listed)


def test_key_for_a_stack_that_checks_none_says_so(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator who makes a key believes it protects something."""
    run_command(["keys", "add", "acme"])
    assert "AAI_AUTH_MODE is compat" in capsys.readouterr().out
    monkeypatch.setenv("AAI_AUTH_MODE", "keys")
    run_command(["keys", "add", "bob"])
    assert "compat" not in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("add", "../x"), ("add", "x", "--max-sessions", "0"), ("revoke", "nobody")])
def test_bad_key_command_exits_78(home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """With the cause."""
    code, answer = answer_of(capsys, "keys", *arguments)
    assert (code, answer["error"]["code"]) == (78, "bad_setting")


def test_revoked_key_is_gone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list is empty again."""
    run_command(["keys", "add", "acme"])
    assert run_command(["keys", "revoke", "acme"]) == 0
    capsys.readouterr()
    assert answer_of(capsys, "keys", "list")[1]["data"]["keys"] == []


def test_self_signed_files_and_settings_lines_make_a_listener(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed can be put into aai.env as it is; the key is private; nothing is replaced unasked."""
    assert run_command(["tls", "self-signed", "--host", "asr.example", "--host", "10.1.2.3"]) == 0
    shown = capsys.readouterr().out
    lines = [line.strip() for line in shown.splitlines() if line.strip().startswith("AAI_TLS_")]
    (home / "aai.env").write_text("\n".join(lines))
    files = tls_files(HostSettings.load({"AAI_HOME": str(home)}))
    assert files is not None
    load_context(files)
    assert files.key.stat().st_mode & 0o777 == 0o600
    for word in ("asr.example", "10.1.2.3", "localhost", "SSL_CERT_FILE=", "NODE_EXTRA_CA_CERTS="):
        assert word in shown
    before = files.cert.read_bytes()
    assert run_command(["tls", "self-signed"]) == 78
    assert files.cert.read_bytes() == before
    assert run_command(["tls", "self-signed", "--force"]) == 0
    assert files.cert.read_bytes() != before


@pytest.mark.parametrize("verb", ["keys add", "keys list", "keys revoke", "tls self-signed"])
def test_help_documents_the_exit_codes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As for every command."""
    with pytest.raises(SystemExit):
        run_command([*verb.split(), "--help"])
    assert "exit codes: 0 done" in " ".join(capsys.readouterr().out.split())
