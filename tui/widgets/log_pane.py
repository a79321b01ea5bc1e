"""The log of one service: follows its end until the reader scrolls up, then waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.widgets import RichLog

from tui.phrases import level_word, parse_log_line

KEPT_LINES = 5_000
# More than this in one frame would make keys lag; the surplus is dropped and counted.
FRAME_LINES = 200
# Below this the message would be a column of single words.
_MIN_MESSAGE_CELLS = 16

_LEVEL_STYLE = {
    "WARNING": "yellow",
    "WARN": "yellow",
    "ERROR": "bold red",
    "CRITICAL": "bold red",
    "CRIT": "bold red",
    "DEBUG": "dim",
}


class HangingLine:
    """A line whose message, when it wraps, goes on below its own beginning."""

    def __init__(self, head: Text, message: Text) -> None:
        """Join time and level with a message."""
        self._head = head
        self._message = message

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the line in the width there is."""
        room = options.max_width - self._head.cell_len
        if room < _MIN_MESSAGE_CELLS:
            yield self._head + self._message
            return
        indent = Text(" " * self._head.cell_len)
        for number, part in enumerate(self._message.wrap(console, room, overflow="fold")):
            part.rstrip()
            yield (indent if number else self._head) + part

    def __rich_measure__(self, _console: Console, _options: ConsoleOptions) -> Measurement:
        """Ask for the width of the whole line."""
        return Measurement(self._head.cell_len + 1, self._head.cell_len + self._message.cell_len)


class LogPane(RichLog):
    """Log lines with time, level and text.

    ``RichLog`` itself jumps to the end at each write, also while somebody reads further up; so this
    class decides about scrolling alone and keeps new lines back while it does not follow.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "Up", show=False),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("ctrl+u", "page_up", "Page up", show=False),
        Binding("ctrl+d", "page_down", "Page down", show=False),
        Binding("g", "scroll_home", "First", show=False),
        Binding("G,f", "follow", "Follow", show=False),
    ]

    def __init__(self, *, widget_id: str, is_ascii: bool) -> None:
        """Make an empty pane.

        Args:
            is_ascii: draw bytes outside ASCII as escapes.
        """
        super().__init__(id=widget_id, max_lines=KEPT_LINES, wrap=True, min_width=20, auto_scroll=False)
        self._is_ascii = is_ascii
        self._service = ""
        self._waiting: deque[str] = deque(maxlen=KEPT_LINES)
        self._note = ""
        self._title = ""
        self._detail = ""
        self.is_following = True

    def show_service(self, service: str) -> None:
        """Start over with the log of another service."""
        self._service = service
        self._waiting.clear()
        self._note = ""
        self.clear()
        self.is_following = True
        self._retitle()

    def describe(self, detail: str) -> None:
        """Say in the border what else is known about the service, such as its engine."""
        if detail != self._detail:
            self._detail = detail
            self._retitle()

    def show_problem(self, cause: str) -> None:
        """Say in the border why there are no lines."""
        self._note = cause
        self._retitle()

    def add_lines(self, lines: Iterable[str]) -> None:
        """Add raw lines, at once or when the pane follows again."""
        lines = list(lines)
        if lines:
            self._note = ""
        if not self.is_following:
            self._waiting.extend(lines)
        else:
            self._write(lines)
        self._retitle()

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self.is_following = True
        waiting = list(self._waiting)
        self._waiting.clear()
        self._write(waiting)
        self.scroll_end(animate=False)
        self._retitle()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop following when the reader goes up, and follow again at the end."""
        super().watch_scroll_y(old_value, new_value)
        at_end = new_value >= self.max_scroll_y
        if new_value < old_value and not at_end:
            self.is_following = False
            self._retitle()
        elif at_end and not self.is_following and new_value > old_value:
            self.action_follow()

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        """Keep the end in view."""
        if self.is_following:
            self.scroll_end(animate=False)

    def _write(self, lines: list[str]) -> None:
        surplus = len(lines) - FRAME_LINES
        if surplus > 0:
            self.write(Text(f"... {surplus} lines left out", style="dim"))
            lines = lines[-FRAME_LINES:]
        for line in lines:
            # Expanded: the library measures a line against the width the terminal had at the start.
            self.write(self._text(line), expand=True)
        if lines:
            self.scroll_end(animate=False)

    def _text(self, raw: str) -> Text | HangingLine:
        line = parse_log_line(raw)
        text = line.text.encode("ascii", "backslashreplace").decode() if self._is_ascii else line.text
        if not line.level:
            return Text(f" {text}")
        style = _LEVEL_STYLE.get(line.level, "")
        head = Text.assemble(" ", (line.time, "dim"), " ", (f"{level_word(line.level):<5}", style), " ")
        return HangingLine(head, Text(text))

    def _retitle(self) -> None:
        if self._note:
            state = self._note
        elif self.is_following:
            state = "following"
        else:
            state = f"+{len(self._waiting)} new, G follows"
        detail = f" | {self._detail}" if self._detail else ""
        title = f"log: {self._service or '-'} | {state}{detail}"
        if title != self._title:
            self._title = title
            self.border_title = Text(title)
