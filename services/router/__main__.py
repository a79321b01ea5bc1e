"""Wiring of streaming-asr-lb."""

from __future__ import annotations

import argparse
from typing import NoReturn

from runtime.catalog import ROUTER
from runtime.process import Shutdown, run_program
from runtime.settings import RouterSettings
from services.router.server import Router


def main() -> NoReturn:
    """Run the router until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog=ROUTER, description="gRPC router: sends each stream to the server of its model."
    )
    parser.parse_args()

    async def serve(settings: RouterSettings, shutdown: Shutdown) -> int:
        return await Router(settings).run(shutdown)

    run_program(ROUTER, RouterSettings, serve, lambda settings: (settings.log_level, settings.structured_logging))


if __name__ == "__main__":
    main()
