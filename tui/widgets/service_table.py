"""The services table: one row a process, changed cell by cell so that cursor and scroll position stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from runtime.catalog import Stack
from tui.phrases import ServiceCells, service_cells
from tui.store import Readiness, Service, is_wanted


@dataclass(frozen=True, slots=True)
class _Column:
    key: str
    title: str
    width_cells: int
    is_number: bool = False
    from_width: int = 0


# Widths include the gap to the next column; at 80 cells they add up to 78.
_COLUMNS = (
    _Column("label", " Service", 25),
    _Column("state", "State", 9),
    _Column("ready", "Ready", 11),
    _Column("pid", "Pid", 7, is_number=True),
    _Column("port", "Port", 6, is_number=True, from_width=80),
    _Column("uptime", "Up", 7, is_number=True),
    _Column("cpu", "Cpu%", 6, is_number=True, from_width=80),
    _Column("rss", "Rss", 7, is_number=True, from_width=80),
    _Column("restarts", "Restarts", 9, is_number=True, from_width=100),
    _Column("note", "  Note", 30, from_width=100),
)

_READY_STYLE = {
    Readiness.OK: "green",
    Readiness.WAITING: "yellow",
    Readiness.DRAINING: "yellow",
    Readiness.FAILED: "bold red",
    Readiness.LOOPING: "bold red",
    Readiness.NONE: "",
}


class ServiceTable(DataTable[Text]):
    """Services with state and readiness; the selected row decides whose log is shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "scroll_top", "First", show=False),
        Binding("G", "scroll_bottom", "Last", show=False),
    ]

    def __init__(self, *, widget_id: str) -> None:
        """Make an empty table."""
        super().__init__(id=widget_id, cursor_type="row", cell_padding=0, zebra_stripes=False)
        self._columns_shown: tuple[_Column, ...] = ()
        self._services: tuple[Service, ...] = ()
        self._drawn: dict[tuple[str, str], Text] = {}
        self._stack: Stack | None = None
        self._is_dim = False

    @property
    def selected(self) -> Service | None:
        """The service under the cursor."""
        return self._services[self.cursor_row] if 0 <= self.cursor_row < len(self._services) else None

    def fit(self, width_cells: int) -> None:
        """Choose the columns for a terminal width."""
        wanted = tuple(column for column in _COLUMNS if column.from_width <= width_cells)
        if wanted == self._columns_shown:
            return
        self._columns_shown = wanted
        selected = self.selected
        services, self._services = self._services, ()
        self.clear(columns=True)
        for column in wanted:
            used = sum(other.width_cells for other in wanted if other is not column)
            width = max(column.width_cells, width_cells - used - 2) if column.key == "note" else column.width_cells
            self.add_column(self._cell_text(column, column.title, ""), key=column.key, width=width)
        self._fill(services, selected.name if selected else None)

    def show(self, services: Sequence[Service], stack: Stack | None, is_stale: bool) -> None:
        """Draw rows.

        Args:
            services: rows in order, group rows included.
            stack: the running stack; services outside it are drawn dim.
            is_stale: draw everything dim, because it may no longer be true.
        """
        self._stack, self._is_dim = stack, is_stale
        if [row.name for row in services] != [row.name for row in self._services]:
            selected = self.selected
            self.clear()
            self._fill(tuple(services), selected.name if selected else None)
            return
        self._services = tuple(services)
        self._redraw()

    def on_data_table_row_highlighted(self) -> None:
        """Move the mark of the selected row."""
        self._redraw()

    def _fill(self, services: tuple[Service, ...], selected: str | None) -> None:
        self._services = services
        self._drawn = {}
        for service in services:
            cells = self._cells(service, service.name == selected)
            # Two rows may share a name: a program's group row and none of its members, so names are unique keys.
            self.add_row(*cells.values(), key=service.name)
            self._drawn.update({(service.name, key): text for key, text in cells.items()})
        names = [service.name for service in services]
        if selected in names:
            self.move_cursor(row=names.index(selected), animate=False)

    def _redraw(self) -> None:
        selected = self.selected
        for service in self._services:
            for key, text in self._cells(service, service is selected).items():
                if self._drawn.get((service.name, key)) != text:
                    self._drawn[service.name, key] = text
                    self.update_cell(service.name, key, text)

    def _cells(self, service: Service, is_selected: bool) -> dict[str, Text]:
        words = service_cells(service, is_selected)
        is_dim = self._is_dim or not is_wanted(service, self._stack)
        return {
            column.key: self._cell_text(column, _word(words, column.key), self._style(service, column.key, is_dim))
            for column in self._columns_shown
        }

    @staticmethod
    def _style(service: Service, key: str, is_dim: bool) -> str:
        if is_dim:
            return "dim"
        if key == "ready":
            return _READY_STYLE[service.readiness]
        return "bold red" if key == "state" and service.state in ("FATAL", "BACKOFF", "EXITED", "PARTIAL") else ""

    @staticmethod
    def _cell_text(column: _Column, words: str, style: str) -> Text:
        padded = f"  {words}" if column.key == "note" and not words.startswith("  ") else words
        return Text(padded, style=style, justify="right" if column.is_number else "left", no_wrap=True, end="")


def _word(cells: ServiceCells, key: str) -> str:
    return str(getattr(cells, key))
