"""The keys file: what it holds, what it never holds, what is refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from runtime.api_keys import ApiKey, add_api_key, hash_key, read_api_keys, revoke_api_key
from runtime.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file belongs."""
    return tmp_path / "keys" / "api-keys.json"


def test_no_file_holds_no_keys(path: Path) -> None:
    """Before the first key there is nothing to read."""
    assert read_api_keys(path) == ()


def test_added_key_is_stored_as_a_hash_for_its_owner_only(path: Path) -> None:
    """The key itself is in no file."""
    key = add_api_key(path, "acme", 3, 1_700_000_000)
    assert read_api_keys(path) == (ApiKey("acme", hash_key(key), 3, 1_700_000_000),)
    assert len(key) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(key not in file.read_text() for file in path.parent.iterdir())


def test_revoked_key_is_gone_and_others_stay(path: Path) -> None:
    """Only the label named goes."""
    for label in ("acme", "bob"):
        add_api_key(path, label, None, 0)
    revoke_api_key(path, "acme")
    assert [key.label for key in read_api_keys(path)] == ["bob"]
    with pytest.raises(ConfigError, match="no key has the label acme"):
        revoke_api_key(path, "acme")


def test_second_key_of_a_label_is_refused(path: Path) -> None:
    """A label stands for one key."""
    add_api_key(path, "acme", None, 0)
    with pytest.raises(ConfigError, match="exists"):
        add_api_key(path, "acme", None, 0)


@pytest.mark.parametrize("label", ["", ".x", "../x", "a/b", "a b", "ä", "x" * 65, "a\n"])
def test_label_that_is_no_file_name_is_refused(path: Path, label: str) -> None:
    """Labels name files and stand in logs."""
    with pytest.raises(ConfigError, match="is no label"):
        add_api_key(path, label, None, 0)
    assert not path.exists()


@pytest.mark.parametrize("limit", [0, -1, 1_000_001])
def test_limit_out_of_bounds_is_refused(path: Path, limit: int) -> None:
    """A key without any session would be revoked instead."""
    with pytest.raises(ConfigError, match="sessions are not accepted"):
        add_api_key(path, "acme", limit, 0)


GOOD = {"label": "acme", "sha256": "0" * 64}


@pytest.mark.parametrize(
    "document",
    [
        [], {"schema": 1}, {"schema": 1, "keys": [{"label": "acme"}]}, {"schema": 1, "keys": [], "more": 1},
        {"schema": 1, "keys": [GOOD, GOOD]}, {"schema": 1, "keys": [{**GOOD, "label": "../x"}]},
        {"schema": 1, "keys": [{**GOOD, "sha256": "0" * 63}]}, {"schema": 1, "keys": [{**GOOD, "sha256": "G" * 64}]},
        {"schema": 1, "keys": [{**GOOD, "max_sessions": 0}]}, {"schema": 1, "keys": [{**GOOD, "max_sessions": "9"}]},
    ],
)  # fmt: skip
def test_broken_file_is_named(path: Path, document: object) -> None:
    """An operator who edits the file by hand is told, not ignored."""
    path.parent.mkdir()
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"api-keys\.json is broken"):
        read_api_keys(path)
