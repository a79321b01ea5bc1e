"""``aai-console license``: what it writes, prints and returns."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.license import ensure_development_license
from tui.commands.license import UNVERIFIED_BANNER, add_parser

ISSUE = ["--customer-id", "acme", "--customer-name", "Acme", "--days", "30", "--sessions", "5"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty AAI_HOME that the command uses."""
    monkeypatch.setenv("AAI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser(prog="aai-console")
    add_parser(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["license", *map(str, arguments)])
    code: int = parsed.func(parsed)
    return code


def _run_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code = _run(*arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(found) == {"schema", "ok", "data", "error"}
    assert (found["schema"], found["ok"]) == (1, found["error"] is None)
    return code, found


def _authority(directory: Path) -> Path:
    assert _run("keygen", "--out", directory) == 0
    return directory / "license-signing.pem"


def test_keygen_issue_verify_together_give_a_valid_license(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A license made with the three commands is valid and says what was ordered."""
    key = _authority(tmp_path / "authority")
    out = tmp_path / "authority" / "acme.jwt"
    assert _run("issue", "--key", key, *ISSUE, "--stack", "u3pro", "--out", out) == 0
    capsys.readouterr()
    code, answer = _run_json(capsys, "verify", out)
    assert (code, answer["data"]["verdict"]) == (0, "valid")
    claims = answer["data"]["claims"]
    assert (claims["sub"], claims["stacks"], claims["models"]) == ("acme", ["u3pro"], ["u3-pro"])
    assert len((tmp_path / "authority" / "issued-licenses.jsonl").read_text().splitlines()) == 1
    assert not home.exists()


def test_keygen_with_passphrase_writes_a_key_that_needs_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An encrypted key signs with its passphrase and is refused without."""
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\nsecond line\n")
    assert _run("keygen", "--out", tmp_path, "--passphrase-file", secret) == 0
    key = tmp_path / "license-signing.pem"
    assert b"ENCRYPTED" in key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    command = ["issue", "--key", key, *ISSUE, "--out", tmp_path / "license.jwt"]
    assert _run(*command) == 78
    assert "passphrase" in capsys.readouterr().err
    assert _run(*command, "--passphrase-file", secret) == 0


def test_keygen_over_an_existing_key_is_refused_and_keeps_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No signing key is ever overwritten."""
    key = _authority(tmp_path)
    before = key.read_bytes()
    code, answer = _run_json_after(capsys, "keygen", "--out", tmp_path)
    assert (code, answer["error"]["code"], key.read_bytes()) == (78, "configuration", before)


def _run_json_after(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    return _run_json(capsys, *arguments)


def test_keygen_beside_public_keys_adds_to_them_for_rotation(home: Path, tmp_path: Path) -> None:
    """A new key in the directory of an old one leaves the old public key pinned."""
    _authority(tmp_path).unlink()
    _authority(tmp_path)
    assert len(json.loads((tmp_path / "license-public-keys.json").read_text())["keys"]) == 2


def test_issue_over_an_existing_license_needs_force(home: Path, tmp_path: Path) -> None:
    """A license is replaced only on demand."""
    key, out = _authority(tmp_path), tmp_path / "license.jwt"
    out.write_text("precious")
    command = ["issue", "--key", key, *ISSUE, "--out", out]
    assert (_run(*command), out.read_text()) == (78, "precious")
    assert _run(*command, "--force") == 0
    assert _run("verify", out) == 0


def test_issue_that_would_be_refused_writes_nothing(home: Path, tmp_path: Path) -> None:
    """An order out of bounds leaves neither license nor log line."""
    key = _authority(tmp_path)
    order = [*ISSUE[:4], "--days", "401", "--sessions", "5"]
    assert _run("issue", "--key", key, *order, "--out", tmp_path / "license.jwt") == 78
    assert {path.name for path in tmp_path.iterdir()} == {"license-signing.pem", "license-public-keys.json"}


def test_inspect_prints_claims_under_the_unverified_banner(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line says that nothing below it is verified."""
    made = ensure_development_license(tmp_path, 1_760_000_000)
    assert _run("inspect", made.files.license) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == UNVERIFIED_BANNER
    assert '  "sub": "development",' in lines
    _, answer = _run_json(capsys, "inspect", made.files.license)
    assert (answer["data"]["verified"], answer["data"]["claims"]["sub"]) == (False, "development")


@pytest.mark.parametrize("command", ["inspect", "verify"])
@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_license_that_is_missing_or_garbage_is_unreadable(
    command: str, content: bytes | None, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 7, one cause and one fix."""
    path = tmp_path / "license.jwt"
    if content is not None:
        path.write_bytes(content)
    code, answer = _run_json(capsys, command, path)
    assert (code, answer["error"]["code"]) == (7, "unreadable")
    assert str(path) in answer["error"]["message"]
    assert answer["error"]["hint"]


def test_verify_without_arguments_takes_the_license_of_this_stack(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default is what the license proxy would read; long expired is exit code 3."""
    ensure_development_license(home, 1_000_000_000)
    monkeypatch.setenv("LICENSE_FILE_PATH", str(home / "license.jwt"))
    code, answer = _run_json(capsys, "verify")
    assert (code, answer["error"]["code"], answer["data"]["license"]) == (3, "expired", str(home / "license.jwt"))


def test_verify_with_other_keys_is_untrusted(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A license of another authority is exit code 2 and told with the fix on stderr."""
    ensure_development_license(home, 1_760_000_000)
    _authority(tmp_path)
    capsys.readouterr()
    assert _run("verify", home / "license.jwt", "--keys", tmp_path / "license-public-keys.json") == 2
    printed = capsys.readouterr()
    assert "not pinned" in printed.err
    assert "fix: " in printed.err


def test_bad_setting_is_told_with_its_exit_code(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelled variable stops the command as it stops every program."""
    monkeypatch.setenv("AAI_MISSPELLED", "1")
    assert _run("verify") == 78
    assert "AAI_MISSPELLED" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["keygen", "issue", "inspect", "verify"])
def test_help_of_each_command_documents_the_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts find the codes in the help."""
    with pytest.raises(SystemExit) as ended:
        _run(command, "--help")
    assert ended.value.code == 0
    assert "exit codes: 0 " in capsys.readouterr().out
