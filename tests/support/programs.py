"""Start one real program with a private environment, wait for its admin socket, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.private_stack import BIN_DIR

READY_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class RunningProgram:
    """A started program."""

    process: asyncio.subprocess.Process
    admin_socket: Path
    log: Path

    async def admin(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask the admin socket; return status and decoded JSON."""
        connector = aiohttp.UnixConnector(str(self.admin_socket))
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.request(method, f"http://admin{path}", json=body) as response,
        ):
            text = await response.text()
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text

    async def until_ready(self) -> None:
        """Wait until the program says it is ready.

        Raises:
            AssertionError: it ended, or took too long.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_LIMIT_S):
                while self.process.returncode is None:
                    with contextlib.suppress(aiohttp.ClientError, OSError):
                        status, _ = await self.admin("GET", "/health")
                        if status == 200:
                            return
                    await asyncio.sleep(0.05)
        raise AssertionError(f"not ready, rc {self.process.returncode}:\n{self.log.read_text()}")


@contextlib.asynccontextmanager
async def program(
    command: Sequence[str], environment: Mapping[str, str], admin_name: str, *, ready: bool = True
) -> AsyncIterator[RunningProgram]:
    """Run a console script until the block ends.

    Args:
        command: script name and arguments.
        environment: must hold AAI_HOME.
        admin_name: name of its admin socket, such as ``streaming-asr-lb-00``.
        ready: wait until it is ready.
    """
    home = Path(environment["AAI_HOME"])
    log = home / f"{admin_name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            BIN_DIR / command[0], *command[1:], env=dict(environment), stdout=output, stderr=output
        )
    running = RunningProgram(process, home / "run" / f"{admin_name}.sock", log)
    try:
        if ready:
            await running.until_ready()
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()
