"""How many sessions count for a label on this host: byte-range locks that the kernel drops with their process.

Each label (a key, a backend, the license) has one empty file; a session holds a lock on one byte of it.
Bytes below the label's limit are the slots, so that workers admit exactly that many without asking each
other, and a killed worker's slots are free at once. The locks belong to the open file (OFD locks, Linux
3.15), one file a worker and label.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

from protos.session_v3 import Text
from runtime.errors import CapacityError, EnvironmentFault

# struct flock of Linux: type, whence, start, length, process (0 as OFD locks demand).
FLOCK = struct.Struct("hhqqi4x")
UNLIMITED_SLOTS = 1 << 40


@dataclass(slots=True)
class _LabelFile:
    """The file of one label.

    Attributes:
        search_from: where the next search for a free byte begins. Workers begin at different places, so that each
            one's bytes lie together: the kernel keeps neighbouring locks as one, and its list of them short.
        top: no byte above it is ours.
    """

    number: int
    search_from: int
    held: set[int] = field(default_factory=set)
    top: int = -1

    def hold(self, byte: int) -> None:
        self.held.add(byte)
        self.top = max(self.top, byte)
        self.search_from = byte + 1

    def drop(self, byte: int) -> None:
        self.held.discard(byte)
        if byte == self.top:
            self.top = max(self.held, default=-1)


@dataclass(frozen=True, slots=True)
class Slot:
    """One session's place among those of its label."""

    label: str
    byte: int


class SessionSlots:
    """The slots one worker holds."""

    def __init__(self, directory: Path) -> None:
        """Count in a directory that all workers of this host share."""
        self._directory = directory
        self._files: dict[str, _LabelFile] = {}

    def take(self, label: str, max_sessions: int | None) -> Slot:
        """Take a slot, whichever is free.

        Args:
            label: fit for a file name.
            max_sessions: None only counts, for a limit that may be set later.

        Raises:
            CapacityError: the label has as many sessions open as it may.
            EnvironmentFault: the sessions cannot be counted.
        """
        file = self._files.get(label) or self._open(label)
        end = UNLIMITED_SLOTS if max_sessions is None else max_sessions
        if max_sessions is not None and self._surplus(file, end):
            raise CapacityError(Text.TOO_MANY_SESSIONS)
        middle = file.search_from % end
        byte = _lock_one(file, middle, end)
        if byte is None:
            byte = _lock_one(file, 0, middle)
        if byte is None:
            raise CapacityError(Text.TOO_MANY_SESSIONS)
        file.hold(byte)
        return Slot(label, byte)

    def release(self, slot: Slot) -> None:
        """Give a slot back."""
        file = self._files[slot.label]
        file.drop(slot.byte)
        _lock(file.number, slot.byte, fcntl.F_UNLCK)

    def count(self, label: str) -> int:
        """Return how many sessions of all workers count for a label.

        Raises:
            EnvironmentFault: they cannot be counted.
        """
        file = self._files.get(label) or self._open(label)
        return len(file.held) + _count(file.number, 0, UNLIMITED_SLOTS)

    def close(self) -> None:
        """Give every slot back."""
        for file in self._files.values():
            os.close(file.number)
        self._files.clear()

    def _open(self, label: str) -> _LabelFile:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            number = os.open(self._directory / f"{label}.slots", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EnvironmentFault(f"cannot count sessions in {self._directory}: {error.strerror or error}") from error
        # Neither secret nor to be repeated: only spread.
        search_from = random.randrange(UNLIMITED_SLOTS)  # noqa: S311
        return self._files.setdefault(label, _LabelFile(number, search_from))

    @staticmethod
    def _surplus(file: _LabelFile, limit: int) -> bool:
        """Return whether sessions of a time with a higher limit already reach this one."""
        if file.top < limit and _conflict(file.number, limit, UNLIMITED_SLOTS) is None:
            return False
        return len(file.held) + _count(file.number, 0, UNLIMITED_SLOTS) >= limit


def _lock_one(file: _LabelFile, start: int, end: int) -> int | None:
    """Lock the first byte of [start, end) that nobody holds; return None when there is none."""
    byte = start
    while byte < end:
        if byte in file.held:
            byte += 1
        elif _lock(file.number, byte, fcntl.F_WRLCK):
            return byte
        else:
            other = _conflict(file.number, byte, byte + 1)
            byte = byte if other is None else other[1]
    return None


def _lock(number: int, byte: int, kind: int) -> bool:
    """Lock or unlock one byte without waiting; return whether it was possible."""
    try:
        fcntl.fcntl(number, fcntl.F_OFD_SETLK, FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise EnvironmentFault(f"cannot count sessions: {error.strerror or error}") from error
    return True


def _conflict(number: int, start: int, end: int) -> tuple[int, int] | None:
    """Return one range within [start, end) that another worker holds; None when there is none."""
    try:
        asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
        kind, _, found, length, _ = FLOCK.unpack(fcntl.fcntl(number, fcntl.F_OFD_GETLK, asked))
    except OSError as error:
        raise EnvironmentFault(f"cannot count sessions: {error.strerror or error}") from error
    if kind == fcntl.F_UNLCK:
        return None
    return max(found, start), min(found + length, end)


def _count(number: int, start: int, end: int) -> int:
    """Return how many bytes of [start, end) other workers hold; they are found in no order."""
    waiting, count = [(start, end)], 0
    while waiting:
        start, end = waiting.pop()
        found = _conflict(number, start, end) if start < end else None
        if found is not None:
            count += found[1] - found[0]
            waiting += [(start, found[0]), (found[1], end)]
    return count
