"""The real console on a real terminal, over a real stack."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.private_stack import BIN_DIR, CHECKOUT, PrivateStack, private_environment
from tests.support.terminal import LIMIT_S, Terminal, open_terminal

CONSOLE = str(BIN_DIR / "aai-console")


@pytest.fixture
def terminal(running_stack: PrivateStack) -> Iterator[Terminal]:
    """Give the console, open on the running stack in 80x24."""
    with open_terminal([CONSOLE], running_stack.environment) as opened:
        opened.until_shown("universal READY", "q Quit")
        yield opened


def test_console_shows_the_running_stack_with_readiness_license_and_log(terminal: Terminal) -> None:
    """Every program is there and ready, in words."""
    screen = terminal.until_shown("License Connected", "streaming-asr-multilang")
    # Whichever line is the gateway's last: other tests use the stack, too.
    terminal.until(lambda shown: any(line in shown for line in ("gateway listening", "session ended")), "a log line")
    for program in ("streaming-api-00", "streaming-asr-lb", "license-and-usage-proxy", "streaming-asr-english"):
        (line,) = [line for line in screen.splitlines() if program in line and "RUNNING" in line]
        assert line.split()[1:3] == ["RUNNING", "ok"], line
    (line,) = [line for line in screen.splitlines() if "streaming-asr-u3pro" in line]
    assert line.split()[:2] == ["streaming-asr-u3pro", "stopped"]


def test_console_follows_the_size_of_the_terminal(terminal: Terminal) -> None:
    """Too small says so, wide shows more."""
    terminal.resize(40, 12)
    terminal.until_shown("Terminal too small: 40x12")
    terminal.resize(120, 40)
    terminal.until_shown("Restarts", "embedded engine")


def test_console_asks_before_a_restart_and_carries_it_out(terminal: Terminal) -> None:
    """No keeps the process, yes replaces it and the stack is ready again."""
    before = _pid_of("streaming-asr-lb", terminal.until_shown("streaming-asr-lb"))
    terminal.type("Down", "Down", "Down")
    terminal.until_shown(">streaming-asr-lb")
    terminal.type("r")
    terminal.until_shown("Restart streaming-asr-lb?")
    terminal.type("Enter")
    terminal.until(lambda screen: "Restart streaming-asr-lb?" not in screen, "question closed")
    assert _pid_of("streaming-asr-lb", terminal.screen()) == before
    terminal.type("r")
    terminal.until_shown("Restart streaming-asr-lb?")
    terminal.type("y")
    terminal.until(
        lambda screen: "universal READY" in screen and _pid_of("streaming-asr-lb", screen) != before, "restarted"
    )


def _pid_of(program: str, screen: str) -> str:
    return next((line.split()[-5] for line in screen.splitlines() if f"{program} " in line and "RUNNING" in line), "")


def test_console_ended_by_a_signal_leaves_a_clean_terminal(terminal: Terminal) -> None:
    """After TERM the normal screen is back and the shell goes on."""
    assert terminal.is_alternate()
    terminal.process().send_signal(signal.SIGTERM)
    terminal.until_shown("ended with 143")
    assert not terminal.is_alternate()


def test_console_whose_terminal_is_closed_ends(tmp_path: Path) -> None:
    """No process stays behind a closed window."""
    with open_terminal([CONSOLE], private_environment(tmp_path / "home")) as terminal:
        terminal.until_shown("The stack is down")
        process = terminal.process()
        terminal.close()
        process.wait(timeout=LIMIT_S)


def test_console_left_by_q_ends_with_zero_and_the_stack_runs_on(
    terminal: Terminal, running_stack: PrivateStack
) -> None:
    """Quitting is only about the console."""
    terminal.type("q")
    terminal.until_shown("ended with 0")
    assert running_stack.console("status").returncode == 0


def test_console_without_utf8_and_colour_is_plain_ascii(running_stack: PrivateStack) -> None:
    """An old terminal gets frames of ASCII characters and words instead of colours."""
    environment = {**running_stack.environment, "LANG": "POSIX", "LC_ALL": "POSIX", "PYTHONUTF8": "0",
                   "PYTHONCOERCECLOCALE": "0", "NO_COLOR": "1", "TERM": "screen"}  # fmt: skip
    with open_terminal([CONSOLE], environment) as terminal:
        screen = terminal.until_shown("universal READY", "log: streaming-api-00", "q Quit")
    assert screen.isascii()


def test_console_without_a_stack_shows_why_and_how_to_start_it(tmp_path: Path) -> None:
    """The card gives the reason and the key."""
    with open_terminal([CONSOLE], private_environment(tmp_path / "home")) as terminal:
        terminal.until_shown("The stack is down", "no supervisord answers", "u  bring the stack up")


def test_transcribe_on_a_terminal_leaves_only_final_lines(running_stack: PrivateStack) -> None:
    """The changing line is gone in the end; turns and a summary stay."""
    command = [CONSOLE, "transcribe", str(CHECKOUT / "samples" / "weather.wav"), "--speed", "2"]
    with open_terminal(command, running_stack.environment) as terminal:
        terminal.until_shown("  ... ")
        screen = terminal.until_shown("ended with 0", "1 turn")
    assert "..." not in screen
    assert "weekend" in screen
