"""The Overview screen, driven by keys on a virtual terminal over a scripted host."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.catalog import Stack
from runtime.errors import EnvironmentFault, UpstreamError
from tests.support.console_doubles import ScriptedHost, a_service, gpu_host, host_without_supervisor, universal_host
from tests.support.screens import Console, open_console
from tui.ports import BringUp, RestartService, StartService, StopService, SwitchStack
from tui.screens.confirm import ConfirmDialog
from tui.screens.overview import OverviewScreen
from tui.screens.switch import SwitchDialog
from tui.store import License, Readiness
from tui.widgets.log_pane import LogPane
from tui.widgets.service_table import ServiceTable

pytestmark = pytest.mark.timeout(60)


def _pane(console: Console) -> LogPane:
    return console.app.screen.query_one(LogPane)


async def _choose(console: Console, name: str) -> None:
    table = console.app.screen.query_one(ServiceTable)
    table.move_cursor(row=table.get_row_index(name))
    await console.until(lambda: table.selected is not None and table.selected.name == name, name)


async def test_overview_at_80x24_shows_services_license_machine_sessions_log_and_keys() -> None:
    """Everything an operator needs fits the smallest usual terminal."""
    host = ScriptedHost(universal_host())
    host.log("streaming-api-00").feed("2026-11-20T14:02:10.000000Z [info     ] session begins [streaming-api] n=1")
    async with open_console(host) as console:
        await console.shows("session begins")
        await console.shows("q Quit")
        lines = console.text().splitlines()
    assert len(lines) == 24
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith(" aai-console | universal READY | lic Connected | sess 3 | op -")
    assert lines[2].split() == [">streaming-api", "2/2", "RUNNING", "ok", "-", "8080", "1h12m", "6.0", "147M"]
    assert lines[9].split() == ["streaming-asr-u3pro", "stopped", "-", "-", "-", "-", "-", "-"]
    text = "\n".join(lines)
    for part in ("License Connected", "no GPU", "sessions: 3 open", "8f2c41d0", "log: streaming-api-00", "q Quit"):
        assert part in text


async def test_overview_at_120x40_adds_columns() -> None:
    """A wide terminal also shows restarts, notes and clients."""
    async with open_console(ScriptedHost(gpu_host()), (120, 40)) as console:
        await console.shows("Restarts")
        text = console.text()
    assert "embedded engine, English only" in text
    assert "pipecat" in text
    assert "GPU0 H200" in text


async def test_overview_below_its_smallest_size_says_so_and_recovers() -> None:
    """A tiny terminal gets a notice, and the screen comes back with the room."""
    async with open_console(ScriptedHost(universal_host()), (59, 15)) as console:
        await console.shows("Terminal too small: 59x15, needs 60x16")
        assert "streaming-asr-lb" not in console.text()
        await console.pilot.resize_terminal(60, 16)
        await console.shows("streaming-asr-lb")
        assert "too small" not in console.text()


async def test_overview_in_ascii_mode_draws_ascii_only() -> None:
    """Without UTF-8 no character outside ASCII reaches the terminal, log lines included."""
    host = ScriptedHost(universal_host())
    host.log("streaming-api-00").feed("café à la carte")
    async with open_console(host, is_ascii=True) as console:
        await console.shows(r"caf\xe9")
        assert console.text().isascii()
        await console.press("x")
        await console.shows("Stop streaming-api?")
        assert console.text().isascii()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"readiness": Readiness.WAITING, "waited_s": 12, "budget_s": 120}, "wait 12/120"),
        ({"readiness": Readiness.FAILED}, "FAIL"),
        ({"readiness": Readiness.LOOPING, "state": "BACKOFF"}, "loop"),
    ],
)
async def test_overview_shows_readiness_beside_state_as_a_word(changes: dict[str, object], word: str) -> None:
    """A running process that is not ready is not shown as fine."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        host.snapshot = replace(universal_host(), services=(a_service("streaming-asr-english", **changes),))
        await console.until(
            lambda: any(word in line and "english" in line for line in console.text().splitlines()), word
        )


async def test_polling_keeps_the_selected_row() -> None:
    """New values change cells, not the place of the cursor."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await _choose(console, "streaming-asr-lb")
        services = tuple(replace(row, rss_bytes=77 * 2**20) for row in universal_host().services)
        host.snapshot = replace(universal_host(), services=services)
        await console.shows("77M")
        assert ">streaming-asr-lb" in console.text()


async def test_new_worker_row_keeps_the_selected_service() -> None:
    """Also when rows come and go the cursor stays on its service."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await _choose(console, "streaming-asr-lb")
        host.snapshot = replace(
            universal_host(), services=(*universal_host().services, a_service("streaming-api-02", pid=4_103))
        )
        await console.shows("streaming-api-02")
        assert ">streaming-asr-lb" in console.text()


