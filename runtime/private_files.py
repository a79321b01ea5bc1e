"""Files only their owner may read: written whole or not at all, and secrets kept in one."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from runtime.errors import ConfigError, EnvironmentFault

TOKEN_BYTES = 32
PRIVATE_FILE_MODE = 0o600
PRIVATE_DIRECTORY_MODE = 0o700
TOKEN_FILE_LIMIT_BYTES = 4096


def atomic_write_private(path: Path, content: bytes) -> None:
    """Replace a file by one with this content and mode 0600; a reader sees the old or the new one, whole.

    Missing parent directories are made with mode 0700. The content is on disk when this returns.

    Raises:
        EnvironmentFault: the directory cannot be written.
    """
    try:
        temporary = _write_beside(path, content)
        try:
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error


def create_private(path: Path, content: bytes) -> bool:
    """Write a file like ``atomic_write_private``, but never over an existing one; return whether it was made.

    Of several callers at once exactly one makes the file, and the others find it complete.

    Raises:
        EnvironmentFault: the directory cannot be written.
    """
    try:
        temporary = _write_beside(path, content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    return True


def ensure_internal_token(path: Path) -> str:
    """Return the token programs of one stack show each other, making its file on first use.

    Raises:
        ConfigError: the file exists and holds no usable token.
        EnvironmentFault: the directory cannot be written.
    """
    return ensure_secret(path, "internal token")


def ensure_secret(path: Path, name: str) -> str:
    """Return a random secret kept in a file, making the file on first use; callers at once get the same one.

    Args:
        path: the file; letters and digits in one line.
        name: what to call it in errors.

    Raises:
        ConfigError: the file exists and holds no usable secret.
        EnvironmentFault: the directory cannot be written.
    """
    if not path.exists():
        create_private(path, secrets.token_hex(TOKEN_BYTES).encode() + b"\n")
    try:
        with path.open("rb") as file:
            token = file.read(TOKEN_FILE_LIMIT_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the {name} {path}: {error}; remove it to get a new one") from error
    if len(token) < 2 * TOKEN_BYTES or not token.isalnum():
        raise ConfigError(
            f"the {name} {path} is not {2 * TOKEN_BYTES} or more letters and digits; remove it to get a new one"
        )
    return token


def _write_beside(path: Path, content: bytes) -> Path:
    _make_private_directory(path.parent)
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            os.fchmod(file.fileno(), PRIVATE_FILE_MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _make_private_directory(directory: Path) -> None:
    # Path.mkdir(parents=True) gives the directories in between the default mode.
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)


def _sync_directory(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _cannot_write(path: Path, error: OSError) -> EnvironmentFault:
    reason = error.strerror or str(error)
    return EnvironmentFault(f"cannot write {path}: {reason}; make {path.parent} a directory you may write to")
