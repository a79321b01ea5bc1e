"""How the lifecycle library's values become the console's."""

from __future__ import annotations

from dataclasses import replace

from runtime.supervise.observe import LicenseStatus
from runtime.supervise.states import ProcessState
from tests.unit.tui.test_history import READY, STARTING
from tui.adapters import license_of, service_of
from tui.history import ProcessHistory
from tui.sampler import Load
from tui.store import Readiness


def test_service_of_a_ready_server_names_its_engine_and_load() -> None:
    """Engine, languages and degradation come from the server's own facts."""
    process = replace(READY, facts={"engine": "embedded", "languages": ["en"], "degraded": True})
    row = service_of(process, ProcessHistory(), 120, Load(12.5, 1_000), sessions=0)
    assert (row.readiness, row.detail) == (Readiness.OK, "embedded engine, en, degraded")
    assert (row.cpu_percent, row.rss_bytes, row.port) == (12.5, 1_000, 8081)


def test_service_of_a_starting_process_counts_towards_its_budget() -> None:
    """The wait is shown as seconds of the budget."""
    assert service_of(STARTING, ProcessHistory(), 120, None, sessions=0).readiness_word == "wait 5/120"


def test_service_of_a_stopping_worker_shows_the_sessions_left() -> None:
    """Draining is a word with a number, until nobody is left."""
    stopping = replace(STARTING, state=ProcessState.STOPPING)
    assert service_of(stopping, ProcessHistory(), 30, None, sessions=3).readiness_word == "drain 3"
    assert service_of(stopping, ProcessHistory(), 30, None, sessions=0).readiness_word == "-"


def test_service_of_a_stopped_process_has_no_port() -> None:
    """A port nobody listens on is not shown."""
    stopped = replace(STARTING, state=ProcessState.STOPPED, pid=None, uptime_s=None)
    row = service_of(stopped, ProcessHistory(), 30, None, sessions=0)
    assert (row.port, row.readiness_word, row.state_word) == (None, "-", "stopped")


def test_license_of_a_silent_proxy_is_unknown() -> None:
    """No answer has no state."""
    assert license_of(None).state == ""


def test_license_times_become_unix_time() -> None:
    """ISO 8601 with Z is read as UTC."""
    found = license_of(LicenseStatus("Connected", "2026-11-20T14:00:00.250000Z", None))
    assert (found.state, found.checked_in_at_s, found.trusted_until_s) == ("Connected", 1_795_183_200.25, None)
