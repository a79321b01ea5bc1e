"""A whole stack of its own for tests and benches: real programs, private AAI_HOME, free ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PORT_VARIABLES = (
    "AAI_WSS_PORT",
    "AAI_ROUTER_PORT",
    "AAI_PROXY_PORT",
    "AAI_ASR_ENGLISH_PORT",
    "AAI_ASR_MULTILANG_PORT",
    "AAI_ASR_U3PRO_PORT",
)
BIN_DIR = Path(sys.executable).parent
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class PrivateStack:
    """Where a started stack is reached."""

    home: Path
    environment: Mapping[str, str]

    @property
    def endpoint(self) -> str:
        """WebSocket URL of the gateway, without a path."""
        return f"ws://127.0.0.1:{self.environment['AAI_WSS_PORT']}"

    def console(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run aai-console against this stack."""
        return subprocess.run(
            [BIN_DIR / "aai-console", *arguments],
            env=dict(self.environment),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def free_ports(count: int) -> list[int]:
    """Return TCP ports nobody listens on now; held together so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def private_environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment with this home, free ports, and nothing of the caller's own stack."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AAI_", "LICENSE_", "USAGE_", "SUPERVISOR_"))
    }
    ports = dict(zip(PORT_VARIABLES, map(str, free_ports(len(PORT_VARIABLES))), strict=True))
    return {**environment, **ports, "AAI_HOME": str(home), "AAI_DRAIN_LIMIT_S": "5", **variables}


@contextlib.contextmanager
def private_stack(stack: str = "universal", **variables: str) -> Iterator[PrivateStack]:
    """Start a stack, yield it, and take it down whatever happens.

    Raises:
        RuntimeError: it did not come up; holds what aai-console said.
    """
    # Unix socket paths are short; the default temporary directory of tests is not.
    home = Path(tempfile.mkdtemp(prefix="aai-", dir="/tmp"))
    running = PrivateStack(home, private_environment(home, **variables))
    try:
        started = running.console("up", stack)
        if started.returncode != 0:
            raise RuntimeError(f"aai-console up {stack}: rc {started.returncode}\n{started.stdout}\n{started.stderr}")
        yield running
    finally:
        running.console("down")
        shutil.rmtree(home, ignore_errors=True)
