"""HTTP shell of the license-and-usage-proxy; it only listens on the loopback address."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

from aiohttp import web

from protos.license_v1 import SERVING_STATES, ErrorDetail, ErrorResponse, LicenseState
from runtime.errors import EnvironmentFault
from runtime.health import json_response
from services.license_proxy.watch import LicenseWatch

BIND_HOST = "127.0.0.1"
_NOT_READY = {
    LicenseState.READY: ErrorDetail("license_not_checked", "The license has not been checked yet.", 1.0),
    LicenseState.FAILED: ErrorDetail("license_failed", "The license does not allow new sessions."),
}


class ProxyServer:
    """Answers ``/health``, ``/ready`` and ``/v1/status``."""

    def __init__(self, watch: LicenseWatch, port: int) -> None:
        """Prepare a server.

        Args:
            watch: knows the license state.
            port: TCP port on the loopback address.
        """
        self._watch = watch
        self._port = port
        app = web.Application(middlewares=[_errors_as_json])
        app.router.add_get("/health", self._answer_health)
        app.router.add_get("/ready", self._answer_ready)
        app.router.add_get("/v1/status", self._answer_status)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)

    async def start(self) -> None:
        """Listen.

        Raises:
            EnvironmentFault: the port is taken or not allowed.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, BIND_HOST, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise EnvironmentFault(_cannot_listen(self._port, error)) from error

    async def stop(self) -> None:
        """Stop listening; requests in progress get two seconds."""
        await self._runner.cleanup()

    async def _answer_health(self, _request: web.Request) -> web.StreamResponse:
        # Also in Failed: the process works, and restarting it would change nothing.
        return json_response({"status": "ok"})

    async def _answer_ready(self, _request: web.Request) -> web.StreamResponse:
        state = self._watch.current_state()
        if state in SERVING_STATES:
            return json_response({"status": "ready"})
        return json_response(ErrorResponse(_NOT_READY[state]), 503)

    async def _answer_status(self, _request: web.Request) -> web.StreamResponse:
        return json_response(self._watch.status())


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        code = error.reason.lower().replace(" ", "_")
        message = f"{request.method} {request.path} is not served: {error.reason}."
        response = json_response(ErrorResponse(ErrorDetail(code, message)), error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


def _cannot_listen(port: int, error: OSError) -> str:
    fix = "set AAI_PROXY_PORT (or HTTP_PORT) to another port"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; stop that program or {fix}"
    return f"cannot listen on {BIND_HOST}:{port}: {error.strerror or error}; {fix}"
