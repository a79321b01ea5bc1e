"""Stacks for end-to-end tests: one real stack for the session, throw-away ones for single tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from runtime.supervise.leftovers import find_processes
from tests.support.dummy_program import write_bin_dir
from tests.support.private_stack import PrivateStack, private_environment, private_stack


@pytest.fixture(scope="session")
def running_stack() -> Iterator[PrivateStack]:
    """Give the real universal stack, ready; shared by all tests, which leave it as they found it."""
    with private_stack() as stack:
        yield stack


@pytest.fixture
def real_stack() -> Iterator[PrivateStack]:
    """Give a stack of the real programs; nothing is started."""
    with _short_home() as home:
        yield PrivateStack(home, private_environment(home))


@pytest.fixture
def dummy_stack() -> Iterator[PrivateStack]:
    """Give a stack of dummy programs under a real supervisord; nothing is started."""
    with _short_home() as home:
        yield _dummies(home)


@pytest.fixture(scope="module")
def up_dummy_stack() -> Iterator[PrivateStack]:
    """Give a running stack of dummy programs; shared by the tests of a module, which leave universal running."""
    with _short_home() as home:
        stack = _dummies(home)
        outcome = stack.console("up")
        assert outcome.returncode == 0, outcome.stderr
        yield stack


@contextmanager
def _short_home() -> Iterator[Path]:
    """Give a new AAI_HOME with a path short enough for sockets; whatever still runs in it at the end is killed."""
    home = Path(tempfile.mkdtemp(prefix="aai-", dir="/tmp"))
    try:
        yield home
    finally:
        for process in find_processes(home):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        shutil.rmtree(home, ignore_errors=True)


def _dummies(home: Path) -> PrivateStack:
    variables = {"AAI_BIN_DIR": str(write_bin_dir(home / "bin")), "AAI_DRAIN_LIMIT_S": "2"}
    environment = private_environment(home, **variables)
    # As by default: the servers of the two stacks follow each other on one port.
    environment["AAI_ASR_U3PRO_PORT"] = environment["AAI_ASR_ENGLISH_PORT"]
    return PrivateStack(home, environment)
