"""supervisord's answers in our words."""

from __future__ import annotations

from pathlib import Path

import pytest
from supervisor.xmlrpc import Faults

from runtime.supervise.client import FAULT_TEXTS, fault_error, unreachable
from runtime.supervise.states import ProcessState
from tests.unit.runtime.supervise.builders import info


@pytest.mark.parametrize("fault", sorted(FAULT_TEXTS))
def test_fault_numbers_are_supervisords_own(fault: int) -> None:
    """Every number we explain exists in the installed supervisor."""
    assert fault in vars(Faults).values()


def test_known_fault_names_the_process() -> None:
    """The text holds the name a user types."""
    error = fault_error(10, "BAD_NAME: x", "streaming-api-07")
    assert (error.fault, error.message) == (10, "supervisord knows no process streaming-api-07")


def test_unknown_fault_keeps_supervisords_text() -> None:
    """What we do not explain is passed on."""
    assert "SOMETHING: new" in str(fault_error(99, "SOMETHING: new", "x"))


@pytest.mark.parametrize("cause", [FileNotFoundError(), ConnectionRefusedError()])
def test_missing_listener_means_not_running(cause: OSError) -> None:
    """No socket and a stale one mean the same to an operator."""
    assert "not running" in unreachable(Path("/nowhere"), cause).message


def test_foreign_socket_means_permission() -> None:
    """A stack of another user is not reported as stopped."""
    assert "permission denied" in unreachable(Path("/nowhere"), PermissionError()).message


def test_uptime_is_known_only_with_a_process() -> None:
    """A process that ended has no uptime."""
    assert info(ProcessState.RUNNING, pid=7).uptime_s == 42
    assert info(ProcessState.EXITED).uptime_s is None
