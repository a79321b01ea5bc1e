"""supervisord itself: its configuration, its environment, its start and its end."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import psutil

from runtime.catalog import ASR_SERVERS
from runtime.errors import EnvironmentFault
from runtime.private_files import atomic_write_private
from runtime.settings import checkout_root
from runtime.supervise.client import SupervisorClient
from runtime.supervise.errors import SuperviseError
from runtime.supervise.home import PER_PROGRAM_VARIABLES
from runtime.supervise.pace import Pace
from runtime.supervise.plan import Site

CONF_NAME = "supervisord.conf"
# How the configuration of a checkout refers to its state directory.
CHECKOUT_STATE = "%(here)s/../var"
START_LIMIT_S = 15.0
END_LIMIT_S = 20.0


def shipped_conf() -> Path:
    """Return the configuration that came with the programs.

    Raises:
        EnvironmentFault: the installation is incomplete.
    """
    root = checkout_root()
    path = root / "etc" / CONF_NAME if root else Path(sysconfig.get_path("data")) / "etc" / "aai" / CONF_NAME
    if not path.is_file():
        raise EnvironmentFault(f"{path} is missing; install the package again: pip install .")
    return path


def conf_for(home: Path) -> Path:
    """Return the configuration supervisord and supervisorctl use for a home; it need not be written yet."""
    root = checkout_root()
    return root / "etc" / CONF_NAME if root and home == root / "var" else home / CONF_NAME


def write_conf(home: Path) -> Path:
    """Make the configuration for a home and return its path; a checkout's own needs no copy.

    Raises:
        EnvironmentFault: it cannot be read or written.
    """
    target = conf_for(home)
    source = shipped_conf()
    if target != source:
        atomic_write_private(target, render_conf(source.read_text(encoding="utf-8")).encode())
    return target


def render_conf(text: str) -> str:
    """Return the configuration for a file that lies in AAI_HOME itself."""
    return text.replace(CHECKOUT_STATE, "%(here)s")


def supervisor_environment(site: Site, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables supervisord, and through it every program, gets.

    Programs read aai.env themselves; what is decided for the whole stack is exported, so that a
    program restarted after an edit of that file still fits to its neighbours.
    """
    environment = {name: value for name, value in inherited.items() if name not in PER_PROGRAM_VARIABLES}
    environment |= {
        "AAI_HOME": str(site.home),
        "AAI_BIN_DIR": str(site.bin_dir),
        "AAI_BIND_HOST": site.bind_host,
        "AAI_WSS_PORT": str(site.wss_port),
        "AAI_ROUTER_PORT": str(site.router_port),
        "AAI_PROXY_PORT": str(site.proxy_port),
        "AAI_GATEWAY_WORKERS": str(site.gateway_workers),
        "AAI_DRAIN_LIMIT_S": str(site.drain_limit_s),
        "AAI_GATEWAY_STOP_WAIT_S": str(site.gateway_stop_wait_s),
    }
    environment["AAI_METRICS_PORT"] = str(site.metrics_port or 0)
    if site.tls_port is not None:
        environment["AAI_TLS_PORT"] = str(site.tls_port)
    environment |= {server.port_variable: str(site.asr_ports[server.program]) for server in ASR_SERVERS}
    return environment


def start_supervisord(site: Site, client: SupervisorClient, pace: Pace) -> int:
    """Start supervisord as a daemon and return its process id once it answers.

    Raises:
        EnvironmentFault: it is not installed.
        SuperviseError: it ended at once; the text holds its reason.
    """
    program = Path(sys.executable).parent / "supervisord"
    if not program.is_file():
        raise EnvironmentFault(f"{program} is missing; install it: pip install supervisor")
    conf = write_conf(site.home)
    try:
        outcome = subprocess.run(
            [str(program), "-c", str(conf)],
            env=supervisor_environment(site, os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_LIMIT_S,
            umask=0o077,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SuperviseError("supervisord did not start in time", f"see {site.supervisor_log}") from None
    if outcome.returncode != 0:
        lines = (outcome.stderr or outcome.stdout).strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if line.startswith("Error:")), lines[-1])
        raise SuperviseError(f"supervisord did not start: {reason}", f"see {site.supervisor_log}")
    pace.until(client.is_reachable, START_LIMIT_S, "supervisord answers")
    return client.pid()


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; one that only waits to be reaped has."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
