"""The question before a stack switch: what stops, what starts, whom it hits, how long they may run on."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from runtime.catalog import Stack, servers_of
from tui.phrases import span_text
from tui.ports import SwitchStack
from tui.store import HostSnapshot

DRAIN_MAX_S = 10_800


def other_stack(stack: Stack) -> Stack:
    """Return the stack a switch from this one goes to."""
    return Stack.U3PRO if stack is Stack.UNIVERSAL else Stack.UNIVERSAL


def switch_summary(snapshot: HostSnapshot, target: Stack) -> str:
    """Return what a switch would stop, start and end, one fact a line."""
    stops = ", ".join(server.program for server in servers_of(other_stack(target)))
    starts = ", ".join(server.program for server in servers_of(target))
    return f"Stops   {stops}\nStarts  {starts}\nSessions now: {_sessions_text(snapshot)}"


def _sessions_text(snapshot: HostSnapshot) -> str:
    if not snapshot.sessions:
        return "none"
    counts = Counter(session.model for session in snapshot.sessions)
    by_model = ", ".join(f"{model} {count}" for model, count in sorted(counts.items()))
    oldest = max(session.age_s for session in snapshot.sessions)
    return f"{len(snapshot.sessions)} ({by_model}), oldest {span_text(oldest)}"


class _SecondsInput(Input):
    """A number field that leaves letters to the dialog's keys; the library's takes every printable key."""

    def check_consume_key(self, key: str, character: str | None) -> bool:  # noqa: ARG002
        """Return whether the field takes a key."""
        return character is not None and character.isdigit()


class SwitchDialog(ModalScreen[SwitchStack | None]):
    """Ask for a switch; gives the operation to run, or None for No."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Priority, because the cursor may stand in the number field, which takes digits only.
        Binding("y", "confirm", "Yes", priority=True),
        Binding("n,escape", "refuse", "No", priority=True),
    ]

    def __init__(self, snapshot: HostSnapshot, target: Stack) -> None:
        """Prepare the question.

        Args:
            snapshot: what runs now.
            target: the stack to switch to.
        """
        super().__init__()
        self._snapshot = snapshot
        self._target = target

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog", id="switch"):
            yield Static(f"Switch stack: {self._snapshot.stack or 'none'} -> {self._target}", classes="question")
            yield Static(switch_summary(self._snapshot, self._target), markup=False, id="summary")
            with Horizontal(classes="field"):
                yield Static("Open sessions may run on for", classes="label")
                yield _SecondsInput(
                    str(self._snapshot.drain_limit_s), type="integer", id="drain", compact=True, max_length=5
                )
                yield Static("s (0 ends them at once)", classes="label")
            yield Static("", id="complaint", markup=False)
            with Horizontal(classes="answers"):
                yield Button("No (n, Esc)", id="no", compact=True)
                yield Button("Yes (y)", id="yes", compact=True)

    def on_mount(self) -> None:
        """Put the cursor on No."""
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer with the pressed button."""
        if event.button.id == "yes":
            self.action_confirm()
        else:
            self.action_refuse()

    def on_input_submitted(self) -> None:
        """Go from the number to the answers; Enter there does not confirm."""
        self.query_one("#no", Button).focus()

    def action_refuse(self) -> None:
        """Close without a switch."""
        self.dismiss(None)

    def action_confirm(self) -> None:
        """Close with the switch, if the number is good."""
        text = self.query_one("#drain", Input).value.strip()
        if not text.isdigit() or int(text) > DRAIN_MAX_S:
            self.query_one("#complaint", Static).update(f"expected whole seconds from 0 to {DRAIN_MAX_S}, got {text!r}")
            self.query_one("#drain", Input).focus()
            return
        self.dismiss(SwitchStack(self._target, int(text)))
