"""Wiring of streaming-api."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

# A hundred keyterms, a prompt and a context, percent-encoded, do not fit the library's 8 KiB request line.
# Read when websockets is imported, below.
os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", str(64 * 1024))

from runtime.catalog import GATEWAY
from runtime.clock import SystemClock
from runtime.process import Shutdown, run_program
from runtime.settings import GatewaySettings
from services.gateway.server import Gateway


def main() -> NoReturn:
    """Run one gateway worker until it is told to stop."""
    parser = argparse.ArgumentParser(prog=GATEWAY, description="WebSocket gateway: AssemblyAI v3 clients connect here.")
    parser.add_argument(
        "--worker", type=int, default=0, metavar="N", help="number of this worker among those that share the port"
    )
    number: int = parser.parse_args().worker

    async def serve(settings: GatewaySettings, shutdown: Shutdown) -> int:
        return await Gateway(settings, number, SystemClock()).run(shutdown)

    run_program(GATEWAY, GatewaySettings, serve, lambda settings: (settings.log_level, settings.structured_logging))


if __name__ == "__main__":
    main()
