"""Private files: mode, atomicity and the internal token."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.errors import ConfigError, EnvironmentFault
from runtime.private_files import atomic_write_private, create_private, ensure_internal_token


def test_atomic_write_private_makes_directories_and_file_private(tmp_path: Path) -> None:
    """File and new directories are for their owner only, whatever the umask."""
    path = tmp_path / "one" / "two" / "file"
    previous = os.umask(0)
    try:
        atomic_write_private(path, b"content")
    finally:
        os.umask(previous)
    assert path.read_bytes() == b"content"
    assert [each.stat().st_mode & 0o777 for each in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]


def test_atomic_write_private_replaces_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    """The old content is gone and nothing lies beside the file."""
    path = tmp_path / "file"
    atomic_write_private(path, b"old")
    atomic_write_private(path, b"new")
    assert (path.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (b"new", ["file"])


@pytest.mark.parametrize("write", [atomic_write_private, create_private])
def test_write_below_a_file_names_the_path_and_the_fix(tmp_path: Path, write: object) -> None:
    """A directory that cannot be made is a fault of the machine, told in one line."""
    assert callable(write)
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="directory you may write to"):
        write(tmp_path / "file" / "below", b"")


def test_atomic_write_private_over_a_directory_leaves_no_temporary_file(tmp_path: Path) -> None:
    """A write that fails at its last step cleans up."""
    (tmp_path / "name").mkdir()
    with pytest.raises(EnvironmentFault):
        atomic_write_private(tmp_path / "name", b"")
    assert [each.name for each in tmp_path.iterdir()] == ["name"]


def test_create_private_never_replaces(tmp_path: Path) -> None:
    """An existing file stays and the caller is told."""
    path = tmp_path / "file"
    assert create_private(path, b"first")
    assert not create_private(path, b"second")
    assert (path.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (b"first", ["file"])


def test_internal_token_is_made_once_and_kept(tmp_path: Path) -> None:
    """All programs read the same 32 random bytes, even when they start at the same moment."""
    path = tmp_path / "keys" / "internal.token"
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: ensure_internal_token(path), range(32)))
    assert len(tokens) == 1
    assert len(bytes.fromhex(tokens.pop())) == 32
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 80, b"a b" * 40])
def test_internal_token_file_without_a_token_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that was cut or filled with something else is not replaced silently."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="remove it"):
        ensure_internal_token(path)
