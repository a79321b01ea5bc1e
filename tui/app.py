"""The console as an app: state, operations, polling, signals. Screens draw, ports do the work."""

from __future__ import annotations

import asyncio
import locale
import os
import signal
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.message import Message
from textual.reactive import reactive
from textual.worker import Worker, WorkerState

from runtime.clock import Clock, SystemClock
from runtime.errors import AppError
from runtime.logs import configure_logging, get_logger
from runtime.supervise.home import make_directories
from runtime.supervise.host import Host
from tui.driver import ConsoleDriver
from tui.ports import Backend, Operation
from tui.screens.confirm import ConfirmDialog
from tui.screens.overview import MIN_HEIGHT_CELLS, MIN_WIDTH_CELLS, OverviewScreen
from tui.store import (
    Complained,
    Event,
    Looked,
    LookFailed,
    OperationEnded,
    OperationProgressed,
    OperationStarted,
    Ticked,
    View,
    reduce,
)

LOOK_PERIOD_S = 1.0
LOG_PERIOD_S = 0.2
LOG_FILE_NAME = "console.log"


class ConsoleApp(App[None]):
    """The terminal console.

    Attributes:
        view: everything screens draw; replaced as a whole by ``dispatch``.
    """

    CSS_PATH = "console.tcss"
    TITLE = "aai-console"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - declared so by the library
        (0, "-thin"),
        (MIN_WIDTH_CELLS, "-narrow"),
        (100, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012 - declared so by the library
        (0, "-flat"),
        (MIN_HEIGHT_CELLS, "-low"),
        (24, "-short"),
        (32, "-tall"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "leave", "Quit", show=False, priority=True)]

    view: reactive[View] = reactive(View(), always_update=True)

    class Stepped(Message):
        """An operation, running in a thread, reports a step."""

        def __init__(self, line: str) -> None:
            """Carry one line."""
            super().__init__()
            self.line = line

    def __init__(
        self,
        backend: Backend,
        clock: Clock,
        *,
        look_period_s: float = LOOK_PERIOD_S,
        log_period_s: float = LOG_PERIOD_S,
        is_ascii: bool = False,
        driver_class: type[Driver] | None = None,
    ) -> None:
        """Prepare the console.

        Args:
            backend: the host.
            look_period_s: seconds between two looks at it.
            log_period_s: seconds between two reads of the shown log.
            is_ascii: draw frames with ASCII only.
            driver_class: how to talk to the terminal; the library's choice when None.
        """
        super().__init__(driver_class=driver_class)
        self.backend = backend
        self.log_period_s = log_period_s
        self.is_ascii = is_ascii
        self._clock = clock
        self._look_period_s = look_period_s
        self._is_looking = False
        self._journal = get_logger("aai-console")
        self.set_reactive(ConsoleApp.view, View(now_ms=clock.monotonic_ms(), period_ms=int(look_period_s * 1000)))

    def on_mount(self) -> None:
        """Show the Overview, begin to look at the host, and end well when told to."""
        self.animation_level = "none"
        self.set_class(self.is_ascii, "-ascii")
        loop = asyncio.get_running_loop()
        # A console killed without these leaves the terminal in the alternate screen.
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, None, 128 + number)
        self.push_screen(OverviewScreen())
        self.set_interval(self._look_period_s, self._period_over)
        self._look()

    def on_unmount(self) -> None:
        """Give the signals back."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def dispatch(self, event: Event) -> None:
        """Change the state by one event; screens redraw."""
        self.view = reduce(self.view, event, self._clock.monotonic_ms())

    def run_operation(self, operation: Operation) -> bool:
        """Begin an operation in the background; False when another one still runs."""
        if self.refuses_operation():
            return False
        self.dispatch(OperationStarted(operation.title))
        self._operate(operation)
        return True

    def refuses_operation(self) -> bool:
        """Say so and return True while another operation runs."""
        running = self.view.operation
        if running is None or running.ended:
            return False
        self.dispatch(Complained(f"wait: {running.title} is still running"))
        return True

    def dismiss_complaint(self) -> None:
        """Take the red line away."""
        self.dispatch(Complained(""))

    def action_leave(self) -> None:
        """Quit; ask first while an operation runs."""
        if not self.view.is_busy or self.view.operation is None:
            self.exit()
            return

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self.exit()

        consequence = "The console closes at once; the program ends when the operation has."
        self.push_screen(ConfirmDialog(f"Quit while {self.view.operation.title} runs?", consequence), answered)

    def on_console_app_stepped(self, message: Stepped) -> None:
        """Show a step of the running operation."""
        self.dispatch(OperationProgressed(message.line))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what a background job failed with, instead of ending the console."""
        if event.state is not WorkerState.ERROR:
            return
        error = event.worker.error
        self._journal.error("background job failed", job=event.worker.name, exc_info=error)
        cause = f"{type(error).__name__}: {error} (details in {LOG_FILE_NAME})"
        if event.worker.group == "operation":
            self.dispatch(OperationEnded(cause))
        else:
            self.dispatch(LookFailed(cause))

    def _period_over(self) -> None:
        self.dispatch(Ticked())
        self._look()

    @work(group="look", exit_on_error=False)
    async def _look(self) -> None:
        if self._is_looking:
            return  # a slow look is not asked again; the view goes stale by itself
        self._is_looking = True
        try:
            snapshot = await asyncio.to_thread(self.backend.look)
        except AppError as error:
            self.dispatch(LookFailed(str(error)))
        else:
            self.dispatch(Looked(snapshot))
        finally:
            self._is_looking = False

    @work(group="operation", exit_on_error=False)
    async def _operate(self, operation: Operation) -> None:
        try:
            await asyncio.to_thread(self.backend.operate, operation, self._report_step)
        except AppError as error:
            self.dispatch(OperationEnded(str(error)))
        else:
            self.dispatch(OperationEnded())
        self._look()

    def _report_step(self, line: str) -> None:
        # Called from the operation's thread; messages are the thread-safe way in.
        self.post_message(self.Stepped(line))


def run_app() -> int:
    """Open the console on this terminal and return the exit code.

    Raises:
        ConfigError: a bad setting.
        EnvironmentFault: AAI_HOME cannot be written.
    """
    from tui.adapters import HostBackend  # heavy, and needed for a terminal only

    host = Host.open()
    settings = host.settings()
    is_ascii = "utf" not in locale.getpreferredencoding(do_setlocale=False).lower()
    make_directories(host.home)
    with open(settings.log_dir / LOG_FILE_NAME, "a", encoding="utf-8", opener=_open_private) as log_file:
        configure_logging(settings.log_level, structured=False, stream=log_file)
        app = ConsoleApp(HostBackend(host), SystemClock(), is_ascii=is_ascii, driver_class=ConsoleDriver)
        app.run()
    return app.return_code or 0


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
