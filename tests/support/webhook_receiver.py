"""An HTTP server on loopback that takes webhooks and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Delivered:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """What came in, and what is answered.

    Attributes:
        statuses: answered one after the other, then 200 for ever; 0 holds the request until the end.
        location: where an answer points to.
    """

    statuses: list[int] = field(default_factory=list)
    location: str = ""
    port: int = 0
    requests: asyncio.Queue[Delivered] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Address to send to."""
        return f"http://127.0.0.1:{self.port}/hook?key=query-secret"

    async def next(self) -> Delivered:
        """Return the next request; one must come."""
        return await asyncio.wait_for(self.requests.get(), 30)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        status = self.statuses.pop(0) if self.statuses else 200
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.put_nowait(Delivered(request.method, request.path_qs, headers, await request.read()))
        if status == 0:
            await self.ended.wait()
        return web.Response(status=status or 200, headers={"Location": self.location} if self.location else {})


@asynccontextmanager
async def webhook_receiver(statuses: Iterable[int] = (), location: str = "") -> AsyncIterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver(list(statuses), location)
    server = web.Server(receiver.take)
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        receiver.ended.set()
        await runner.cleanup()
