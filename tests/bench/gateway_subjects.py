"""What the gateway bench puts on a core of its own: a gateway worker, or a bare echo server to compare it with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from runtime.license import new_signing_key
from tests.bench.trivial_backend import start_backend
from tests.support.licenses import write_license
from tests.support.private_stack import CHECKOUT, free_ports, private_environment
from tests.support.programs import program
from tests.support.proxy_process import short_home

LOG_TAIL_CHARACTERS = 2_000
# Linux keeps the clock of any process under this number: its id inverted, and the kind of clock.
PROCESS_CPU_CLOCK = 2


class NotMeasurableError(Exception):
    """The machine, or what else runs on it, does not allow the measurement."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every subject needs.

    Attributes:
        environment: of gateway and license proxy.
        core: of the subject.
        load: processes that share the other core: load generator and recogniser, license proxy.
    """

    environment: dict[str, str]
    core: int
    load: tuple[int, ...]

    def load_cpu_s(self) -> float:
        """Return the processor time of everything that is not measured."""
        return sum(map(process_cpu_s, self.load))

    def core_s(self) -> float:
        """Return how long the subject's core has been busy with anything, to 10 ms."""
        times = psutil.cpu_times(percpu=True)[self.core]
        return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


@dataclass(frozen=True, slots=True)
class Subject:
    """A process under test on its own core."""

    name: str
    pid: int
    port: int

    def cpu_s(self) -> float:
        """Return its processor time."""
        return process_cpu_s(self.pid)

    def resident_kib(self) -> float:
        """Return its resident memory."""
        return psutil.Process(self.pid).memory_info().rss / 1024


def process_cpu_s(pid: int) -> float:
    """Return the processor time of all threads of a process, kernel time included, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | PROCESS_CPU_CLOCK)


@contextlib.asynccontextmanager
async def surroundings(core: int, load_core: int) -> AsyncIterator[Surroundings]:
    """Run recogniser and license proxy on the load's core until the block ends; this process moves there too."""
    os.sched_setaffinity(0, {load_core})
    with short_home() as name:
        home = Path(name)
        environment = private_environment(home)
        environment["AAI_ASR_ENDPOINT"] = f"127.0.0.1:{environment['AAI_ASR_ENGLISH_PORT']}"
        license_file = write_license(home, new_signing_key(), int(time.time()), max_concurrent_sessions=1_000_000)
        environment["LICENSE_FILE_PATH"] = str(license_file)
        backend = await start_backend(int(environment["AAI_ASR_ENGLISH_PORT"]))
        try:
            async with program(["license-and-usage-proxy"], environment, "license-and-usage-proxy-00") as proxy:
                yield Surroundings(environment, core, (os.getpid(), proxy.process.pid))
        finally:
            backend.close()


@contextlib.asynccontextmanager
async def gateway(around: Surroundings) -> AsyncIterator[Subject]:
    """Run a fresh gateway worker until the block ends.

    Raises:
        NotMeasurableError: a session failed; holds the end of the worker's log.
    """
    async with program(["streaming-api"], around.environment, "streaming-api-00") as running:
        _pin(running.process.pid, around.core)
        try:
            yield Subject("gateway", running.process.pid, int(around.environment["AAI_WSS_PORT"]))
        except (ConnectionError, TimeoutError) as error:
            tail = running.log.read_text()[-LOG_TAIL_CHARACTERS:]
            raise NotMeasurableError(f"a session failed: {error!r}; the gateway's log ends:\n{tail}") from error


@contextlib.asynccontextmanager
async def bare_echo(around: Surroundings) -> AsyncIterator[Subject]:
    """Run a fresh echo server until the block ends."""
    [port] = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bare_echo", str(port), cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        _pin(process.pid, around.core)
        yield Subject("echo", process.pid, port)
    finally:
        process.kill()
        await process.wait()


def _pin(pid: int, core: int) -> None:
    """Bind every thread of a process to a core; threads to come inherit it."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
