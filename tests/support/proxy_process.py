"""A real license-and-usage-proxy in a private AAI_HOME, driven over HTTP and its log."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


@dataclass(slots=True)
class ProxyProcess:
    """One running program and how to reach it; its log lines are collected as they come."""

    home: Path
    port: int
    process: asyncio.subprocess.Process
    http: aiohttp.ClientSession
    lines: list[str]

    async def read_until(self, phrase: str) -> None:
        """Read the program's log until a line holds the phrase."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while not any(phrase in line for line in self.lines):
                line = await self.process.stdout.readline()
                assert line, f"ended before {phrase!r}: {self.lines}"
                self.lines.append(line.decode())

    async def get(self, path: str) -> tuple[int, Any]:
        """Ask for a path over TCP; return status and JSON body."""
        async with self.http.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.json()

    async def ask_admin(self, path: str) -> tuple[int, Any]:
        """Ask for a path over the admin socket; return status and JSON body."""
        socket = self.home / "run" / "license-and-usage-proxy-00.sock"
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as admin,
            admin.get(f"http://admin{path}") as answer,
        ):
            return answer.status, await answer.json()

    async def ended(self) -> int:
        """Read the log to its end and return the exit code."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            rest = await self.process.stdout.read()
            self.lines += rest.decode().splitlines(keepends=True)
            return await self.process.wait()


def short_home() -> tempfile.TemporaryDirectory[str]:
    """Return a directory with a path short enough for unix sockets."""
    return tempfile.TemporaryDirectory(prefix="aai-", dir="/tmp")


@asynccontextmanager
async def proxy_process(home: Path, port: int, variables: Mapping[str, str] = {}) -> AsyncIterator[ProxyProcess]:
    """Start the program and kill it in the end, whatever happened."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AAI_", "LICENSE_", "USAGE_"))}
    settings = {
        "AAI_HOME": str(home), "AAI_PROXY_PORT": str(port), "LICENSE_CHECK_INTERVAL_S": "0.1",
        "LICENSE_FILE_PATH": str(home / "license.jwt"), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.license_proxy",
        cwd=ROOT, env={**clean, **settings, **variables},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as http:
            yield ProxyProcess(home, port, process, http, [])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
