"""The console on a virtual terminal: start it in a known state, wait for what it shows, read its text."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from tests.support.console_doubles import ScriptedHost, SteppedClock
from tui.app import ConsoleApp

# Far above what any step takes; only a broken test waits so long.
LIMIT_S = 20.0
FRAME_S = 0.02


class Console:
    """One running console with its doubles."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[None], host: ScriptedHost, clock: SteppedClock) -> None:
        """Bundle what a test talks to."""
        self.app = app
        self.pilot = pilot
        self.host = host
        self.clock = clock

    def text(self) -> str:
        """Return what the terminal shows, line by line, without colours."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys and let the console handle them."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object], what: str = "condition") -> None:
        """Let the console run until something holds."""
        deadline_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline_s, f"{what} never held; the screen shows:\n{self.text()}"
            await self.pilot.pause(FRAME_S)

    async def shows(self, text: str) -> None:
        """Let the console run until a text is on the screen."""
        await self.until(lambda: text in self.text(), repr(text))


@asynccontextmanager
async def open_console(
    host: ScriptedHost, size: tuple[int, int] = (80, 24), *, is_ascii: bool = False
) -> AsyncIterator[Console]:
    """Run the console over a scripted host until its first look is drawn."""
    clock = SteppedClock()
    app = ConsoleApp(host, clock, look_period_s=0.1, log_period_s=0.1, is_ascii=is_ascii)
    async with app.run_test(size=size) as pilot:
        console = Console(app, pilot, host, clock)
        await console.until(lambda: app.view.snapshot is not None or app.view.banner, "first look")
        await pilot.pause()
        yield console
