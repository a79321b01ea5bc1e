"""A real terminal of fixed size for end-to-end tests: a private tmux server, keys in, screen text out."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

import psutil

# Far above what any step takes; only a broken test waits so long.
LIMIT_S = 30.0
POLL_S = 0.1
SHELL_ENDED = "ended with"


class Terminal:
    """One tmux pane."""

    def __init__(self, server: str) -> None:
        """Talk to a server that runs already."""
        self._server = server

    def type(self, *keys: str) -> None:
        """Send keys by tmux's names, one after the other."""
        self._tmux("send-keys", *keys)

    def resize(self, width_cells: int, height_cells: int) -> None:
        """Change the size of the terminal."""
        self._tmux("resize-window", "-x", str(width_cells), "-y", str(height_cells))

    def screen(self) -> str:
        """Return what the terminal shows."""
        return self._tmux("capture-pane", "-p")

    def is_alternate(self) -> bool:
        """Return whether the alternate screen of full-screen programs is on."""
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def process(self) -> psutil.Process:
        """Return the command that runs in the terminal."""
        shell = psutil.Process(int(self._tmux("display-message", "-p", "#{pane_pid}")))
        (child,) = shell.children()
        return child

    def close(self) -> None:
        """Take the terminal away, as a closed window does."""
        subprocess.run(["tmux", "-L", self._server, "kill-server"], capture_output=True, timeout=LIMIT_S, check=False)

    def until(self, condition: Callable[[str], object], what: str) -> str:
        """Return the screen once something holds of it."""
        deadline_s = time.monotonic() + LIMIT_S
        while not condition(screen := self.screen()):
            assert time.monotonic() < deadline_s, f"{what} never held; the screen shows:\n{screen}"
            time.sleep(POLL_S)
        return screen

    def until_shown(self, *texts: str) -> str:
        """Return the screen once all texts are on it."""
        return self.until(lambda screen: all(text in screen for text in texts), " and ".join(texts))

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-L", self._server, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=True
        ).stdout


@contextlib.contextmanager
def open_terminal(
    command: Sequence[str], environment: Mapping[str, str], size: tuple[int, int] = (80, 24)
) -> Iterator[Terminal]:
    """Run a command on a new terminal that stays open behind it and then shows ``ended with CODE``."""
    server = f"aai-{uuid.uuid4().hex[:8]}"
    width_cells, height_cells = size
    # tmux would hand its own variables on; the command gets exactly the given ones.
    variables = [f"{name}={value}" for name, value in environment.items()]
    script = f'"$@"; echo "{SHELL_ENDED} $?"; exec sleep 600'
    subprocess.run(
        ["tmux", "-L", server, "-f", "/dev/null", "new-session", "-d", "-x", str(width_cells), "-y", str(height_cells),
         "env", "-i", f"TERM={environment.get('TERM', 'screen-256color')}", *variables,
         "sh", "-c", script, "sh", *command],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        timeout=LIMIT_S, check=True,
    )  # fmt: skip
    try:
        yield Terminal(server)
    finally:
        Terminal(server).close()
