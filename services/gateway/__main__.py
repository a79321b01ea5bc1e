"""Wiring of streaming-api."""

from __future__ import annotations

import argparse
import gc
import os
from typing import NoReturn

from runtime.catalog import GATEWAY
from runtime.clock import SystemClock
from runtime.process import Shutdown, run_program
from runtime.settings import GatewaySettings

# A hundred keyterms, a prompt and a context, percent-encoded, do not fit the library's 8 KiB request line.
MAX_REQUEST_LINE_BYTES = 64 * 1024
# Ten times rarer than by default; an ended session leaves little that only a collection finds.
COLLECT_EVERY = (20_000, 20, 50)


def main() -> NoReturn:
    """Run one gateway worker until it is told to stop."""
    parser = argparse.ArgumentParser(prog=GATEWAY, description="WebSocket gateway: AssemblyAI v3 clients connect here.")
    parser.add_argument(
        "--worker", type=int, default=0, metavar="N", help="number of this worker among those that share the port"
    )
    number: int = parser.parse_args().worker

    async def serve(settings: GatewaySettings, shutdown: Shutdown) -> int:
        # Two libraries read their settings from the environment, once, when they are imported.
        os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", str(MAX_REQUEST_LINE_BYTES))
        settings.metrics_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.metrics_dir)
        from services.gateway.server import Gateway

        # A full collection over thousands of sessions would hold them all up: what is loaded is never garbage.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_EVERY)
        return await Gateway(settings, number, SystemClock()).run(shutdown)

    run_program(GATEWAY, GatewaySettings, serve, lambda settings: (settings.log_level, settings.structured_logging))


if __name__ == "__main__":
    main()
