"""Drive the asyncio client of the vendor's Python SDK; the options are those of ``python_sdk_sync.py``."""

from __future__ import annotations

import asyncio

from assemblyai.streaming.v3 import (
    AsyncStreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
    StreamingSessionParameters,
)
from driving import options, report, steps


def listen(client: AsyncStreamingClient) -> None:
    """Report every event, by coroutines."""

    async def report_error(_client: object, error: object) -> None:
        report("Error", code=error.code, text=str(error))

    for name in StreamingEvents:

        async def report_event(_client: object, event: object, name: StreamingEvents = name) -> None:
            report(name.value, **event.model_dump(mode="json"))

        client.on(name, report_error if name is StreamingEvents.Error else report_event)


async def call(client: AsyncStreamingClient, method: str, *arguments: dict) -> None:
    """Call a method of the running session."""
    report("called", method=method)
    await getattr(client, method)(*(StreamingSessionParameters(**values) for values in arguments))


async def main() -> None:
    """Run one session."""
    chosen = options()
    host = chosen["host"] if chosen.get("bare_host") else chosen["url"]
    credentials = {"api_key": "self-hosted"}
    if chosen.get("token"):
        async with AsyncStreamingClient(StreamingClientOptions(api_host=host, **credentials)) as asking:
            token = await asking.create_temporary_token(expires_in_seconds=60, max_session_duration_seconds=600)
        credentials = {"token": token}
        report("token")
    async with AsyncStreamingClient(StreamingClientOptions(api_host=host, **credentials)) as client:
        listen(client)
        await client.connect(StreamingParameters(**{"sample_rate": 16_000, **chosen.get("parameters", {})}))
        for wait_s, step in steps(chosen):
            await asyncio.sleep(wait_s)
            if isinstance(step, bytes):
                await client.stream(step)
            else:
                await call(client, *step)
        report("terminating")
        await client.disconnect(terminate=True)
        report("closed")


asyncio.run(main())
