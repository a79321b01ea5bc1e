"""What the drivers of the voice-agent plugins share: a session as steps, done in their order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from driving import due_in_s, frames, report

Step = Callable[[Any], Awaitable[None]]


async def do_steps(steps: Sequence[tuple[str, Any]], known: Mapping[str, Step]) -> None:
    """Do steps one after the other, and report each when it is done."""
    for name, value in steps:
        await known[name](value)
        report("did", step=name)


async def paced(options: Mapping[str, Any], span_ms: Sequence[int | None]) -> AsyncIterator[bytes]:
    """Yield a part of the recording in frames, when each is due.

    Args:
        options: ``audio``, ``frame_ms`` (20) and ``speed`` (1.0), of the driver.
        span_ms: where the part begins and ends, whole frames; None for the end of the recording.
    """
    frame_ms = options.get("frame_ms", 20)
    first, last = (None if at_ms is None else at_ms // frame_ms for at_ms in span_ms)
    started_s = time.monotonic()
    for number, frame in enumerate(list(frames(options["audio"], frame_ms))[first:last]):
        await asyncio.sleep(due_in_s(started_s, number, frame_ms, options.get("speed", 1.0)))
        yield frame


class Counter:
    """Counts what arrives, for steps that wait for it."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._count = 0
        self._changed = asyncio.Condition()

    async def add(self) -> None:
        """Count one more."""
        async with self._changed:
            self._count += 1
            self._changed.notify_all()

    async def reaches(self, count: int) -> None:
        """Return when that many have arrived."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._count >= count)
