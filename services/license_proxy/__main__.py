"""The program license-and-usage-proxy: wiring only."""

from __future__ import annotations

import os
import random

from aiohttp import web

from protos.license_v1 import SERVING_STATES
from runtime.catalog import LICENSE_PROXY
from runtime.clock import SystemClock
from runtime.errors import LicenseError
from runtime.health import AdminServer, Health, json_response
from runtime.license import BillingMode, find_license_files
from runtime.logs import get_logger
from runtime.process import Shutdown, run_program
from runtime.settings import LicenseProxySettings
from services.license_proxy.checker import LicenseChecker
from services.license_proxy.server import ProxyServer
from services.license_proxy.watch import LicenseWatch

_log = get_logger(__name__)


async def run(settings: LicenseProxySettings, shutdown: Shutdown) -> int:
    """Run the program until it is asked to end.

    Raises:
        LicenseError: there is no valid license at start.
        EnvironmentFault: the port or the admin socket cannot be had.
    """
    port = settings.http_port or settings.proxy_port
    clock = SystemClock()
    has_usage_key = settings.usage_key is not None
    checker = LicenseChecker(find_license_files(settings), clock, settings.clock_leeway_s, has_usage_key)
    watch = LicenseWatch(checker, clock, settings.check_interval_s, settings.trust_window_max_s, random.uniform)
    await watch.check()
    if watch.current_state() not in SERVING_STATES or watch.claims is None:
        raise LicenseError(watch.problem)
    if has_usage_key and watch.claims.billing.mode is BillingMode.FLAT:
        _log.info("usage key ignored; the license bills flat")

    def health() -> Health:
        details = watch.details()
        facts = {
            "state": details.state,
            "license_id": details.license_id,
            "customer": details.customer_name,
            "expires_at": details.expires_at,
            "trust_expiration": details.trust_expiration,
        }
        is_ready = details.state in SERVING_STATES
        return Health(LICENSE_PROXY, os.getpid(), is_ready, port, details.last_check_error, facts)

    async def answer_license(_request: web.Request) -> web.StreamResponse:
        return json_response(watch.details())

    server = ProxyServer(watch, port)
    admin = AdminServer(settings.admin_socket(LICENSE_PROXY), health, {("GET", "/v1/license"): answer_license})
    await server.start()
    try:
        await admin.start()
        _log.info("license-and-usage-proxy ready", port=port)
        await watch.run(shutdown.requested)
    finally:
        await admin.stop()
        await server.stop()
    return 0


def main() -> None:
    """Start the program; the console script calls this."""
    run_program(
        LICENSE_PROXY, LicenseProxySettings, run, lambda settings: (settings.log_level, settings.structured_logging)
    )


if __name__ == "__main__":
    main()
