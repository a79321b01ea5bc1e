"""One operation at a time on one stack: a lock file that names its holder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from runtime.supervise.errors import OperationLocked

FILE_NAME = "op.lock"


class LockHolder(msgspec.Struct, frozen=True):
    """Who works on the stack.

    Attributes:
        verb: what it does, such as ``switch u3pro``.
        since_s: Unix time of its begin.
    """

    pid: int
    verb: str
    since_s: float


class OperationLock:
    """A lock the kernel releases when its holder ends, however it ends."""

    def __init__(self, run_dir: Path, verb: str) -> None:
        """Prepare the lock; ``verb`` is what others are told."""
        self._path = run_dir / FILE_NAME
        self._verb = verb
        self._number: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            OperationLocked: someone else holds it.
        """
        number = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(number)
            raise OperationLocked(locked_text(_read(self._path)), "wait until it has ended") from None
        holder = LockHolder(os.getpid(), self._verb, time.time())
        os.ftruncate(number, 0)
        os.pwrite(number, msgspec.json.encode(holder), 0)
        self._number = number
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        if self._number is not None:
            os.ftruncate(self._number, 0)
            os.close(self._number)
            self._number = None


def read_holder(run_dir: Path) -> LockHolder | None:
    """Return who works on the stack now; None when nobody does."""
    try:
        number = os.open(run_dir / FILE_NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(run_dir / FILE_NAME)
    finally:
        os.close(number)
    return None


def locked_text(holder: LockHolder | None) -> str:
    """Return who holds the lock, in words."""
    if holder is None:
        return "another operation is under way"
    age_s = max(0.0, time.time() - holder.since_s)
    return f"another operation is under way: {holder.verb}, process {holder.pid}, since {age_s:.0f} s"


def _read(path: Path) -> LockHolder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=LockHolder)
    except (OSError, msgspec.DecodeError):
        return None
