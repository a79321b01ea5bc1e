"""A whole stack of its own for tests and benches: real programs, private AAI_HOME, free ports."""

from __future__ import annotations

import contextlib
import os
import random
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
    "AAI_TLS_PORT",
    "AAI_ROUTER_PORT",
    "AAI_PROXY_PORT",
    "AAI_METRICS_PORT",
    "AAI_ASR_ENGLISH_PORT",
    "AAI_ASR_MULTILANG_PORT",
    "AAI_ASR_U3PRO_PORT",
)
PORT_RANGE = (20_000, 30_000)
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
    """Return different TCP ports nobody listens on now.

    They lie below the range the kernel hands to outgoing connections, so that none is taken by a client
    between this call and the start of the program.
    """
    ports: list[int] = []
    for port in random.sample(range(*PORT_RANGE), PORT_RANGE[1] - PORT_RANGE[0]):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            ports.append(port)
        if len(ports) == count:
            return ports
    raise RuntimeError(f"fewer than {count} ports of {PORT_RANGE} are free")


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