async def test_sessions_come_and_go() -> None:
    """Ended sessions leave the list, the count follows."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        host.snapshot = replace(universal_host(), sessions=universal_host().sessions[1:2])
        await console.shows("sessions: 1 open")
        assert "8f2c41d0" not in console.text()
        host.snapshot = replace(universal_host(), sessions=())
        await console.shows("sessions: none open")


async def test_stop_asks_first_and_enter_means_no() -> None:
    """The default answer changes nothing."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await _choose(console, "streaming-asr-lb")
        await console.press("x")
        await console.shows("Stop streaming-asr-lb?")
        await console.press("enter")
        await console.until(lambda: isinstance(console.app.screen, OverviewScreen), "dialog closed")
    assert host.operations == []


@pytest.mark.parametrize("key", ["n", "escape"])
async def test_question_is_refused_by_letter_and_escape(key: str) -> None:
    """Each way to say no does nothing."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await console.press("x")
        await console.until(lambda: isinstance(console.app.screen, ConfirmDialog), "dialog")
        await console.press(key)
        await console.until(lambda: isinstance(console.app.screen, OverviewScreen), "dialog closed")
    assert host.operations == []


@pytest.mark.parametrize(
    ("key", "operation"), [("x", StopService("streaming-asr-lb")), ("r", RestartService("streaming-asr-lb"))]
)
async def test_question_is_confirmed_by_y(key: str, operation: object) -> None:
    """One letter runs the operation on the selected service."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await _choose(console, "streaming-asr-lb")
        await console.press(key)
        await console.until(lambda: isinstance(console.app.screen, ConfirmDialog), "dialog")
        await console.press("y")
        await console.until(lambda: host.operations, "operation")
    assert host.operations == [operation]


async def test_start_needs_no_question() -> None:
    """Starting harms nobody."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await _choose(console, "streaming-asr-lb")
        await console.press("s")
        await console.until(lambda: host.operations, "operation")
    assert host.operations == [StartService("streaming-asr-lb")]


async def test_start_of_a_service_of_the_other_stack_asks_for_a_switch() -> None:
    """Both stacks share a port, so the way to the other is a switch."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await _choose(console, "streaming-asr-u3pro")
        await console.press("s")
        await console.until(lambda: isinstance(console.app.screen, SwitchDialog), "switch dialog")
        await console.press("escape")
    assert host.operations == []


async def test_switch_names_what_stops_starts_and_whom_it_hits_and_takes_the_drain_time() -> None:
    """The dialog shows the plan, reads seconds and runs the switch with them, step by step."""
    host = ScriptedHost(universal_host())
    host.steps = ("draining", "starting streaming-asr-u3pro")
    host.may_finish.clear()
    async with open_console(host) as console:
        await console.press("S")
        await console.shows("Switch stack: universal -> u3pro")
        text = console.text()
        assert "Stops   streaming-asr-english, streaming-asr-multilang" in text
        assert "Starts  streaming-asr-u3pro" in text
        assert "Sessions now: 3 (en-default 2, ml-default 1), oldest 41m10s" in text
        await console.press("shift+tab", "backspace", "backspace", "4", "5", "y")
        await console.shows("starting streaming-asr-u3pro")
        assert "the operation goes on" in console.text()
        host.may_finish.set()
        await console.shows("Done.")
        await console.press("escape")
        await console.until(lambda: isinstance(console.app.screen, OverviewScreen), "progress closed")
    assert host.operations == [SwitchStack(Stack.U3PRO, 45)]


async def test_switch_dialog_defaults_to_no() -> None:
    """Enter on the fresh dialog changes nothing."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await console.press("S")
        await console.until(lambda: isinstance(console.app.screen, SwitchDialog), "switch dialog")
        await console.press("enter")
        await console.until(lambda: isinstance(console.app.screen, OverviewScreen), "dialog closed")
    assert host.operations == []


@pytest.mark.parametrize("keys", [("9", "9", "9", "9", "9"), ()])
async def test_switch_dialog_refuses_a_bad_drain_time(keys: tuple[str, ...]) -> None:
    """Too many seconds, or none, are named and nothing happens."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await console.press("S")
        await console.until(lambda: isinstance(console.app.screen, SwitchDialog), "switch dialog")
        await console.press("shift+tab", "backspace", "backspace", *keys, "y")
        await console.shows("expected whole seconds from 0 to 10800")
    assert host.operations == []


