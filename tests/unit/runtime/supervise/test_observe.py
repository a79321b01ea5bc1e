"""How supervisord's report and a probe become one view."""

from __future__ import annotations

from runtime.catalog import Stack
from runtime.health import Health
from runtime.supervise.observe import notes_of, open_gateway_note, view_process
from runtime.supervise.plan import select_processes
from runtime.supervise.probes import ProbeResult, judge
from runtime.supervise.states import ProcessState
from tests.unit.runtime.supervise.builders import info, site

ROUTER = select_processes(site(), ["streaming-asr-lb"])[0]
ENGLISH = select_processes(site(), ["streaming-asr-english"])[0]


def test_health_of_another_process_is_not_ready() -> None:
    """A socket held by a predecessor says nothing about the successor."""
    assert not judge(Health("streaming-asr-lb", 6, ready=True), 7).ready


def test_health_that_is_not_ready_gives_its_reason() -> None:
    """What the program says is what an operator reads."""
    found = judge(Health("streaming-asr-lb", 7, ready=False, detail="loading"), 7)
    assert (found.ready, found.detail) == (False, "loading")


def test_view_takes_the_port_the_process_reports() -> None:
    """A program on another port than planned is shown where it is."""
    found = view_process(ROUTER, info(ProcessState.RUNNING, pid=7), ProbeResult(True, "", 9999), Stack.UNIVERSAL)
    assert (found.port, found.pid, found.ready, found.active) == (9999, 7, True, True)


def test_view_of_a_process_that_answers_within_startsecs_runs() -> None:
    """A row is never STARTING and ready at once."""
    found = view_process(ROUTER, info(ProcessState.STARTING, pid=7), ProbeResult(True, "", 8081), Stack.UNIVERSAL)
    assert (found.state, found.ready) == (ProcessState.RUNNING, True)


def test_view_of_a_stopping_process_is_not_ready() -> None:
    """Whatever it still answers, it takes no new work; what it waits for is said."""
    answer = ProbeResult(True, "", 8081, {"sessions": 1})
    found = view_process(ROUTER, info(ProcessState.STOPPING, pid=7), answer, Stack.UNIVERSAL)
    assert (found.state, found.ready, found.detail) == (ProcessState.STOPPING, False, "waits for 1 open session")


def test_view_of_the_other_stacks_server_is_not_active() -> None:
    """It is listed, stopped, and nobody misses it."""
    found = view_process(ENGLISH, None, ProbeResult(False, "not running"), Stack.U3PRO)
    assert (found.active, found.state, found.detail) == (False, ProcessState.STOPPED, "")


def test_view_of_an_ended_process_gives_its_exit_code() -> None:
    """An end is explained as far as supervisord knows it."""
    found = view_process(ROUTER, info(ProcessState.EXITED, exit_status=70), ProbeResult(False, "x"), Stack.UNIVERSAL)
    assert found.detail == "ended with exit code 70"


def test_notes_tell_of_a_degraded_engine() -> None:
    """An operator sees that the embedded engine is at work."""
    facts = {"engine": "embedded", "degraded": True, "languages": ["en"]}
    view = view_process(
        ENGLISH, info(ProcessState.RUNNING, pid=7), ProbeResult(True, "", 50051, facts), Stack.UNIVERSAL
    )
    assert "embedded engine" in notes_of((view,), site())[0]


def test_open_gateway_is_explained() -> None:
    """Listening beyond this machine is said, loopback is not."""
    assert "every machine" in open_gateway_note(site(bind_host="0.0.0.0"))
    assert "every machine" in open_gateway_note(site(bind_host="10.0.0.1"))
    assert open_gateway_note(site()) == ""


def test_open_gateway_that_checks_keys_is_noted_while_it_is_unencrypted() -> None:
    """Keys on the wire are worth a word; with TLS beside the plain port there is none."""
    assert "unencrypted" in open_gateway_note(site(bind_host="0.0.0.0", auth_mode="keys"))
    assert open_gateway_note(site(bind_host="0.0.0.0", auth_mode="token", tls_port=8443)) == ""
    assert "any Authorization value" in open_gateway_note(site(bind_host="0.0.0.0", tls_port=8443))
