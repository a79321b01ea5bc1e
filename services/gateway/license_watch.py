"""Asks the license-and-usage-proxy for the license state, again and again, until it fails."""

from __future__ import annotations

import asyncio

import aiohttp
import structlog

from runtime.clock import Clock
from runtime.settings import GatewaySettings
from services.gateway.license_gate import LicenseGate, Verdict

REQUEST_LIMIT_S = 2
# A first answer is wanted at once: at start the proxy may be a moment behind.
FIRST_ANSWER_PAUSE_S = 0.1
EXIT_LICENSE_FAILED = 70
EXIT_NO_LICENSE_PROXY = 69


async def watch_license(
    settings: GatewaySettings, gate: LicenseGate, clock: Clock, log: structlog.stdlib.BoundLogger
) -> int:
    """Tell the gate what the proxy says; return once the license has failed.

    Returns:
        the exit code: 70 license failed, 69 no license proxy at start.
    """
    timeout = aiohttp.ClientTimeout(total=REQUEST_LIMIT_S)
    url = f"{settings.license_url}/v1/status"
    async with aiohttp.ClientSession(timeout=timeout) as client:
        while True:
            before = gate.proxy_state
            try:
                async with client.get(url) as response:
                    response.raise_for_status()
                    state = (await response.json()).get("state")
                    gate.receive_state(str(state), clock.monotonic_ms())
            except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError):
                gate.receive_silence()
            verdict = gate.verdict(clock.monotonic_ms())
            if gate.proxy_state != before:
                level = log.info if verdict is Verdict.SERVING else log.warning
                level("license proxy state", state=gate.proxy_state, verdict=verdict.value)
            if verdict is Verdict.FAILED:
                failed = gate.ever_served or gate.proxy_state == "Failed"
                return EXIT_LICENSE_FAILED if failed else EXIT_NO_LICENSE_PROXY
            await asyncio.sleep(
                FIRST_ANSWER_PAUSE_S if verdict is Verdict.WAITING else settings.license_poll_interval_s
            )
