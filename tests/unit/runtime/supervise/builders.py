"""Values the supervision tests start from."""

from __future__ import annotations

from pathlib import Path

from runtime.catalog import ASR_SERVERS
from runtime.supervise.client import ProcessInfo
from runtime.supervise.plan import Site
from runtime.supervise.states import ProcessState

PORTS = {server.program: 50051 + (server.program == "streaming-asr-multilang") for server in ASR_SERVERS}


def site(home: Path = Path("/srv/aai"), **changes: object) -> Site:
    """Return a site with default ports."""
    values: dict[str, object] = {
        "home": home, "bin_dir": Path("/opt/aai/bin"), "bind_host": "127.0.0.1", "wss_port": 8080,
        "router_port": 8081, "proxy_port": 8082, "asr_ports": PORTS, "gateway_workers": 2, "drain_limit_s": 30,
    }  # fmt: skip
    return Site(**{**values, **changes})  # type: ignore[arg-type]


def info(state: ProcessState, *, pid: int | None = None, exit_status: int = 0, spawn_error: str = "") -> ProcessInfo:
    """Return what supervisord reports of the router."""
    return ProcessInfo("streaming-asr-lb:streaming-asr-lb", state, pid, exit_status, spawn_error, 1000, 1042)
