"""Private stacks for tests: free ports, short homes, the console as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from runtime.supervise.leftovers import find_processes

PORT_NAMES = ("AAI_WSS_PORT", "AAI_ROUTER_PORT", "AAI_PROXY_PORT", "AAI_ASR_ENGLISH_PORT", "AAI_ASR_MULTILANG_PORT")
CONSOLE = Path(sys.executable).parent / "aai-console"
CONSOLE_LIMIT_S = 90.0
FIRST_PORT = 20_000
LAST_PORT = 32_000


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on, below the range the kernel takes for outgoing connections."""
    found: list[int] = []
    candidate = FIRST_PORT + int.from_bytes(os.urandom(2)) % (LAST_PORT - FIRST_PORT - 1000)
    while len(found) < count:
        candidate += 1
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        found.append(candidate)
    return found


def stack_environment(home: Path, **more: str) -> dict[str, str]:
    """Return the variables of a private stack: this process's, without its AAI_* ones."""
    ports = dict(zip(PORT_NAMES, map(str, free_ports(len(PORT_NAMES))), strict=True))
    ports["AAI_ASR_U3PRO_PORT"] = ports["AAI_ASR_ENGLISH_PORT"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AAI_")}
    return {**inherited, "AAI_HOME": str(home), "AAI_DRAIN_LIMIT_S": "5", **ports, **more}


@contextmanager
def private_home() -> Iterator[Path]:
    """Give a new AAI_HOME with a path short enough for sockets; whatever still runs in it is killed."""
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


@dataclass(frozen=True, slots=True)
class PrivateStack:
    """One stack and how to operate it.

    Attributes:
        url: WebSocket URL of its gateway.
        environment: variables every program of it is started with.
    """

    home: Path
    url: str
    environment: Mapping[str, str]

    def console(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run aai-console for this stack and return its outcome."""
        return subprocess.run(
            [str(CONSOLE), *arguments],
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CONSOLE_LIMIT_S,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        """Return the ``data`` of ``status --json``."""
        data: dict[str, Any] = json.loads(self.console("status", "--json").stdout)["data"]
        return data

    def service(self, name: str) -> dict[str, Any]:
        """Return one entry of the services in the status."""
        found: dict[str, Any] = next(one for one in self.status()["services"] if one["name"] == name)
        return found


def private_stack(home: Path, **more: str) -> PrivateStack:
    """Describe a stack in a home with ports of its own; nothing is started."""
    environment = stack_environment(home, **more)
    return PrivateStack(home, f"ws://127.0.0.1:{environment['AAI_WSS_PORT']}", environment)
