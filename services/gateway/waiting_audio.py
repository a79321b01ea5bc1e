"""How much audio of all sessions of a worker waits for recognisers, and who must stop reading meanwhile."""

from __future__ import annotations

import asyncio

# Two seconds: a session that keeps up is never stopped because others do not.
OWN_SHARE_BYTES = 64_000


class WaitingAudio:
    """Counts the waiting audio of one worker.

    Above its bound, sessions with more waiting than a small share of their own are not read; nothing is
    dropped, and TCP tells their clients to slow down.
    """

    def __init__(self, max_bytes: int) -> None:
        """Start with nothing waiting."""
        self._max_bytes = max_bytes
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.total_bytes = 0

    def add(self, change_bytes: int) -> None:
        """Count audio that came (positive) or was worked through (negative)."""
        self.total_bytes += change_bytes
        if self.total_bytes <= self._max_bytes:
            self._has_room.set()
        else:
            self._has_room.clear()

    @property
    def is_full(self) -> bool:
        """More waits than may."""
        return not self._has_room.is_set()

    def must_wait(self, own_bytes: int) -> bool:
        """Say whether a session with this much audio of its own may not be read now."""
        return self.is_full and own_bytes > OWN_SHARE_BYTES

    async def room(self) -> None:
        """Wait until the worker is below its bound."""
        await self._has_room.wait()
