"""Behave like the vendor's load harness: several sessions at once, short frames, faster than real time.

Options: ``sessions``, ``query`` and those of ``driving.steps``. Each session reports one ``session`` with the joined
words of its final turns.
"""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlencode

from driving import options, report, steps
from websockets.asyncio.client import ClientConnection, connect


async def send(socket: ClientConnection, chosen: dict) -> None:
    """Send the recording and ask for the end."""
    for wait_s, frame in steps(chosen):
        await asyncio.sleep(wait_s)
        await socket.send(frame)
    await socket.send(json.dumps({"type": "Terminate"}))


async def session(number: int, chosen: dict) -> None:
    """Run one session."""
    url = f"{chosen['url']}?{urlencode(chosen['query'])}"
    async with connect(url, additional_headers={"Authorization": f"load-{number}"}, max_size=None) as socket:
        sending = asyncio.create_task(send(socket, chosen))
        finals: dict[int, str] = {}
        ended = False
        async for text in socket:
            message = json.loads(text)
            ended = ended or message["type"] == "Termination"
            if message["type"] == "Turn" and message["end_of_turn"]:
                finals[message["turn_order"]] = " ".join(word["text"] for word in message["words"])
        await sending
    report("session", number=number, words=" ".join(finals.values()), terminated=ended, code=socket.close_code)


async def main() -> None:
    """Run all sessions."""
    chosen = options()
    await asyncio.gather(*(session(number, chosen) for number in range(chosen["sessions"])))


asyncio.run(main())
