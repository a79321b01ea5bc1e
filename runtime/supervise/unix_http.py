"""HTTP over unix sockets for synchronous callers: the connection XML-RPC and admin requests share."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path


class UnixConnection(http.client.HTTPConnection):
    """One HTTP connection to a unix socket; not thread-safe."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        """Prepare a connection; ``timeout_s`` holds for connecting and for each read."""
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect.

        Raises:
            OSError: there is no socket, nobody listens, or we may not connect.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.timeout)
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        self.sock = connection
