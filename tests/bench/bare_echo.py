"""The least a gateway on this WebSocket library could cost: audio frames in, 800 bytes of text per 200 ms out.

No JSON, no recogniser, no session. Run as ``python -m tests.bench.bare_echo PORT``; serves until killed.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress

import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

ANSWER_EVERY_BYTES = 200 * 32
ANSWER = '{"type":"Turn","transcript":"'.ljust(798, "x") + '"}'


async def _echo(client: ServerConnection) -> None:
    received_bytes = 0
    with suppress(ConnectionClosed):
        async for message in client:
            received_bytes += len(message)
            if received_bytes >= ANSWER_EVERY_BYTES:
                received_bytes -= ANSWER_EVERY_BYTES
                await client.send(ANSWER)


async def _serve(port: int) -> None:
    async with serve(_echo, "127.0.0.1", port, compression=None, server_header=None):
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    uvloop.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
