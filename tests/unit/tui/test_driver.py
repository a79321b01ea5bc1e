"""Writing to a terminal that goes away."""

from __future__ import annotations

import errno
import io

from tui.driver import ForgivingFile


class _Terminal(io.StringIO):
    """A terminal that can be taken away."""

    is_gone = False

    def write(self, text: str) -> int:
        """Fail as a closed pseudo-terminal does."""
        if self.is_gone:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


def test_writes_to_a_living_terminal_arrive() -> None:
    """The wrapper changes nothing."""
    terminal = _Terminal()
    ForgivingFile(terminal, lambda: None).write("hello")
    assert terminal.getvalue() == "hello"


def test_writes_to_a_lost_terminal_are_dropped_and_the_loss_is_told_once() -> None:
    """Nothing raises, one call says it."""
    terminal, losses = _Terminal(), list[str]()
    file = ForgivingFile(terminal, lambda: losses.append("lost"))
    terminal.is_gone = True
    for _ in range(3):
        assert file.write("x") == 1
    file.flush()
    assert losses == ["lost"]