async def test_second_operation_waits_for_the_first() -> None:
    """While one operation runs another is refused, with the reason in the banner."""
    host = ScriptedHost(universal_host())
    host.may_finish.clear()
    async with open_console(host) as console:
        await console.press("s")
        await console.shows("op start streaming-api")
        await console.press("x")
        await console.shows("wait: start streaming-api is still running")
        host.may_finish.set()
        await console.shows("| op -")
    assert len(host.operations) == 1


async def test_failed_operation_is_a_banner_until_escape() -> None:
    """The cause stays readable, the console lives on."""
    host = ScriptedHost(universal_host())
    host.operation_error = EnvironmentFault("port 8081 is taken by nginx (pid 7)")
    async with open_console(host) as console:
        await console.press("s")
        await console.shows("! start streaming-api failed: port 8081 is taken by nginx (pid 7)")
        await console.press("escape")
        assert "port 8081 is taken" not in console.text()


async def test_supervisor_down_fills_the_screen_with_reason_and_the_key_that_helps() -> None:
    """Path, reason, last log lines and `u`."""
    host = ScriptedHost(host_without_supervisor())
    async with open_console(host) as console:
        await console.shows("The stack is down")
        text = console.text()
        assert "/srv/aai/run/supervisor.sock" in text
        assert "no such socket" in text
        assert "INFO received SIGTERM" in text
        assert "s Start" not in text
        host.steps = ("starting supervisord",)
        await console.press("u")
        await console.until(lambda: host.operations == [BringUp()], "up")
        host.snapshot = universal_host()
        await console.press("escape")
        await console.shows("streaming-asr-english")
        assert "The stack is down" not in console.text()


async def test_look_that_fails_is_a_banner_and_old_values_stay() -> None:
    """An error never empties or ends the console."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        host.look_error = UpstreamError("permission denied, owner root")
        await console.shows("! cannot read the state of this host: permission denied, owner root")
        assert "streaming-asr-english" in console.text()
        host.look_error = None
        await console.until(lambda: "permission denied" not in console.text(), "banner gone")


async def test_unexpected_error_in_a_look_is_a_banner_too() -> None:
    """A defect behind the port is shown and survived."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        host.look_error = ValueError("broken")
        await console.shows("ValueError: broken")
        host.look_error = None
        await console.until(lambda: "ValueError" not in console.text(), "banner gone")


async def test_values_nobody_refreshed_are_marked_stale() -> None:
    """Old values say how old they are."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        host.look_error = UpstreamError("no answer")
        await console.shows("no answer")
        console.clock.now_ms += 60_000
        await console.shows("STALE 1m00s")


async def test_license_failed_is_said_in_words() -> None:
    """A Failed license names its consequence."""
    host = ScriptedHost(replace(universal_host(), license=License("Failed")))
    async with open_console(host) as console:
        await console.shows("License Failed, the gateway stops serving")


async def test_long_log_line_goes_on_below_its_message() -> None:
    """Wrapped text is indented under the message, and the level is a whole word."""
    host = ScriptedHost(universal_host())
    host.log("streaming-api-00").feed("2026-11-20T14:02:10.000000Z [warning  ] " + "word " * 30 + "end")
    async with open_console(host) as console:
        await console.shows(" end")
        lines = console.text().splitlines()
    first = next(number for number, line in enumerate(lines) if "14:02:10.000 WARN  word" in line)
    column = lines[first].index("word")
    assert lines[first + 1].startswith(" " * column + "word")


async def test_notes_of_a_degraded_engine_fit_120_columns() -> None:
    """What an operator must know about an engine is not cut."""
    server = a_service("streaming-asr-english", detail="embedded engine, en, degraded")
    host = ScriptedHost(replace(universal_host(), services=(server,)))
    async with open_console(host, (120, 40)) as console:
        await console.until(
            lambda: any("Cpu%" not in line and line.endswith("embedded engine, en, degraded") and "RUNNING" in line
                        for line in console.text().splitlines()),
            "whole note",
        )  # fmt: skip


async def test_log_follows_the_end() -> None:
    """New lines push old ones out of view."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        host.log("streaming-api-00").feed(*[f"line {number}" for number in range(100)])
        await console.shows("line 99")
        host.log("streaming-api-00").feed("line 100")
        await console.shows("line 100")
        assert "following" in console.text()


