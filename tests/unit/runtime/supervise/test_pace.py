"""Deadlines of an operation and of its steps."""

from __future__ import annotations

import threading

import pytest

from runtime.supervise.errors import DeadlineExceeded, SuperviseError
from runtime.supervise.pace import Pace, holds_within


def test_condition_that_holds_needs_no_time() -> None:
    """Even a step without any time looks once."""
    Pace(limit_s=0.0).until(lambda: True, 0.0, "anything")


def test_step_over_its_time_names_what_was_awaited() -> None:
    """The error says what did not happen."""
    with pytest.raises(DeadlineExceeded, match="the moon"):
        Pace().until(lambda: False, 0.0, "the moon")


def test_operation_over_its_time_ends_a_step_that_has_some() -> None:
    """The limit of the whole reaches into each step."""
    with pytest.raises(DeadlineExceeded, match="--timeout"):
        Pace(limit_s=0.0).until(lambda: False, 60.0, "anything")


def test_cancelled_operation_ends_at_its_next_poll() -> None:
    """Another thread can end it."""
    cancel = threading.Event()
    cancel.set()

    with pytest.raises(SuperviseError, match="cancelled"):
        Pace(cancel=cancel).until(lambda: False, 60.0, "anything")


def test_holds_within_returns_false_when_only_its_time_is_over() -> None:
    """A bounded look is no error."""
    assert holds_within(lambda: True, 0.0, Pace(), "anything")
    assert not holds_within(lambda: False, 0.0, Pace(), "anything")


def test_holds_within_still_obeys_the_operations_time() -> None:
    """An operation whose time is over does not go on with a false."""
    with pytest.raises(DeadlineExceeded):
        holds_within(lambda: False, 60.0, Pace(limit_s=0.0), "anything")
