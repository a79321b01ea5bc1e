"""Real gateway workers and a real license proxy, in front of a scripted recogniser of this process.

No supervisord, no router, no ASR server: what a test sees is the gateway alone, and it starts in a second.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from runtime.license import new_signing_key
from tests.support.licenses import write_license
from tests.support.private_stack import private_environment
from tests.support.programs import RunningProgram, program
from tests.support.proxy_process import short_home
from tests.support.scripted_recognizer import ScriptedRecognizer, start_recognizer


@dataclass(frozen=True, slots=True)
class LoneGateway:
    """Where it is reached, and what stands behind it."""

    home: Path
    environment: dict[str, str]
    workers: tuple[RunningProgram, ...]
    proxy: RunningProgram
    recognizer: ScriptedRecognizer

    @property
    def port(self) -> int:
        """TCP port of the workers."""
        return int(self.environment["AAI_WSS_PORT"])

    @property
    def endpoint(self) -> str:
        """WebSocket URL without a path."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the workers wrote so far."""
        return "".join(worker.log.read_text() for worker in self.workers)


@contextlib.asynccontextmanager
async def lone_gateway(
    *, workers: int = 1, recognizer: ScriptedRecognizer | None = None, max_sessions: int = 1_000_000, **variables: str
) -> AsyncIterator[LoneGateway]:
    """Run license proxy, recogniser and gateway workers until the block ends.

    Args:
        max_sessions: what the license allows.
        variables: settings of gateway and proxy.
    """
    servicer = recognizer or ScriptedRecognizer()
    with short_home() as name:
        home = Path(name)
        environment = private_environment(home, **variables)
        environment["AAI_ASR_ENDPOINT"] = f"127.0.0.1:{environment['AAI_ASR_ENGLISH_PORT']}"
        environment.setdefault("AAI_LICENSE_POLL_INTERVAL_S", "0.2")
        license_file = write_license(home, new_signing_key(), int(time.time()), max_concurrent_sessions=max_sessions)
        environment["LICENSE_FILE_PATH"] = str(license_file)
        server = await start_recognizer(servicer, int(environment["AAI_ASR_ENGLISH_PORT"]))
        try:
            async with contextlib.AsyncExitStack() as programs:
                proxy = await programs.enter_async_context(
                    program(["license-and-usage-proxy"], environment, "license-and-usage-proxy-00")
                )
                running = [
                    await programs.enter_async_context(
                        program(["streaming-api", "--worker", str(number)], environment, f"streaming-api-{number:02d}")
                    )
                    for number in range(workers)
                ]
                yield LoneGateway(home, environment, tuple(running), proxy, servicer)
        finally:
            await server.stop(0)
