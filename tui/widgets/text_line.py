"""One line of text that costs nothing while it stays the same."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static


class TextLine(Static):
    """A line cut at the edge; its height never changes, so nothing around it is laid out again."""

    def __init__(self, *, widget_id: str) -> None:
        """Make an empty line."""
        super().__init__("", id=widget_id, markup=False)
        self._words = ""

    def say(self, words: str) -> None:
        """Show words; the same ones again are free."""
        if words != self._words:
            self._words = words
            self.update(Text(words, no_wrap=True, overflow="crop"), layout=False)
