"""A running operation, step by step; leaving this screen does not stop it."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.phrases import span_text
from tui.store import View

_LINES = 10


class ProgressDialog(ModalScreen[None]):
    """Steps of the newest operation."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog", id="progress"):
            yield Static(id="steps")
            yield Static(id="outcome")

    def on_mount(self) -> None:
        """Follow the state of the console."""
        self.watch(self.app, "view", self._show)

    def _show(self, view: View) -> None:
        operation = view.operation
        if operation is None:
            return
        self.query_one("#progress").border_title = Text(operation.title)
        steps = "\n".join(operation.lines[-_LINES:]) or "..."
        self.query_one("#steps", Static).update(Text(steps))
        age = span_text((view.now_ms - operation.started_ms) / 1000)
        if operation.failed:
            outcome = Text(f"\nFAILED: {operation.cause}\nEsc closes", style="bold red")
        elif operation.ended:
            outcome = Text("\nDone. Esc closes", style="bold green")
        else:
            outcome = Text(f"\nrunning for {age}; Esc hides this, the operation goes on", style="dim")
        self.query_one("#outcome", Static).update(outcome)
