"""What a running stack was started with, kept beside its sockets.

Another shell may have other variables set, or aai.env may have changed since; state, stop and
switch must still reach the ports and workers that really run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from runtime.errors import ConfigError
from runtime.private_files import atomic_write_private
from runtime.supervise.plan import Site

FILE_NAME = "stack.json"


class StackState(msgspec.Struct, frozen=True):
    """The site of a running stack.

    Attributes:
        site: effective ports, directories and sizes.
        supervisord_pid: who runs it.
        started_at_s: Unix time of the start.
    """

    site: Site
    supervisord_pid: int
    started_at_s: float


def read_stack_state(run_dir: Path) -> StackState | None:
    """Return what the running stack was started with; None when none was, or it was taken down.

    Raises:
        ConfigError: the file exists but is not readable as such.
    """
    path = run_dir / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackState, dec_hook=_decode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"cannot use {path}: {error}; remove it, then aai-console down") from error


def write_stack_state(run_dir: Path, state: StackState) -> None:
    """Replace the file in one step."""
    atomic_write_private(run_dir / FILE_NAME, msgspec.json.encode(state, enc_hook=str))


def forget_stack_state(run_dir: Path) -> None:
    """Remove the file: no stack runs."""
    (run_dir / FILE_NAME).unlink(missing_ok=True)


def _decode(kind: type, value: Any) -> Any:
    return kind(value)
