"""Log files as they grow: the last lines, and new ones across rotations.

Files are read directly: supervisord's own tail calls repeat text and fail on characters that are
cut at the asked offset.
"""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path
from typing import BinaryIO

LINE_MAX_CHARACTERS = 8192
READ_MAX_BYTES = 1 << 20
BLOCK_BYTES = 65536
ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def clean_line(line: str) -> str:
    """Return a line without escape sequences and control characters, cut to 8192 characters."""
    plain = CONTROL_CHARACTERS.sub("", ESCAPE_SEQUENCE.sub("", line))
    return plain if len(plain) <= LINE_MAX_CHARACTERS else plain[: LINE_MAX_CHARACTERS - 3] + "..."


def last_lines(path: Path, count: int, since_byte: int = 0) -> tuple[str, ...]:
    """Return the last lines of a file and, when it is short, of the one it was rotated to.

    Args:
        path: a log file; none, or an empty one, has no lines.
        count: at most so many.
        since_byte: ignore what is before; then rotated files are ignored, too.
    """
    lines = _tail(path, count, since_byte)
    if len(lines) < count and not since_byte:
        lines = _tail(path.with_name(path.name + ".1"), count - len(lines), 0) + lines
    return tuple(clean_line(line) for line in lines)


class LogFollower:
    """The lines of one log file from some point on, one owner, never blocking.

    A file renamed away is read to its end before the new one is opened; a file cut short is read
    again from its start; a file that is not there yet is waited for.
    """

    def __init__(self, path: Path, last: int = 0) -> None:
        """Prepare to follow.

        Args:
            path: the file; it need not exist.
            last: how many of the lines already there the first read returns.
        """
        self._path = path
        self._file: BinaryIO | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial = ""
        self._backlog = list(last_lines(path, last)) if last else []
        if self._open():
            assert self._file is not None
            self._skip_to_last_line_end(self._file)

    def read_lines(self) -> list[str]:
        """Return the lines completed since the last call, at most a megabyte's worth."""
        lines, self._backlog = self._backlog, []
        if self._file is None and not self._open():
            return lines
        assert self._file is not None
        lines += self._read_some()
        if self._is_replaced() and self._at_end():
            lines += self._finish()
            if self._open():
                lines += self._read_some()
        return [clean_line(line) for line in lines]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = self._path.open("rb", buffering=0)
        except OSError:
            return False
        return True

    @staticmethod
    def _skip_to_last_line_end(file: BinaryIO) -> None:
        end = file.seek(0, os.SEEK_END)
        start = max(0, end - LINE_MAX_CHARACTERS)
        file.seek(start)
        tail = file.read(end - start)
        cut = tail.rfind(b"\n")
        file.seek(start + cut + 1 if cut >= 0 else end)

    def _read_some(self) -> list[str]:
        assert self._file is not None
        if self._file.tell() > os.fstat(self._file.fileno()).st_size:
            self._file.seek(0)
            self._partial = ""
        text = self._partial + self._decoder.decode(self._file.read(READ_MAX_BYTES))
        *lines, self._partial = text.split("\n")
        if len(self._partial) > LINE_MAX_CHARACTERS:
            lines.append(self._partial)
            self._partial = ""
        return lines

    def _is_replaced(self) -> bool:
        assert self._file is not None
        mine = os.fstat(self._file.fileno())
        try:
            theirs = self._path.stat()
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) != (theirs.st_dev, theirs.st_ino)

    def _at_end(self) -> bool:
        assert self._file is not None
        return self._file.tell() >= os.fstat(self._file.fileno()).st_size

    def _finish(self) -> list[str]:
        self.close()
        rest = self._partial + self._decoder.decode(b"", final=True)
        self._decoder.reset()
        self._partial = ""
        return [rest] if rest else []


def _tail(path: Path, count: int, since_byte: int) -> list[str]:
    try:
        file = path.open("rb", buffering=0)
    except OSError:
        return []
    with file:
        end = file.seek(0, os.SEEK_END)
        first = since_byte if since_byte <= end else 0
        start, found = end, b""
        while start > first and found.count(b"\n") <= count and len(found) < count * LINE_MAX_CHARACTERS:
            size = min(BLOCK_BYTES, start - first)
            start -= size
            file.seek(start)
            found = file.read(size) + found
    lines = found.decode("utf-8", errors="replace").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines[-count:] if count else []