async def test_log_keeps_still_while_somebody_reads_and_follows_again_on_g() -> None:
    """Lines that come meanwhile wait, counted, until G."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        host.log("streaming-api-00").feed(*[f"line {number}" for number in range(100)])
        await console.shows("line 99")
        await console.press("l", "pageup")
        await console.until(lambda: not _pane(console).is_following, "reading")
        seen = console.text().splitlines()[-6:]
        host.log("streaming-api-00").feed("late 1", "late 2")
        await console.shows("+2 new, G follows")
        assert console.text().splitlines()[-6:] == seen
        await console.press("G")
        await console.shows("late 2")
        assert "following" in console.text()


async def test_log_changes_with_the_selected_service_and_lets_the_old_file_go() -> None:
    """The pane shows the log of the row under the cursor."""
    host = ScriptedHost(universal_host())
    host.log("streaming-api-00").feed("from the gateway")
    host.log("streaming-asr-lb").feed("from the router")
    async with open_console(host) as console:
        await console.shows("from the gateway")
        await _choose(console, "streaming-asr-lb")
        await console.shows("from the router")
        assert "from the gateway" not in console.text()
        assert host.log("streaming-api-00").is_closed


async def test_log_that_cannot_be_read_says_why_and_is_tried_again() -> None:
    """Path and reason stand in the border until the file is there."""
    host = ScriptedHost(universal_host())
    host.log_error = EnvironmentFault("no log yet: /srv/x.log")
    async with open_console(host) as console:
        await console.shows("no log yet: /srv/x.log")
        host.log_error = None
        host.log("streaming-api-00").feed("here it is")
        await console.shows("here it is")


async def test_flood_of_lines_is_cut_and_counted() -> None:
    """One frame never writes more than the pane can draw at once."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        host.log("streaming-api-00").feed(*[f"line {number}" for number in range(1_000)])
        await console.shows("line 999")
        await console.press("l", "g")
        await console.shows("... 800 lines left out")


async def test_help_lists_the_keys_and_escape_closes_it() -> None:
    """`?` explains, Esc goes back."""
    async with open_console(ScriptedHost(universal_host())) as console:
        await console.press("question_mark")
        await console.shows("keys (Esc closes)")
        await console.press("escape")
        await console.until(lambda: isinstance(console.app.screen, OverviewScreen), "help closed")


async def test_quit_ends_with_code_zero() -> None:
    """`q` leaves; nothing is stopped."""
    host = ScriptedHost(universal_host())
    async with open_console(host) as console:
        await console.press("q")
        await console.until(lambda: not console.app.is_running, "end")
        assert console.app.return_code == 0
    assert host.operations == []


async def test_quit_while_an_operation_runs_asks_first() -> None:
    """Leaving in the middle is a decision."""
    host = ScriptedHost(universal_host())
    host.may_finish.clear()
    async with open_console(host) as console:
        await console.press("s")
        await console.shows("op start streaming-api")
        await console.press("q")
        await console.shows("Quit while start streaming-api runs?")
        await console.press("n")
        await console.until(lambda: isinstance(console.app.screen, OverviewScreen), "dialog closed")
        host.may_finish.set()
        await console.shows("| op -")


async def test_tab_reaches_table_sessions_and_log_in_reading_order() -> None:
    """Every part is reachable without a mouse."""
    async with open_console(ScriptedHost(universal_host())) as console:
        reached = []
        for _ in range(3):
            assert console.app.focused is not None
            reached.append(console.app.focused.id)
            await console.press("tab")
    assert reached == ["services", "sessions", "log"]


async def test_arrow_and_letter_keys_move_the_selection() -> None:
    """Down and j go down, k goes up."""
    async with open_console(ScriptedHost(universal_host())) as console:
        await console.press("down", "j", "j", "k")
        assert ">  streaming-api-01" in console.text()


async def test_selected_service_says_what_is_known_about_it_at_80_columns() -> None:
    """A degraded engine is visible without a wide terminal."""
    async with open_console(ScriptedHost(universal_host())) as console:
        await _choose(console, "streaming-asr-english")
        await console.shows("embedded engine, English only")


async def test_operation_of_another_program_is_shown() -> None:
    """A switch begun in a shell is visible here."""
    async with open_console(ScriptedHost(replace(universal_host(), elsewhere="switch u3pro"))) as console:
        await console.shows("op switch u3pro")
