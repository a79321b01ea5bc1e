"""The first line of the screen: stack, license, sessions, operation, clock."""

from __future__ import annotations

from datetime import datetime

from tui.phrases import status_text, time_of_day_text
from tui.store import View
from tui.widgets.text_line import TextLine


class StatusLine(TextLine):
    """One line that says how the whole stack is; it replaces the library's header, whose icon many fonts lack."""

    def show(self, view: View) -> None:
        """Draw the line."""
        left = " " + status_text(view)
        width = self.app.size.width
        moment = datetime.fromtimestamp(view.now_wall_s()).astimezone()
        clock = time_of_day_text(moment, width - len(left) - 2) if view.snapshot else ""
        self.say(left + clock.rjust(width - len(left) - 1) if clock else left)
