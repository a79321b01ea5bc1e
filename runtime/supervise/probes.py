"""Is a process ready? Asked at its admin socket and its port; RUNNING in supervisord is not enough."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runtime.errors import UpstreamError
from runtime.health import Health
from runtime.supervise.admin import request
from runtime.supervise.plan import REACHABLE_AS, ProcessPlan

CONNECT_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe found.

    Attributes:
        ready: the process said so, is the one supervisord started, and its port accepts connections.
        detail: the reason when it is not; what it says about itself when it is.
        port: the port it really listens on; None when unknown.
    """

    ready: bool
    detail: str
    port: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def probe(process: ProcessPlan, pid: int | None) -> ProbeResult:
    """Ask one process.

    Args:
        process: whom.
        pid: the process supervisord has for it; another one behind the socket is not ready.
    """
    if pid is None:
        return ProbeResult(False, "not running")
    try:
        _, body = request(process.admin_socket, "GET", "/health")
        health = msgspec.json.decode(body, type=Health)
    except UpstreamError as error:
        return ProbeResult(False, str(error))
    except msgspec.DecodeError as error:
        return ProbeResult(False, f"its health answer is not understood: {error}")
    verdict = judge(health, pid)
    if verdict.ready and health.port is not None and not accepts_connections(process.host, health.port):
        return ProbeResult(False, f"port {health.port} does not accept connections", health.port, health.facts)
    return verdict


def judge(health: Health, pid: int) -> ProbeResult:
    """Return what an answer means for the process with this id."""
    if health.pid != pid:
        return ProbeResult(False, f"its socket is held by process {health.pid}, supervisord started {pid}")
    if not health.ready:
        return ProbeResult(False, health.detail or "it says it is not ready", health.port, health.facts)
    return ProbeResult(True, health.detail, health.port, health.facts)


def accepts_connections(host: str, port: int) -> bool:
    """Return whether a TCP connection to a port of this machine succeeds."""
    try:
        with socket.create_connection((REACHABLE_AS.get(host, host), port), timeout=CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False
