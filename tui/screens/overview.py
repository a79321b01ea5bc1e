"""The first screen: what runs, whether it is ready, who uses it, what it logs; and the keys to change that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static

from runtime.catalog import ASR_SERVER_BY_PROGRAM, Stack
from runtime.errors import AppError
from tui.phrases import license_text, machine_text, stop_consequence
from tui.ports import BringUp, LogTail, RestartService, StartService, StopService, SwitchStack
from tui.screens.confirm import ConfirmDialog
from tui.screens.keys import KeysDialog
from tui.screens.progress import ProgressDialog
from tui.screens.switch import SwitchDialog, other_stack
from tui.store import HostSnapshot, Service, View, is_wanted, stack_word, table_rows
from tui.widgets.log_pane import LogPane
from tui.widgets.service_table import ServiceTable
from tui.widgets.session_table import SessionTable
from tui.widgets.status_line import StatusLine
from tui.widgets.supervisor_down import SupervisorDownCard
from tui.widgets.text_line import TextLine

if TYPE_CHECKING:
    from tui.app import ConsoleApp

MIN_WIDTH_CELLS = 60
MIN_HEIGHT_CELLS = 16

_CHANGING_ACTIONS = ("start", "up")


class OverviewScreen(Screen[None]):
    """Services, license, sessions and the log of the selected service."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "Start"),
        Binding("x", "stop", "Stop"),
        Binding("r", "restart", "Restart"),
        Binding("S", "switch", "Switch"),
        Binding("l", "focus_log", "Log"),
        Binding("u", "up", "Up"),
        Binding("question_mark", "keys", "Help", key_display="?"),
        Binding("f1", "keys", "Help", show=False),
        Binding("q", "app.leave", "Quit"),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self) -> None:
        """Start with nothing known."""
        super().__init__()
        self._log_of = ""
        self._tail: LogTail | None = None
        self._is_reading = False
        self._offered: tuple[str, ...] = ()

    @property
    def console_app(self) -> ConsoleApp:
        """The app, by its own type."""
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield StatusLine(widget_id="status")
        yield TextLine(widget_id="banner")
        yield Static(id="too-small", markup=False)
        yield SupervisorDownCard(widget_id="down")
        with Vertical(id="body"):
            yield ServiceTable(widget_id="services")
            yield TextLine(widget_id="license")
            yield TextLine(widget_id="machine")
            yield SessionTable(widget_id="sessions")
            yield LogPane(widget_id="log", is_ascii=self.console_app.is_ascii)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Focus the table and follow the state of the console."""
        self.query_one(ServiceTable).focus()
        self.watch(self.app, "view", self._show)
        self.set_interval(self.console_app.log_period_s, self._read_log)

    def on_resize(self, event: Resize) -> None:
        """Choose columns that fit."""
        self.query_one(ServiceTable).fit(event.size.width)
        self.query_one(SessionTable).fit(event.size.width)
        self.query_one("#too-small", Static).update(
            f"Terminal too small: {event.size.width}x{event.size.height}, "
            f"needs {MIN_WIDTH_CELLS}x{MIN_HEIGHT_CELLS}. q quits."
        )
        self._show(self.console_app.view)

    def on_unmount(self) -> None:
        """Let the log file go."""
        if self._tail is not None:
            self._tail.close()

    def on_data_table_row_highlighted(self) -> None:
        """Show the log of the service under the cursor."""
        self._choose_log()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer only what makes sense now."""
        snapshot = self.console_app.view.snapshot
        is_down = snapshot is None or snapshot.down is not None
        if action in ("start", "stop", "restart", "switch", "focus_log"):
            return not is_down
        if action == "up":
            return snapshot is not None and (is_down or stack_word(snapshot) == "STOPPED")
        return True

    def action_start(self) -> None:
        """Start the selected service; one of the other stack leads to the switch question."""
        service = self._selected()
        if service is None:
            return
        snapshot = self._snapshot()
        if snapshot.stack is not None and not is_wanted(service, snapshot.stack):
            self.action_switch()
        else:
            self.console_app.run_operation(StartService(service.name))

    def action_stop(self) -> None:
        """Stop the selected service, after a question."""
        service = self._selected()
        if service is not None:
            self._ask(StopService(service.name), service)

    def action_restart(self) -> None:
        """Restart the selected service, after a question."""
        service = self._selected()
        if service is not None:
            self._ask(RestartService(service.name), service)

    def action_switch(self) -> None:
        """Ask for a switch to the other stack."""
        snapshot = self._snapshot()
        if self.console_app.refuses_operation():
            return
        service = self.query_one(ServiceTable).selected
        target = other_stack(snapshot.stack) if snapshot.stack is not None else _stack_of(service)
        self.app.push_screen(SwitchDialog(snapshot, target), self._switch)

    def action_up(self) -> None:
        """Bring the stack up."""
        if self.console_app.run_operation(BringUp()):
            self.app.push_screen(ProgressDialog())

    def action_focus_log(self) -> None:
        """Move to the log pane."""
        self.query_one(LogPane).focus()

    def action_back(self) -> None:
        """Take the banner away, or go back to the table."""
        self.console_app.dismiss_complaint()
        self.query_one(ServiceTable).focus()

    def action_keys(self) -> None:
        """Show the keys."""
        self.app.push_screen(KeysDialog())

    def _snapshot(self) -> HostSnapshot:
        return self.console_app.view.snapshot or HostSnapshot(0.0)

    def _selected(self) -> Service | None:
        if self.console_app.refuses_operation():
            return None
        return self.query_one(ServiceTable).selected

    def _ask(self, operation: StopService | RestartService, service: Service) -> None:
        comes_back = isinstance(operation, RestartService)
        question = f"{'Restart' if comes_back else 'Stop'} {service.name}?"
        consequence = stop_consequence(service, self._snapshot(), comes_back=comes_back)

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self.console_app.run_operation(operation)

        self.app.push_screen(ConfirmDialog(question, consequence), answered)

    def _switch(self, operation: SwitchStack | None) -> None:
        if operation is not None and self.console_app.run_operation(operation):
            self.app.push_screen(ProgressDialog())

    def _show(self, view: View) -> None:
        self.query_one(StatusLine).show(view)
        banner = self.query_one("#banner", TextLine)
        banner.say(f" ! {view.banner}")
        banner.display = bool(view.banner)
        snapshot = view.snapshot
        if snapshot is None:
            return
        self.set_class(snapshot.down is not None, "-down")
        if snapshot.down is not None:
            self.query_one(SupervisorDownCard).show(snapshot.down, view.operation)
        else:
            self._show_host(snapshot, view)
        # The footer is built anew by this, so only when it would differ.
        offered = tuple(action for action in _CHANGING_ACTIONS if self.check_action(action, ()))
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def _show_host(self, snapshot: HostSnapshot, view: View) -> None:
        self.query_one(ServiceTable).show(table_rows(snapshot.services), snapshot.stack, view.is_stale)
        self.query_one(SessionTable).show(snapshot.sessions)
        line = self.query_one("#license", TextLine)
        line.say(" " + license_text(snapshot.license, view.now_wall_s()))
        line.set_class(snapshot.license.state == "Failed", "-failed")
        line.set_class(snapshot.license.state == "TrustBased", "-warned")
        self.query_one("#machine", TextLine).say(" " + machine_text(snapshot.machine))
        self._choose_log()

    def _choose_log(self) -> None:
        service = self.query_one(ServiceTable).selected
        if service is None:
            return
        # A group row has no log of its own; its first process stands for it.
        rows = self._snapshot().services
        name = next((row.name for row in rows if row.program == service.program), service.name)
        name = name if service.is_group else service.name
        self.query_one(LogPane).describe(service.detail)
        if name == self._log_of:
            return
        self._log_of = name
        if self._tail is not None:
            self._tail.close()
            self._tail = None
        self.query_one(LogPane).show_service(name)
        self._read_log()

    @work(group="log", exit_on_error=False)
    async def _read_log(self) -> None:
        if self._is_reading or not self._log_of:
            return
        self._is_reading = True
        service, tail = self._log_of, self._tail
        try:
            if tail is None:
                tail = await asyncio.to_thread(self.console_app.backend.open_log, service)
            lines = await asyncio.to_thread(tail.read_lines)
        except AppError as error:
            self.query_one(LogPane).show_problem(str(error))
        else:
            self._take_lines(service, tail, lines)
        finally:
            self._is_reading = False

    def _take_lines(self, service: str, tail: LogTail, lines: list[str]) -> None:
        if service != self._log_of:
            tail.close()
            return
        self._tail = tail
        if lines:
            self.query_one(LogPane).add_lines(lines)


def _stack_of(service: Service | None) -> Stack:
    server = ASR_SERVER_BY_PROGRAM.get(service.program) if service is not None else None
    return server.stack if server is not None else Stack.UNIVERSAL
