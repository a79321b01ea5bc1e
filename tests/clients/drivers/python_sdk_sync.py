"""Drive the thread-based client of the vendor's Python SDK, of release 0.46 as well as 1.8.

Options: ``parameters`` of the session, ``bare_host`` to give the SDK a host without scheme, ``token`` to connect with
a temporary token instead of the key, and those of ``driving.steps``.
"""

from __future__ import annotations

import time

from assemblyai.streaming.v3 import (
    StreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
    StreamingSessionParameters,
)
from driving import options, report, steps


def listen(client: StreamingClient) -> None:
    """Report every event."""
    for name in StreamingEvents:
        if name is StreamingEvents.Error:
            client.on(name, lambda _client, error: report("Error", code=error.code, text=str(error)))
        else:
            client.on(name, lambda _client, event, name=name: report(name.value, **event.model_dump(mode="json")))


def call(client: StreamingClient, method: str, *arguments: dict) -> None:
    """Call a method of the running session."""
    report("called", method=method)
    getattr(client, method)(*(StreamingSessionParameters(**values) for values in arguments))


def main() -> None:
    """Run one session."""
    chosen = options()
    host = chosen["host"] if chosen.get("bare_host") else chosen["url"]
    credentials = {"api_key": "self-hosted"}
    if chosen.get("token"):
        asking = StreamingClient(StreamingClientOptions(api_host=host, **credentials))
        credentials = {"token": asking.create_temporary_token(expires_in_seconds=60, max_session_duration_seconds=600)}
        report("token")
    client = StreamingClient(StreamingClientOptions(api_host=host, **credentials))
    listen(client)
    client.connect(StreamingParameters(**{"sample_rate": 16_000, **chosen.get("parameters", {})}))
    for wait_s, step in steps(chosen):
        time.sleep(wait_s)
        if isinstance(step, bytes):
            client.stream(step)
        else:
            call(client, *step)
    report("terminating")
    client.disconnect(terminate=True)
    report("closed")


main()
