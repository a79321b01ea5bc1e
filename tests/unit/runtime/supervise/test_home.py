"""What is made and checked before anything is started."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from runtime.catalog import Stack
from runtime.errors import EnvironmentFault, LicenseError
from runtime.license import ensure_development_license, issue_license, new_signing_key
from runtime.supervise.home import (
    PROGRAM_FILES,
    check_installation,
    check_license,
    check_socket_paths,
    make_directories,
    make_first_files,
)
from tests.support.licenses import order
from tests.unit.runtime.supervise.builders import site


def test_directories_are_private(tmp_path: Path) -> None:
    """Nobody else can look into the state of a stack."""
    home = tmp_path / "state"
    make_directories(home)

    for directory in (home, home / "run", home / "logs", home / "keys"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_home_below_a_file_is_named_with_the_fix(tmp_path: Path) -> None:
    """A directory that cannot be made gives one line with path, cause and setting."""
    (tmp_path / "file").write_text("")

    with pytest.raises(EnvironmentFault, match=r"file/state.*Not a directory.*AAI_HOME"):
        make_directories(tmp_path / "file" / "state")


def test_home_with_a_long_path_is_refused() -> None:
    """The kernel would cut the name of the longest socket."""
    with pytest.raises(EnvironmentFault, match="shorter directory"):
        check_socket_paths(site(Path("/" + "x" * 80)), Stack.UNIVERSAL)


def test_home_with_a_short_path_is_taken() -> None:
    """An ordinary path has room for every socket."""
    check_socket_paths(site(Path("/srv/aai")), Stack.UNIVERSAL)


def test_missing_program_is_named(tmp_path: Path) -> None:
    """An installation without one of the programs does not start half."""
    for name in PROGRAM_FILES[1:]:
        (tmp_path / name).touch(mode=0o755)

    with pytest.raises(EnvironmentFault, match=f"{PROGRAM_FILES[0]} is not in"):
        check_installation(tmp_path)


def test_complete_installation_is_accepted(tmp_path: Path) -> None:
    """All programs and every required package are here."""
    for name in PROGRAM_FILES:
        (tmp_path / name).touch(mode=0o755)
    check_installation(tmp_path)


def test_first_files_are_made_once(tmp_path: Path) -> None:
    """A first start writes aai.env, token and license; the next one leaves them as they are."""
    place = site(tmp_path)
    make_directories(tmp_path)
    token_file = tmp_path / "keys" / "internal.token"

    first = make_first_files(place, token_file)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    second = make_first_files(place, token_file)

    assert any("aai.env" in sentence for sentence in first)
    assert second == ()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert stat.S_IMODE((tmp_path / "aai.env").stat().st_mode) == 0o600


def test_broken_license_is_named_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line holds the file and what to do."""
    license_file = tmp_path / "mine.jwt"
    license_file.write_text("nonsense")
    monkeypatch.setenv("LICENSE_FILE_PATH", str(license_file))

    with pytest.raises(LicenseError, match=r"mine\.jwt is not usable: .*; put a license there"):
        check_license(tmp_path, Stack.UNIVERSAL)


def test_license_without_its_issuers_keys_says_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An own license beside which no keys lie, with or without development keys in the home, names the missing file."""
    home = tmp_path / "home"
    make_directories(home)
    license_file = tmp_path / "license.jwt"
    license_file.write_text(issue_license(order(), new_signing_key(), int(time.time())).token)
    monkeypatch.setenv("LICENSE_FILE_PATH", str(license_file))
    fix = r"put the issuer's public keys beside it as license-public-keys\.json \(or set LICENSE_PUBLIC_KEYS_PATH\)"

    with pytest.raises(LicenseError, match=fix):
        check_license(home, Stack.UNIVERSAL)

    ensure_development_license(home, int(time.time()))
    with pytest.raises(LicenseError, match=fix):
        check_license(home, Stack.UNIVERSAL)
