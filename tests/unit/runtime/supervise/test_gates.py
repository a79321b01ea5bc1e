"""Whether a starting process can still become ready."""

from __future__ import annotations

import pytest

from runtime.supervise.gates import StartWatch, quick_exit_in, start_verdict
from runtime.supervise.states import ProcessState
from tests.unit.runtime.supervise.builders import info


def test_running_process_may_become_ready() -> None:
    """A process with an id is waited for."""
    assert start_verdict(info(ProcessState.STARTING, pid=7), StartWatch()) == ""
    assert start_verdict(info(ProcessState.RUNNING, pid=7), StartWatch()) == ""


def test_unknown_process_is_hopeless() -> None:
    """Supervisord started with another configuration does not know it."""
    assert "not known" in start_verdict(None, StartWatch())


@pytest.mark.parametrize("code", [69, 70, 78])
def test_hopeless_exit_in_backoff_ends_the_wait_at_once(code: int) -> None:
    """What another start cannot help is not waited for, although supervisord tries again."""
    assert f"exit code {code}" in start_verdict(info(ProcessState.BACKOFF), StartWatch(), code)


def test_hopeless_exit_after_running_ends_the_wait_at_once() -> None:
    """The same for a program that lived longer than startsecs."""
    assert "exit code 78" in start_verdict(info(ProcessState.EXITED, exit_status=78), StartWatch())


def test_crash_in_backoff_is_given_another_chance() -> None:
    """An ordinary crash may be transient."""
    assert start_verdict(info(ProcessState.BACKOFF), StartWatch(), 1) == ""


def test_fatal_names_the_last_exit() -> None:
    """When supervisord gives up, so do we, with the code it hides."""
    assert "exit code 1" in start_verdict(info(ProcessState.FATAL), StartWatch(), 1)


def test_process_in_fatal_without_an_exit_names_the_spawn_error() -> None:
    """A program that could not even be executed has no exit code."""
    found = start_verdict(info(ProcessState.FATAL, spawn_error="can't find command"), StartWatch())
    assert "can't find command" in found


def test_exit_seen_once_may_be_followed_by_a_restart() -> None:
    """Supervisord passes EXITED on its way to the next start; only a lasting one is an end."""
    watch = StartWatch()

    assert start_verdict(info(ProcessState.EXITED, exit_status=1), watch) == ""
    assert "exit code 1" in start_verdict(info(ProcessState.EXITED, exit_status=1), watch)


def test_stop_by_somebody_else_ends_the_wait() -> None:
    """A process stopped under our hands is not waited for."""
    watch = StartWatch()
    start_verdict(info(ProcessState.STOPPED), watch)

    assert "was stopped" in start_verdict(info(ProcessState.STOPPED), watch)


def test_fourth_process_of_one_start_is_a_loop() -> None:
    """A program that lives longer than startsecs and dies would be restarted for ever."""
    watch = StartWatch()
    verdicts = [start_verdict(info(ProcessState.RUNNING, pid=pid), watch) for pid in (1, 2, 3, 4)]

    assert verdicts[:3] == ["", "", ""]
    assert "4 times" in verdicts[3]


def test_quick_exit_is_the_last_one_of_that_process() -> None:
    """Only lines of the named process count, and the last of them holds."""
    lines = (
        "2026-11-20 22:11:57,937 INFO spawned: 'streaming-asr-lb' with pid 11091",
        "2026-11-20 22:11:58,000 WARN exited: streaming-asr-lb (exit status 1; not expected)",
        "2026-11-20 22:11:58,100 WARN exited: streaming-asr-lb (exit status 69; not expected)",
        "2026-11-20 22:11:58,200 WARN exited: streaming-api-00 (exit status 78; not expected)",
    )
    assert quick_exit_in(lines, "streaming-asr-lb") == 69


def test_quick_exit_by_a_signal_is_minus_one() -> None:
    """A killed program has no exit code."""
    assert (
        quick_exit_in(["WARN exited: streaming-asr-lb (terminated by SIGKILL; not expected)"], "streaming-asr-lb") == -1
    )


def test_quick_exit_without_a_line_is_unknown() -> None:
    """No line, no code."""
    assert quick_exit_in([], "streaming-asr-lb") is None
