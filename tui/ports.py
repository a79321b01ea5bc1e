"""What the screens need from the world; adapters and test doubles stand behind these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runtime.catalog import Stack
from tui.store import HostSnapshot

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StartService:
    """Start one service or all processes of a program."""

    name: str

    @property
    def title(self) -> str:
        """What an operator reads."""
        return f"start {self.name}"


@dataclass(frozen=True, slots=True)
class StopService:
    """Stop one service or all processes of a program."""

    name: str

    @property
    def title(self) -> str:
        """What an operator reads."""
        return f"stop {self.name}"


@dataclass(frozen=True, slots=True)
class RestartService:
    """Stop and start one service or all processes of a program."""

    name: str

    @property
    def title(self) -> str:
        """What an operator reads."""
        return f"restart {self.name}"


@dataclass(frozen=True, slots=True)
class SwitchStack:
    """Replace the running stack by another.

    Attributes:
        drain_s: how long open sessions of the old stack may run on.
    """

    stack: Stack
    drain_s: int

    @property
    def title(self) -> str:
        """What an operator reads."""
        return f"switch to {self.stack}"


@dataclass(frozen=True, slots=True)
class BringUp:
    """Start supervisord if needed, then the wanted stack in order."""

    @property
    def title(self) -> str:
        """What an operator reads."""
        return "up"


Operation = StartService | StopService | RestartService | SwitchStack | BringUp


class LogTail(Protocol):
    """One log file being followed. Used by one thread at a time."""

    def read_lines(self) -> list[str]:
        """Return the lines written since the last call, the newest few hundred at first.

        Raises:
            AppError: the file cannot be read.
        """
        ...

    def close(self) -> None:
        """Let the file go."""
        ...


class Backend(Protocol):
    """The host, as far as the console operates it. Every method may block; call it in a thread."""

    def look(self) -> HostSnapshot:
        """Return what the host is like now.

        Raises:
            AppError: nothing could be found out, for a reason other than a missing supervisord.
        """
        ...

    def operate(self, operation: Operation, progress: Progress) -> None:
        """Carry an operation out to its end.

        Args:
            progress: called from this thread with each step, as one line.

        Raises:
            AppError: it failed; the text names cause and fix.
        """
        ...

    def open_log(self, service: str) -> LogTail:
        """Return the log of a service, from its last lines on.

        Raises:
            AppError: there is no log, with path and reason.
        """
        ...
