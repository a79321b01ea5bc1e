"""Behave like the vendor's two example programs: the one that sends a recording, the one that reads a microphone.

Both connect to the address as typed, read the fields they know without a default, and end by reading until the
server closes; a missing field closes the socket and fails the run. Options: ``path``, ``query`` and those of
``driving.steps``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import urlencode

from driving import options, report, steps
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


def read(text: str) -> dict:
    """Return what the programs take from a message.

    Raises:
        KeyError: a field is not there.
        TypeError, ValueError: a field is something else.
    """
    message = json.loads(text)
    match message["type"]:
        case "Begin":
            return {"id": message["id"], "expires_at": int(message["expires_at"])}
        case "Turn":
            words = [(word["text"], word["start"], word["end"]) for word in message["words"]]
            turn = {field: message[field] for field in ("turn_order", "transcript", "end_of_turn", "turn_is_formatted")}
            return {**turn, "words": words}
        case "SpeechStarted":
            return {"timestamp": message["timestamp"], "confidence": message["confidence"]}
        case "Termination":
            return {"session_duration_seconds": message["session_duration_seconds"]}
        case "Error":
            return {"code": message["error_code"], "text": message["error"]}
        case other:
            report("unknown", type=other)
            return {}


async def listen(socket: ClientConnection) -> None:
    """Report messages until the server closes."""
    try:
        async for text in socket:
            report(json.loads(text)["type"], **read(text))
    except (KeyError, TypeError, ValueError):
        await socket.close()
        raise
    except ConnectionClosed:
        pass  # the code below tells
    report("closed", code=socket.close_code, reason=socket.close_reason)


async def send(socket: ClientConnection, chosen: dict) -> None:
    """Send the recording and ask for the end."""
    try:
        for wait_s, frame in steps(chosen):
            await asyncio.sleep(wait_s)
            await socket.send(frame)
        report("terminating", last_frame_bytes=len(frame))
        await socket.send('{"type": "Terminate"}')
    except ConnectionClosed:
        report("refused")


async def main() -> int:
    """Run one session; return 1 when it did not end as it should."""
    chosen = options()
    url = f"{chosen['url']}{chosen.get('path', '')}?{urlencode(chosen['query'])}"
    async with connect(url, additional_headers={"Authorization": "self-hosted"}) as socket:
        listening = asyncio.create_task(listen(socket))
        await send(socket, chosen)
        await listening
    return 0


sys.exit(asyncio.run(main()))
