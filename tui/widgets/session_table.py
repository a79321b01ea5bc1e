"""The list of open sessions."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable

from tui.phrases import session_cells
from tui.store import Session

# (title, width with gap, is number, shown from this terminal width on)
_COLUMNS = (
    (" Session", 11, False, 0),
    ("Model", 13, False, 0),
    ("Age", 7, True, 0),
    ("Audio", 10, True, 0),
    ("Turns", 7, True, 0),
    ("  Worker", 20, False, 80),
    ("Client", 50, False, 120),
)


class SessionTable(DataTable[Text]):
    """Open sessions, oldest first; rows come and go, cells are changed in place."""

    def __init__(self, *, widget_id: str) -> None:
        """Make an empty table."""
        super().__init__(id=widget_id, cursor_type="row", cell_padding=0, zebra_stripes=False)
        self._sessions: tuple[Session, ...] = ()
        self._drawn: dict[str, tuple[str, ...]] = {}
        self._column_count = 0

    def fit(self, width_cells: int) -> None:
        """Choose the columns for a terminal width."""
        shown = [column for column in _COLUMNS if column[3] <= width_cells]
        if len(shown) == self._column_count:
            return
        self._column_count = len(shown)
        self.clear(columns=True)
        self._drawn = {}
        for number, (title, width, is_number, _) in enumerate(shown):
            self.add_column(_text(title, is_number), key=str(number), width=width)
        self.show(self._sessions)

    def show(self, sessions: Sequence[Session]) -> None:
        """Draw the open sessions."""
        self._sessions = tuple(sessions)
        self.border_title = f"sessions: {len(sessions)} open" if sessions else "sessions: none open"
        gone = self._drawn.keys() - {session.session_id for session in sessions}
        for session_id in gone:
            self.remove_row(session_id)
            del self._drawn[session_id]
        for session in sessions:
            self._show_one(session)

    def _show_one(self, session: Session) -> None:
        cells = session_cells(session)
        cells = (f" {cells[0]}", *cells[1:5], f"  {cells[5]}", cells[6])[: self._column_count]
        before = self._drawn.get(session.session_id)
        self._drawn[session.session_id] = cells
        texts = [_text(cell, _COLUMNS[number][2]) for number, cell in enumerate(cells)]
        if before is None:
            self.add_row(*texts, key=session.session_id)
            return
        for number, text in enumerate(texts):
            if cells[number] != before[number]:
                self.update_cell(session.session_id, str(number), text)


def _text(words: str, is_number: bool) -> Text:
    return Text(words, justify="right" if is_number else "left", no_wrap=True, end="")
