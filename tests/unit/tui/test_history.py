"""What earlier looks say about a process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.supervise.observe import ProcessView
from runtime.supervise.states import ProcessState
from tui.history import ProcessHistory
from tui.store import Readiness

BUDGET_S = 120
STARTING = ProcessView(
    name="streaming-asr-lb",
    program="streaming-asr-lb",
    stack=None,
    active=True,
    state=ProcessState.RUNNING,
    ready=False,
    detail="",
    pid=7,
    port=8081,
    uptime_s=5,
    exit_status=0,
)
READY = replace(STARTING, ready=True)


@pytest.mark.parametrize(
    ("process", "readiness"),
    [
        (READY, Readiness.OK),
        (STARTING, Readiness.WAITING),
        (replace(STARTING, uptime_s=BUDGET_S + 1), Readiness.FAILED),
        (replace(STARTING, state=ProcessState.FATAL, pid=None), Readiness.FAILED),
        (replace(STARTING, state=ProcessState.EXITED, pid=None), Readiness.FAILED),
        (replace(STARTING, state=ProcessState.STOPPING), Readiness.DRAINING),
        (replace(STARTING, state=ProcessState.STOPPED, pid=None), Readiness.NONE),
    ],
)
def test_readiness_of_a_process_seen_once(process: ProcessView, readiness: Readiness) -> None:
    """State, probe and age of one look decide."""
    history = ProcessHistory()
    history.note(process, 0.0)
    assert history.readiness(process, BUDGET_S) is readiness


def test_process_that_was_ready_and_is_not_any_more_has_failed() -> None:
    """It is not starting, however young it is."""
    history = ProcessHistory()
    history.note(READY, 0.0)
    history.note(STARTING, 1.0)
    assert history.readiness(STARTING, BUDGET_S) is Readiness.FAILED


def test_restarted_process_is_starting_again() -> None:
    """A new process id begins anew, and counts."""
    history = ProcessHistory()
    history.note(READY, 0.0)
    again = replace(STARTING, pid=8)
    history.note(again, 1.0)
    assert history.readiness(again, BUDGET_S) is Readiness.WAITING
    assert history.restarts("streaming-asr-lb") == 1


def test_three_restarts_within_two_minutes_are_a_loop_and_it_is_forgotten_later() -> None:
    """A crash loop is named as such until the process lives."""
    history = ProcessHistory()
    for number in range(4):
        history.note(replace(STARTING, pid=number), float(number))
    looping = replace(STARTING, pid=3)
    assert history.readiness(looping, BUDGET_S) is Readiness.LOOPING
    history.note(looping, 200.0)
    assert history.readiness(looping, BUDGET_S) is Readiness.WAITING
    assert history.restarts("streaming-asr-lb") == 3
