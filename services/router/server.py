"""The router's process: port, table, admin socket, drain."""

from __future__ import annotations

import os

import grpc
from aiohttp import web

from runtime.catalog import ASR_SERVERS, ROUTER
from runtime.deployment import read_deployment
from runtime.errors import EnvironmentFault
from runtime.grpc_tls import add_port, local_client_credentials, server_credentials
from runtime.health import AdminServer, Health, json_response
from runtime.logs import get_logger
from runtime.process import Shutdown
from runtime.settings import RouterSettings
from services.router.relay import Relay, own_health
from services.router.table import RoutingTable, routing_table

STOP_GRACE_S = 5.0
SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class Router:
    """One router process."""

    def __init__(self, settings: RouterSettings) -> None:
        """Read the deployment and prepare.

        Raises:
            ConfigError: certificate or key cannot be used.
        """
        self._settings = settings
        self._log = get_logger(ROUTER)
        self._addresses = {server.model: f"127.0.0.1:{settings.asr_port(server.program)}" for server in ASR_SERVERS}
        self._relay = Relay(self._read_table(), local_client_credentials(settings))
        self._credentials = server_credentials(settings)
        self._ready = False
        self._admin = AdminServer(
            settings.admin_socket(ROUTER),
            self._report,
            {("POST", "/deployment/reload"): self._reload, ("GET", "/nginx_health"): self._plain_health},
        )

    async def run(self, shutdown: Shutdown) -> int:
        """Serve until shut down.

        Raises:
            EnvironmentFault: the port is taken.
        """
        await self._admin.start()
        server = grpc.aio.server(options=SERVER_OPTIONS)
        server.add_generic_rpc_handlers((self._relay, await own_health()))
        port = self._settings.router_port
        try:
            try:
                bound = add_port(server, f"127.0.0.1:{port}", self._credentials)
            except RuntimeError:
                bound = 0
            if bound != port:
                raise EnvironmentFault(f"port {port} is taken by another program; free it or set AAI_ROUTER_PORT")
            await server.start()
            self._relay.connect()
            self._ready = True
            self._log.info("router listening", port=port, models=[str(model) for model in self._relay.table.backends])
            await shutdown.requested.wait()
            self._ready = False
            self._log.info("stopping", streams=self._relay.open_streams)
            return 0
        finally:
            await server.stop(0 if shutdown.is_orphan else STOP_GRACE_S)
            await self._relay.close()
            await self._admin.stop()

    def _read_table(self) -> RoutingTable:
        return routing_table(read_deployment(self._settings.run_dir), self._addresses)

    async def _reload(self, _request: web.Request) -> web.StreamResponse:
        self._relay.table = self._read_table()
        self._relay.connect()
        backends = {str(model): address for model, address in self._relay.table.backends.items()}
        self._log.info("deployment read", backends=backends)
        return json_response(backends)

    async def _plain_health(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="OK\n", status=200 if self._ready else 503)

    def _report(self) -> Health:
        return Health(
            program=ROUTER,
            pid=os.getpid(),
            ready=self._ready,
            port=self._settings.router_port,
            detail="" if self._ready else "starting",
            facts={
                "backends": {str(model): address for model, address in self._relay.table.backends.items()},
                "streams": self._relay.open_streams,
            },
        )
