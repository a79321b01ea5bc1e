"""TCP ports of this machine: whether one is free, and who holds it."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

from runtime.errors import EnvironmentFault
from runtime.supervise.plan import Listener


@dataclass(frozen=True, slots=True)
class PortHolder:
    """Who listens on a port; ``pid`` is None when the process belongs to another user."""

    pid: int | None
    name: str

    def __str__(self) -> str:
        """Return the holder in words."""
        return f"{self.name} (pid {self.pid})" if self.pid is not None else "a process of another user"


def is_free(host: str, port: int) -> bool:
    """Return whether a program could listen there now.

    Raises:
        EnvironmentFault: nobody could: the address is not this machine's, or the port is privileged.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        # Connections in TIME_WAIT do not hinder the programs either.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise EnvironmentFault(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return True


def holder_of(port: int) -> PortHolder | None:
    """Return who listens on a port; None when nobody does."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            if connection.pid is None:
                return PortHolder(None, "")
            return PortHolder(connection.pid, _program_name(connection.pid))
    return None


def _program_name(pid: int) -> str:
    """Return the script an interpreter runs, else the program; the kernel cuts its own name to 15 bytes."""
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
        if len(command) > 1 and Path(command[0]).name.startswith("python") and not command[1].startswith("-"):
            return Path(command[1]).name
        return process.name()
    except psutil.Error:
        return "a process"


def taken_text(listener: Listener, holder: PortHolder | None) -> str:
    """Return the one line that names port, holder and the setting to change."""
    who = str(holder) if holder else "another process"
    return (
        f"port {listener.port} for {listener.process_name} is taken by {who}; "
        f"end that process or set {listener.port_variable} to a free port"
    )
