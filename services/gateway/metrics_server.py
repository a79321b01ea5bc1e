"""Where Prometheus reads: HTTP on the loopback address, shared by all gateway workers of a host."""

from __future__ import annotations

import errno

from aiohttp import web

from runtime.errors import EnvironmentFault
from services.gateway.metrics import CONTENT_TYPE, Metrics

BIND_HOST = "127.0.0.1"
PATHS = ("/metrics", "/")


class MetricsServer:
    """Answers with the metrics of all workers, whichever worker is asked."""

    def __init__(self, metrics: Metrics, port: int) -> None:
        """Prepare a server; port 0 never listens."""
        self._metrics = metrics
        self._port = port
        app = web.Application()
        for path in PATHS:
            app.router.add_get(path, self.answer)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen.

        Raises:
            EnvironmentFault: the port is taken.
        """
        await self._runner.setup()
        if not self._port:
            return
        try:
            await web.TCPSite(self._runner, BIND_HOST, self._port, reuse_port=True).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise EnvironmentFault(f"cannot listen on {BIND_HOST}:{self._port}: {error}") from error
            raise EnvironmentFault(
                f"port {self._port} is taken by another program; free it or set AAI_METRICS_PORT"
            ) from error

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def answer(self, _request: web.Request) -> web.StreamResponse:
        """Return the metrics in Prometheus' text format."""
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})
