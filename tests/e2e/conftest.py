"""Stacks for end-to-end tests: one real stack for the session, throw-away ones for single tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dummy_program import write_bin_dir
from tests.support.stack import PrivateStack, private_home, private_stack


@pytest.fixture
def home() -> Iterator[Path]:
    """Give a new AAI_HOME with a short path."""
    with private_home() as path:
        yield path


@pytest.fixture
def dummy_stack(home: Path) -> PrivateStack:
    """Give a stack of dummy programs under a real supervisord; nothing is started."""
    return private_stack(home, AAI_BIN_DIR=str(write_bin_dir(home / "bin")), AAI_DRAIN_LIMIT_S="2")


@pytest.fixture
def real_stack(home: Path) -> PrivateStack:
    """Give a stack of the real programs; nothing is started."""
    return private_stack(home)


@pytest.fixture(scope="session")
def running_stack() -> Iterator[PrivateStack]:
    """Give the real universal stack, ready; shared by all tests, which leave it as they found it."""
    with private_home() as home:
        stack = private_stack(home)
        outcome = stack.console("up")
        assert outcome.returncode == 0, outcome.stderr
        yield stack
        stack.console("down", "--drain", "0")
