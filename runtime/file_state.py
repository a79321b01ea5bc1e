"""Whether a file changed since it was last read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

# Modification time in ns, size in bytes, inode: replacing a file changes one of them at least.
FileState: TypeAlias = tuple[int, int, int]


def state_of_file(path: Path) -> FileState | None:
    """Return what tells this content from another; None when there is no file, or none that may be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
