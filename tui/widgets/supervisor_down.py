"""What fills the screen while supervisord does not answer."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from tui.store import RunningOperation, SupervisorDown

_LOG_LINES = 6
_PROGRESS_LINES = 6


class SupervisorDownCard(Static):
    """Path, reason, the last lines of supervisord's log, and the key that helps."""

    def __init__(self, *, widget_id: str) -> None:
        """Make an empty card."""
        super().__init__("", id=widget_id, markup=False)
        self._shown = Text()

    def show(self, down: SupervisorDown, operation: RunningOperation | None) -> None:
        """Draw the card.

        Args:
            operation: the newest operation; its last steps are shown.
        """
        text = Text()
        text.append("The stack is down: supervisord does not answer.\n\n", style="bold")
        text.append(f"socket  {down.socket}\nreason  {down.reason}\n")
        if down.log_tail:
            text.append("\nlast lines of its log\n", style="bold")
            text.append("".join(f"  {line}\n" for line in down.log_tail[-_LOG_LINES:]))
        if operation is not None and operation.lines:
            text.append(f"\n{operation.title}\n", style="bold")
            text.append("".join(f"  {line}\n" for line in operation.lines[-_PROGRESS_LINES:]))
        text.append("\nu  bring the stack up      q  quit", style="bold")
        if text != self._shown:
            self._shown = text
            self.update(text)
