"""The console's reducer and its questions about a host."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.catalog import Stack
from tests.support.console_doubles import a_service, host_without_supervisor, universal_host
from tui.store import (
    Complained,
    HostSnapshot,
    Looked,
    LookFailed,
    OperationEnded,
    OperationProgressed,
    OperationStarted,
    Readiness,
    Service,
    Ticked,
    View,
    group_row,
    reduce,
    stack_word,
    table_rows,
)


def test_view_after_a_look_shows_the_snapshot_as_fresh() -> None:
    """A look replaces the snapshot and its age."""
    view = reduce(View(), Looked(universal_host()), now_ms=5_000)
    assert view.snapshot == universal_host()
    assert (view.age_ms, view.is_stale) == (0, False)


@pytest.mark.parametrize(("elapsed_ms", "is_stale"), [(3_000, False), (3_001, True)])
def test_view_older_than_three_periods_is_stale(elapsed_ms: int, is_stale: bool) -> None:
    """Exactly three periods are still live, more are not."""
    view = reduce(View(period_ms=1_000), Looked(universal_host()), now_ms=1_000)
    assert reduce(view, Ticked(), now_ms=1_000 + elapsed_ms).is_stale is is_stale


def test_view_without_a_look_is_not_stale() -> None:
    """Nothing was shown yet, so nothing can be outdated."""
    assert not reduce(View(), Ticked(), now_ms=60_000).is_stale


def test_failed_look_keeps_the_snapshot_and_raises_a_banner_until_the_next_good_one() -> None:
    """Old values stay, with the reason; a good look takes the banner away."""
    view = reduce(View(), Looked(universal_host()), now_ms=1_000)
    view = reduce(view, LookFailed("disk gone"), now_ms=2_000)
    assert view.snapshot == universal_host()
    assert "disk gone" in view.banner
    assert reduce(view, Looked(universal_host()), now_ms=3_000).banner == ""


def test_complaint_survives_looks_until_dismissed() -> None:
    """What an operator caused stays readable."""
    view = reduce(View(), Complained("no"), now_ms=1)
    view = reduce(view, Looked(universal_host()), now_ms=2)
    assert view.banner == "no"
    assert reduce(view, Complained(""), now_ms=3).banner == ""


def test_snapshot_fault_becomes_the_banner() -> None:
    """A part of the host that could not be asked is named."""
    snapshot = replace(universal_host(), faults=("cannot ask streaming-api-01",))
    assert reduce(View(), Looked(snapshot), now_ms=1).banner == "cannot ask streaming-api-01"


def test_operation_collects_its_steps_until_it_ends() -> None:
    """Steps are kept in order, and the view is busy only meanwhile."""
    view = reduce(View(), OperationStarted("restart x"), now_ms=1_000)
    view = reduce(view, OperationProgressed("stopping x"), now_ms=1_500)
    view = reduce(view, OperationProgressed("starting x"), now_ms=2_000)
    assert view.is_busy
    view = reduce(view, OperationEnded(), now_ms=2_500)
    assert view.operation is not None
    assert (view.operation.lines, view.operation.failed, view.is_busy) == (("stopping x", "starting x"), False, False)


def test_operation_that_fails_leaves_its_cause_in_the_banner() -> None:
    """Failure names the operation and the cause."""
    view = reduce(View(), OperationStarted("stop x"), now_ms=1)
    view = reduce(view, OperationEnded("port taken"), now_ms=2)
    assert view.banner == "stop x failed: port taken"


def test_step_after_the_end_of_an_operation_is_ignored() -> None:
    """A late message from the operation's thread changes nothing."""
    view = reduce(View(), OperationStarted("stop x"), now_ms=1)
    ended = reduce(view, OperationEnded(), now_ms=2)
    assert reduce(ended, OperationProgressed("late"), now_ms=2) == ended


def test_time_never_runs_backwards_in_a_view() -> None:
    """An event with an older time keeps the newer one."""
    view = reduce(View(), Ticked(), now_ms=5_000)
    assert reduce(view, Ticked(), now_ms=4_000).now_ms == 5_000


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"readiness": Readiness.OK}, "ok"),
        ({"readiness": Readiness.WAITING, "waited_s": 12, "budget_s": 120}, "wait 12/120"),
        ({"readiness": Readiness.DRAINING, "sessions_left": 3}, "drain 3"),
        ({"readiness": Readiness.FAILED}, "FAIL"),
        ({"readiness": Readiness.LOOPING}, "loop"),
        ({"readiness": Readiness.NONE}, "-"),
    ],
)
def test_service_readiness_is_a_word(changes: dict[str, object], word: str) -> None:
    """Each readiness has its own word, no colour needed."""
    assert a_service("streaming-asr-lb", **changes).readiness_word == word


def test_group_row_shows_its_worst_member() -> None:
    """One worker that fails makes the program fail, and the count says how many run."""
    good = a_service("streaming-api-00", cpu_percent=3.0, rss_bytes=10)
    dead = Service("streaming-api-01", "streaming-api", "EXITED", Readiness.FAILED, detail="exit code 1")
    row = group_row("streaming-api", (good, dead))
    assert (row.state, row.readiness, row.detail) == ("PARTIAL", Readiness.FAILED, "exit code 1")
    assert (row.members_running, row.member_count, row.cpu_percent, row.rss_bytes) == (1, 2, 3.0, 10)


def test_table_rows_put_a_group_row_before_its_workers_and_single_programs_alone() -> None:
    """The order is fixed, whatever order the host reports."""
    names = [row.name for row in table_rows(tuple(reversed(universal_host().services)))]
    assert names == [
        "streaming-api", "streaming-api-00", "streaming-api-01", "streaming-asr-lb", "license-and-usage-proxy",
        "streaming-asr-english", "streaming-asr-multilang", "streaming-asr-u3pro",
    ]  # fmt: skip


def test_table_rows_of_one_worker_need_no_group_row() -> None:
    """A single gateway worker is one row."""
    assert [row.name for row in table_rows((a_service("streaming-api-00"),))] == ["streaming-api-00"]


def _with(name: str, **changes: object) -> HostSnapshot:
    host = universal_host()
    services = tuple(replace(row, **changes) if row.name == name else row for row in host.services)  # type: ignore[arg-type]
    return replace(host, services=services)


@pytest.mark.parametrize(
    ("snapshot", "word"),
    [
        (universal_host(), "READY"),
        (host_without_supervisor(), "DOWN"),
        (replace(universal_host(), stack=None), "STOPPED"),
        (replace(universal_host(), stack=Stack.U3PRO), "DEGRADED"),
        (_with("streaming-asr-english", readiness=Readiness.WAITING), "STARTING"),
        (_with("streaming-asr-english", readiness=Readiness.FAILED), "DEGRADED"),
        (_with("streaming-asr-lb", readiness=Readiness.NONE, state="STOPPED"), "DEGRADED"),
    ],
)
def test_stack_word_sums_the_wanted_services_up(snapshot: HostSnapshot, word: str) -> None:
    """Only services of the wanted stack count."""
    assert stack_word(snapshot) == word
