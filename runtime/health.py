"""What a process says about itself, and the unix socket it says it on.

Every process of the stack has one admin socket, ``AAI_HOME/run/<program>-NN.sock`` (0600). Readiness
probes, the console and tests ask there; workers that share a TCP port are told apart by it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from runtime.errors import EnvironmentFault

if TYPE_CHECKING:  # aiohttp takes 0.3 s to load, and the console reads health without serving any
    from aiohttp import web

# sockaddr_un holds 108 bytes with the final zero.
SOCKET_PATH_MAX_BYTES = 107


class Health(msgspec.Struct, frozen=True):
    """One process, as probes see it.

    Attributes:
        ready: it can do its work now; running alone is not enough.
        port: the TCP port it really listens on, None for none.
        detail: the reason it is not ready, or what an operator should know.
        facts: small program-specific values, such as the engine in use.
    """

    program: str
    pid: int
    ready: bool
    port: int | None = None
    detail: str = ""
    facts: dict[str, Any] = {}


AdminRoute: TypeAlias = "Callable[[web.Request], Awaitable[web.StreamResponse]]"


def json_response(value: object, status: int = 200) -> web.Response:
    """Encode any msgspec-encodable value as an HTTP response."""
    from aiohttp import web

    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


class AdminServer:
    """HTTP over a unix socket: ``GET /health`` and the program's own routes."""

    def __init__(
        self,
        path: Path,
        health: Callable[[], Health],
        routes: Mapping[tuple[str, str], AdminRoute] | None = None,
    ) -> None:
        """Prepare a server.

        Args:
            path: socket to create; a stale one is replaced.
            health: read on every probe.
            routes: (method, path) to handler, beside ``/health``.
        """
        from aiohttp import web

        self._path = path
        self._health = health
        app = web.Application()
        app.router.add_get("/health", self._answer_health)
        for (method, route), handler in (routes or {}).items():
            app.router.add_route(method, route, handler)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen.

        Raises:
            EnvironmentFault: the path is too long or its directory cannot be written.
        """
        from aiohttp import web

        if len(os.fsencode(self._path)) > SOCKET_PATH_MAX_BYTES:
            raise EnvironmentFault(
                f"socket path {self._path} is longer than {SOCKET_PATH_MAX_BYTES} bytes; choose a shorter AAI_HOME"
            )
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            await self._runner.setup()
            await web.UnixSite(self._runner, str(self._path)).start()
            self._path.chmod(0o600)
        except OSError as error:
            raise EnvironmentFault(f"cannot create the socket {self._path}: {error.strerror or error}") from error

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        await self._runner.cleanup()
        self._path.unlink(missing_ok=True)

    async def _answer_health(self, _request: web.Request) -> web.StreamResponse:
        health = self._health()
        return json_response(health, 200 if health.ready else 503)
