"""Wiring of the ASR servers: one program, three configurations."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

# The engine's workers are forked from an exec'd process without gRPC in it, so gRPC need not prepare
# for forks; it would warn about each start of that process. Read when grpc is imported, below.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

from runtime.catalog import ASR_SERVER_BY_PROGRAM
from runtime.process import Shutdown, run_program
from runtime.settings import AsrSettings
from services.asr.engines.registry import create_recognizer
from services.asr.server import AsrProgram


def main() -> NoReturn:
    """Run one ASR server until it is told to stop."""
    parser = argparse.ArgumentParser(prog="streaming-asr", description="gRPC speech recognition server of one model.")
    parser.add_argument(
        "--program", required=True, choices=sorted(ASR_SERVER_BY_PROGRAM), help="which configuration to run"
    )
    server = ASR_SERVER_BY_PROGRAM[parser.parse_args().program]

    async def serve(settings: AsrSettings, shutdown: Shutdown) -> int:
        return await AsrProgram(server, settings, create_recognizer(server, settings)).run(shutdown)

    run_program(server.program, AsrSettings, serve, lambda settings: (settings.log_level, settings.structured_logging))


if __name__ == "__main__":
    main()
