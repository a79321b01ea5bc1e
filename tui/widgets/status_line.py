"""The first line of the screen: stack, license, sessions, operation, clock."""

from __future__ import annotations

import time

from tui.phrases import status_text
from tui.store import View
from tui.widgets.text_line import TextLine


class StatusLine(TextLine):
    """One line that says how the whole stack is; it replaces the library's header, whose icon many fonts lack."""

    def show(self, view: View) -> None:
        """Draw the line."""
        left = " " + status_text(view)
        clock = time.strftime("%H:%M:%S", time.localtime(view.now_wall_s())) if view.snapshot else ""
        room = self.app.size.width - len(left) - len(clock) - 1
        self.say(left + " " * room + clock if room >= 1 else left)
