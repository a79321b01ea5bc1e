"""The list of keys."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

_KEYS = """\
Services
  Up Down j k g G    choose a service; its log is shown below
  s  start           x  stop (asks)       r  restart (asks)
  S  switch stack (asks)                  u  bring the stack up
Log (l, or Tab)
  Up Down PgUp PgDn  scroll; new lines wait while you read
  G or f             go to the end and follow
  Esc                back to the services
Everywhere
  Tab                next part of the screen
  Esc                close a dialog, take the red line away
  q or ctrl+q        quit; the stack runs on
In questions: y is Yes; n, Esc and Enter are No.
The same from a shell: aai-console status, start, stop,
restart, switch, up, down, logs; each with --help."""


class KeysDialog(ModalScreen[None]):
    """What each key does."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with VerticalScroll(classes="dialog", id="keys"):
            yield Static(_KEYS, markup=False)

    def on_mount(self) -> None:
        """Say in the frame how to leave."""
        self.query_one("#keys").border_title = "keys (Esc closes)"
