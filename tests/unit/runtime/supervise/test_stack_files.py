"""The small files of a running stack: its site and its lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.errors import ConfigError
from runtime.supervise.errors import OperationLocked
from runtime.supervise.lock import LockHolder, OperationLock, locked_text, read_holder
from runtime.supervise.stack_state import StackState, forget_stack_state, read_stack_state, write_stack_state
from tests.unit.runtime.supervise.builders import site


def test_stack_state_survives_the_file(tmp_path: Path) -> None:
    """What is read is what was written."""
    state = StackState(site(tmp_path), 42, 1000.5)
    write_stack_state(tmp_path, state)

    assert read_stack_state(tmp_path) == state


def test_forgotten_stack_state_is_none(tmp_path: Path) -> None:
    """After down there is no running stack, and forgetting twice is fine."""
    write_stack_state(tmp_path, StackState(site(tmp_path), 42, 1000.5))
    forget_stack_state(tmp_path)
    forget_stack_state(tmp_path)

    assert read_stack_state(tmp_path) is None


def test_broken_stack_state_is_named(tmp_path: Path) -> None:
    """A damaged file is an error with its path, never a guess."""
    (tmp_path / "stack.json").write_text("{")

    with pytest.raises(ConfigError, match=r"stack\.json"):
        read_stack_state(tmp_path)


def test_second_lock_is_refused_with_the_holder(tmp_path: Path) -> None:
    """Whoever comes second learns who works and on what."""
    with OperationLock(tmp_path, "switch u3pro"):
        with pytest.raises(OperationLocked, match=f"switch u3pro, process {os.getpid()}"):
            OperationLock(tmp_path, "down").__enter__()
        holder = read_holder(tmp_path)

    assert holder is not None
    assert (holder.pid, holder.verb) == (os.getpid(), "switch u3pro")


def test_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    """A finished operation leaves no trace of a holder."""
    with OperationLock(tmp_path, "up"):
        pass

    assert read_holder(tmp_path) is None
    with OperationLock(tmp_path, "down"):
        assert read_holder(tmp_path) is not None


def test_lock_file_of_a_dead_holder_does_not_hold(tmp_path: Path) -> None:
    """Only the kernel's lock counts, not what the file says."""
    (tmp_path / "op.lock").write_text('{"pid":1,"verb":"up","since_s":0}')

    with OperationLock(tmp_path, "down"):
        pass


def test_locked_text_without_a_readable_holder_still_says_so() -> None:
    """A lock whose file cannot be read is a lock."""
    assert "under way" in locked_text(None)
    assert "process 7" in locked_text(LockHolder(7, "up", 0.0))
