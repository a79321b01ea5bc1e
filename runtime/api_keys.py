"""Client keys: who may connect, kept as hashes in one file that console and gateway share."""

from __future__ import annotations

import fcntl
import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from runtime.errors import ConfigError, EnvironmentFault
from runtime.private_files import atomic_write_private

KEY_PREFIX = "aai_"
KEY_BYTES = 32
# Labels name files and stand in logs.
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_SESSIONS_LIMIT = 1_000_000
FILE_LIMIT_BYTES = 4 * 1024 * 1024
FINGERPRINT_CHARACTERS = 16
SHA256_CHARACTERS = 64


class ApiKey(msgspec.Struct, frozen=True):
    """One client key, without the key itself.

    Attributes:
        label: whose it is; letters, digits, dot, dash, underscore.
        sha256: hash of the key, lower-case hexadecimal. Keys are random, so it needs no salt.
        max_sessions: sessions it may have open on this host at once; None for no limit.
        created_at_s: Unix time.
    """

    label: str
    sha256: str
    max_sessions: int | None = None
    created_at_s: int = 0

    @property
    def fingerprint(self) -> str:
        """What tells this key from others without giving it away."""
        return self.sha256[:FINGERPRINT_CHARACTERS]


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    keys: tuple[ApiKey, ...]


def hash_key(key: str) -> str:
    """Return the hash a key is stored as; takes any text a client may send."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def read_api_keys(path: Path) -> tuple[ApiKey, ...]:
    """Return the keys of a file; none when there is no file.

    Raises:
        ConfigError: the file cannot be read or does not hold keys.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"cannot read the keys file {path}: {error.strerror or error}") from error
    try:
        keys = msgspec.json.decode(content, type=_Document).keys
    except msgspec.DecodeError as error:
        raise ConfigError(f"the keys file {path} is broken: {error}") from error
    for key in keys:
        _check(path, key)
    if len({key.label for key in keys}) != len(keys):
        raise ConfigError(f"the keys file {path} is broken: a label stands in it twice")
    return keys


def add_api_key(path: Path, label: str, max_sessions: int | None, now_s: int) -> str:
    """Make a key, add its hash to the file and return the key; it cannot be read again.

    Raises:
        ConfigError: the label is taken or not accepted, the limit is, or the file is broken.
        EnvironmentFault: the file cannot be written.
    """
    if not LABEL.fullmatch(label):
        raise ConfigError(f"{label!r} is no label: expected up to 64 letters, digits, dots, dashes and underscores")
    if max_sessions is not None and not 1 <= max_sessions <= MAX_SESSIONS_LIMIT:
        raise ConfigError(f"{max_sessions} sessions are not accepted: expected 1 to {MAX_SESSIONS_LIMIT}")
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    with _locked(path):
        keys = read_api_keys(path)
        if any(other.label == label for other in keys):
            raise ConfigError(f"a key with the label {label} exists; revoke it first or choose another label")
        _write(path, (*keys, ApiKey(label, hash_key(key), max_sessions, now_s)))
    return key


def revoke_api_key(path: Path, label: str) -> None:
    """Remove a key from the file.

    Raises:
        ConfigError: no key has the label, or the file is broken.
        EnvironmentFault: the file cannot be written.
    """
    with _locked(path):
        keys = read_api_keys(path)
        left = tuple(key for key in keys if key.label != label)
        if len(left) == len(keys):
            raise ConfigError(f"no key has the label {label}; `aai-console keys list` shows them")
        _write(path, left)


def _check(path: Path, key: ApiKey) -> None:
    good_hash = len(key.sha256) == SHA256_CHARACTERS and not key.sha256.strip("0123456789abcdef")
    good_limit = key.max_sessions is None or 1 <= key.max_sessions <= MAX_SESSIONS_LIMIT
    if not (LABEL.fullmatch(key.label) and good_hash and good_limit):
        raise ConfigError(f"the keys file {path} is broken: label, hash or limit of {key.label!r} is not accepted")


def _write(path: Path, keys: tuple[ApiKey, ...]) -> None:
    document = msgspec.json.format(msgspec.json.encode(_Document(1, keys)), indent=2)
    atomic_write_private(path, document + b"\n")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep two consoles from writing over each other."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("ab")
    except OSError as error:
        raise EnvironmentFault(f"cannot write beside {path}: {error.strerror or error}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
