"""Sends the final turns of ended sessions to their webhooks, in the background and from memory."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress

import aiohttp

from runtime.catalog import GATEWAY
from runtime.logs import get_logger
from services.gateway.webhook_delivery import ATTEMPT_LIMIT_S, Delivery, Progress
from services.gateway.webhooks import Webhook, WebhookReport, is_forbidden_address

# When either is reached, reports of sessions that end now are not sent; the log names their sessions.
MAX_WAITING_REPORTS = 1_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
MAX_REQUESTS = 32
# A worker that is told to stop may take so long for one last attempt at every report.
STOP_LIMIT_S = 10.0
HEADERS = {"Content-Type": "application/json", "User-Agent": "aai-streaming-api"}


class ForbiddenAddress(OSError):
    """A host's name led to an address nothing is sent to."""


class WebhookSender:
    """The reports of one worker that are not delivered yet; owned by the event loop."""

    def __init__(self) -> None:
        """Prepare; nothing is opened before the first report."""
        self._log = get_logger(GATEWAY)
        self._deliveries: dict[asyncio.Task[bool], str] = {}
        self._waiting_bytes = 0
        self._requests = asyncio.Semaphore(MAX_REQUESTS)
        self._stopping = asyncio.Event()
        self._client: aiohttp.ClientSession | None = None

    def deliver(self, report: WebhookReport | None) -> None:
        """Send the report of a session that has ended; none for a session that never began or asked for no webhook."""
        if report is None or not report.began:
            return
        body = report.body()
        if (
            len(self._deliveries) >= MAX_WAITING_REPORTS
            or self._waiting_bytes + len(body) > MAX_WAITING_BYTES
            or self._stopping.is_set()
        ):
            cause = "the program stops" if self._stopping.is_set() else "too many reports wait"
            self._log.warning("webhook not delivered", session_id=report.session_id, attempts=0, cause=cause)
            return
        if report.truncated:
            self._log.warning("webhook leaves turns out: the session said too much", session_id=report.session_id)
        task = asyncio.create_task(self._deliver(report.session_id, report.webhook, body))
        self._deliveries[task] = report.session_id
        self._waiting_bytes += len(body)
        task.add_done_callback(lambda done: self._forget(done, len(body)))

    async def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """Try every waiting report once more, at once, and tell which were lost."""
        self._stopping.set()
        waiting = dict(self._deliveries)
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=limit_s)
            for task in late:
                task.cancel()
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            lost = [session_id for session_id, ok in zip(waiting.values(), outcomes, strict=True) if ok is not True]
            if lost:
                self._log.warning("webhooks lost at the end of the program", reports=len(lost), sessions=lost)
        if self._client is not None:
            await self._client.close()

    def _forget(self, task: asyncio.Task[bool], body_bytes: int) -> None:
        del self._deliveries[task]
        self._waiting_bytes -= body_bytes

    async def _deliver(self, session_id: str, webhook: Webhook, body: bytes) -> bool:
        """Make attempts until one succeeds or none may follow; return whether one succeeded."""
        delivery = Delivery()
        try:
            while delivery.progress is Progress.UNDER_WAY:
                if delivery.attempts:
                    await self._pause(delivery.pause_s(random.random()))  # noqa: S311 - spreads load, guards nothing
                is_last = self._stopping.is_set()
                async with self._requests:
                    await self._attempt(delivery, webhook, body)
                if is_last and delivery.progress is Progress.UNDER_WAY:
                    delivery.give_up("the program stops")
        except asyncio.CancelledError:
            delivery.give_up("the program stops")
            raise
        finally:
            self._tell(session_id, delivery)
        return delivery.progress is Progress.DELIVERED

    async def _pause(self, pause_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _attempt(self, delivery: Delivery, webhook: Webhook, body: bytes) -> None:
        headers = dict([webhook.auth_header]) if webhook.auth_header else {}
        try:
            async with self._http().post(webhook.url, data=body, headers=headers, allow_redirects=False) as response:
                delivery.receive_status(response.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            # Their texts name hosts, so only their kinds are told.
            forbidden = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ForbiddenAddress)
            cause = "forbidden address" if forbidden else type(error).__name__
            delivery.receive_failure(cause, is_final=forbidden or isinstance(error, aiohttp.InvalidURL))

    def _http(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,  # requests are counted above
                    force_close=True,
                    use_dns_cache=False,
                    socket_factory=open_socket,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=HEADERS,
                timeout=aiohttp.ClientTimeout(total=ATTEMPT_LIMIT_S),
                trust_env=False,  # a proxy would resolve the name again, and see the transcript
            )
        return self._client

    def _tell(self, session_id: str, delivery: Delivery) -> None:
        if delivery.progress is Progress.DELIVERED:
            self._log.info("webhook delivered", session_id=session_id, attempts=delivery.attempts)
        else:
            self._log.warning(
                "webhook not delivered", session_id=session_id, attempts=delivery.attempts, cause=delivery.cause
            )


def open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Open the socket for one address a host's name resolved to.

    The check stands here because this is the very address that is dialled next: a name that resolves differently
    the second time cannot come between.

    Raises:
        ForbiddenAddress: nothing is sent there.
    """
    family, kind, protocol, _, where = address
    if is_forbidden_address(str(where[0])):
        raise ForbiddenAddress("nothing is sent to link-local, metadata and other special addresses")
    return socket.socket(family, kind, protocol)
