"""What `aai-console status` says about a stack under test."""

from __future__ import annotations

import json
from typing import Any

from runtime.supervise.leftovers import find_processes
from tests.support.private_stack import PrivateStack


def status_of(stack: PrivateStack) -> dict[str, Any]:
    """Return the data of the status."""
    data: dict[str, Any] = json.loads(stack.console("status", "--json").stdout)["data"]
    return data


def service_of(stack: PrivateStack, name: str) -> dict[str, Any]:
    """Return one service of the status."""
    found: dict[str, Any] = next(one for one in status_of(stack)["services"] if one["name"] == name)
    return found


def pids_of(stack: PrivateStack) -> dict[str, int | None]:
    """Return the process id of every service."""
    return {one["name"]: one["pid"] for one in status_of(stack)["services"]}


def supervisord_pid(stack: PrivateStack) -> int:
    """Return the process id of the stack's supervisord."""
    return int((stack.home / "run" / "supervisord.pid").read_text())


def assert_nothing_left(stack: PrivateStack) -> None:
    """Fail when a process, a socket or a pid file of the stack is there."""
    assert find_processes(stack.home) == ()
    assert [path.name for path in (stack.home / "run").iterdir()] == ["op.lock"]
