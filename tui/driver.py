"""The library's terminal driver, made to survive the loss of its terminal."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import IO, Any

from textual.drivers.linux_driver import LinuxDriver

HANGUP_EXIT_CODE = 128 + signal.SIGHUP


class ForgivingFile:
    """A terminal to write to; once it is gone writes are dropped.

    The library's writer thread ends at the first failed write. Whoever writes next then fills its
    queue and waits for ever, so that a closed window would leave a process behind.
    """

    def __init__(self, file: IO[str], on_loss: Callable[[], object]) -> None:
        """Wrap a file.

        Args:
            on_loss: called once, in the writing thread.
        """
        self._file = file
        self._on_loss = on_loss
        self._is_lost = False

    def write(self, text: str) -> int:
        """Write, or drop the text when the terminal is gone."""
        self._try(lambda: self._file.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, unless the terminal is gone."""
        self._try(self._file.flush)

    def fileno(self) -> int:
        """Return the number of the wrapped file."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Return whether the wrapped file is a terminal."""
        return self._file.isatty()

    def _try(self, action: Callable[[], object]) -> None:
        if self._is_lost:
            return
        try:
            action()
        except OSError:
            self._is_lost = True
            self._on_loss()


class ConsoleDriver(LinuxDriver):
    """Ends the app with 129 when the terminal is gone, also when no signal told so."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take what the library passes."""
        super().__init__(*arguments, **options)
        self._file: Any = ForgivingFile(self._file, self._end_app)

    def _end_app(self) -> None:
        self._app.call_later(self._app.exit, None, HANGUP_EXIT_CODE)
