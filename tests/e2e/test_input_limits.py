"""Hostile and broken peers of a real gateway worker: each is closed with its code, and a neighbour notices nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import psutil
import pytest
import pytest_asyncio

from runtime.self_signed import make_self_signed
from services.gateway.door import REFUSED_AT_ONCE
from services.gateway.server import MAX_MESSAGE_BYTES
from tests.support.lone_gateway import LoneGateway, lone_gateway
from tests.support.neighbour import FRAME_MS, PATIENCE_S, undisturbed, until
from tests.support.raw_websocket import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Heard,
    RawWebSocket,
    client_frame,
    raw_connection,
    raw_session,
    text_frame,
    upgrade_request,
)
from tests.support.streaming import BYTES_PER_MS

pytestmark = pytest.mark.asyncio(loop_scope="module")

# All of 127.0.0.0/8 is this machine, so a test can come from two addresses.
ELSEWHERE = "127.0.0.9"
FEW_SOCKETS, FEW_OF_ONE, FEW_HANDSHAKES = 60, 40, 10
SECOND_OF_AUDIO = bytes(1_000 * BYTES_PER_MS)
MINUTES_OF_AUDIO = client_frame(BINARY, SECOND_OF_AUDIO) * 250
MEMORY_BOUND_BYTES = 64_000_000
GIVEN_UP, DOES_NOT_READ = "client given up", b"Client does not read"
TERMINATE = text_frame('{"type": "Terminate"}')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LoneGateway]:
    """Give a worker with its default limits, on both ports."""
    home = tmp_path_factory.mktemp("certificate")
    files = (home / "cert.pem", home / "key.pem")
    for file, pem in zip(files, make_self_signed(("localhost",), time.time()), strict=True):
        file.write_bytes(pem)
    async with lone_gateway(AAI_TLS_CERT_FILE=str(files[0]), AAI_TLS_KEY_FILE=str(files[1])) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def narrow_gateway() -> AsyncIterator[LoneGateway]:
    """Give a worker with little room."""
    async with lone_gateway(
        AAI_MAX_SOCKETS=str(FEW_SOCKETS),
        AAI_MAX_SOCKETS_PER_ADDRESS=str(FEW_OF_ONE),
        AAI_MAX_HANDSHAKES_PER_ADDRESS=str(FEW_HANDSHAKES),
    ) as running:
        yield running


@contextlib.asynccontextmanager
async def connection_from(host: str, port: int) -> AsyncIterator[RawWebSocket]:
    """Connect from an address of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
    try:
        yield RawWebSocket(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ended(peer: RawWebSocket) -> Heard:
    """Read until the server ends the connection.

    Raises:
        TimeoutError: it does not.
    """
    async with asyncio.timeout(PATIENCE_S):
        return await peer.read_to_end()


async def health_status(running: LoneGateway) -> int:
    """Return the HTTP status of the health route."""
    url = f"http://127.0.0.1:{running.port}/v3/health"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return answer.status


async def dribble(port: int, data: bytes) -> None:
    """Send a byte whenever there is time, until the server has had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    gone = asyncio.create_task(reader.read())
    try:
        async with asyncio.timeout(PATIENCE_S):
            for byte in data * 1_000:
                with contextlib.suppress(ConnectionError):
                    writer.write(bytes((byte,)))
                if await asyncio.wait({gone}, timeout=0.2) != (set(), {gone}):
                    break
            with contextlib.suppress(ConnectionError):
                assert await gone == b""
    finally:
        gone.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def client_hello() -> bytes:
    """Return the first bytes of a TLS client."""
    said = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), said, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return said.read()


async def test_slowloris_on_either_port_is_closed(gateway: LoneGateway) -> None:
    """Requests and TLS handshakes that come byte by byte are cut off; they never become sessions."""
    tls_port = int(gateway.environment["AAI_TLS_PORT"])
    async with undisturbed(gateway):
        await asyncio.gather(
            *(dribble(gateway.port, upgrade_request(gateway.port)) for _ in range(20)),
            *(dribble(tls_port, client_hello()) for _ in range(20)),
        )


@pytest.mark.parametrize(
    "header_lines",
    [
        [b"X-%d: x" % number for number in range(65)],
        [b"X-%d: x" % number for number in range(5_000)],
        [b"X: " + b"x" * 8_200],
        [b"X-%d: " % number + b"x" * 8_000 for number in range(60)],
        [b"X: " + b"x" * 4_000_000],
    ],
    ids=["65 headers", "5000 headers", "a line of 8 KiB", "480 KiB of headers", "a line of 4 MB"],
)
async def test_header_flood_is_answered_431(gateway: LoneGateway, header_lines: list[bytes]) -> None:
    """Too many headers, too long ones and too much of them get the status that says so."""
    async with undisturbed(gateway), raw_connection(gateway.port) as peer:
        peer.write(upgrade_request(gateway.port, "/v3/ws", *header_lines))
        await peer.read_answer()
    assert peer.heard.status == 431


async def test_longest_legal_request_is_accepted(gateway: LoneGateway) -> None:
    """A hundred keyterms of fifty characters, three bytes each and percent-encoded, do not count as a flood."""
    keyterms = "%5B" + "%2C".join(["%22" + "%E8%AA%9E" * 50 + "%22"] * 100) + "%5D"
    headers = [b"X-%d: %s" % (number, b"x" * 200) for number in range(40)]
    async with raw_connection(gateway.port) as peer:
        await peer.upgrade(upgrade_request(gateway.port, f"/v3/ws?keyterms_prompt={keyterms}", *headers))
        await peer.read_message("Begin")
        peer.write(TERMINATE)
        assert (await ended(peer)).close_code == 1000


@pytest.mark.parametrize(
    ("frames", "close_code"),
    [
        (client_frame(TEXT, bytes(MAX_MESSAGE_BYTES + 1)), 1009),
        (client_frame(BINARY, announced_bytes=2**62), 1009),
        (
            client_frame(BINARY, bytes(60_000), fin=False) + client_frame(CONTINUATION, bytes(60_000), fin=False) * 4,
            1009,
        ),
        (client_frame(BINARY, b"x", fin=False) + client_frame(CONTINUATION, b"x", fin=False) * 5_000, 1009),
    ],
    ids=["one frame", "announced only", "fragments", "5000 fragments"],
)
async def test_oversize_message_is_closed_with_1009(gateway: LoneGateway, frames: bytes, close_code: int) -> None:
    """However it is cut, a message above 256 KiB or of thousands of parts is refused."""
    async with undisturbed(gateway), raw_session(gateway.port) as peer:
        peer.write(frames)
        assert (await ended(peer)).close_code == close_code


async def test_longest_legal_message_is_accepted(gateway: LoneGateway) -> None:
    """256 KiB are allowed, to the byte."""
    message = '{"type": "KeepAlive", "x": "'
    message += "x" * (MAX_MESSAGE_BYTES - len(message) - 2) + '"}'
    async with raw_session(gateway.port) as peer:
        peer.write(text_frame(message) + TERMINATE)
        assert (await ended(peer)).close_code == 1000


@pytest.mark.parametrize(
    "text",
    [
        "[" * 262_000,
        '{"a":' * 40_000,
        '{"type": "KeepAlive", "x": ' + "[" * 120_000 + "]" * 120_000 + "}",
        '{"type": ' + "9" * 260_000 + "}",
        '{"type": "KeepAlive", "x": 1e999999999}',
        '{"type": "\\ud800"}',
        json.dumps({"type": "UpdateConfiguration", "keyterms_prompt": ["x" * 40] * 5_000}),
        json.dumps({"type": "UpdateConfiguration", "keyterms_prompt": "[" + "1," * 30_000}),
        json.dumps({"type": "UpdateConfiguration", "keyterms_prompt": "(" * 60_000}),
        json.dumps({"type": "UpdateConfiguration", "min_turn_silence": "9" * 200_000}),
        json.dumps({"type": "UpdateConfiguration", "vad_threshold": 10**4_000}),
        "[" + "{}," * 87_000 + "{}]",
        '{"type": "KeepAlive", "type": 1, ' + '"a": 1, ' * 30_000 + '"a": 2}',
    ],
    ids=[
        "lists", "objects", "closed lists", "number", "exponent", "surrogate", "keyterms", "python list",
        "python brackets", "digits", "long integer", "array of objects", "duplicate keys",
    ],
)  # fmt: skip
async def test_json_bomb_is_closed_with_3006(gateway: LoneGateway, text: str) -> None:
    """Text that is deep, long, ambiguous or absurd is an invalid message and nothing more."""
    async with undisturbed(gateway), raw_session(gateway.port) as peer:
        peer.write(text_frame(text))
        heard = await ended(peer)
    assert heard.close_code == 3006
    assert [error["error_code"] for error in heard.of_type("Error")] == [3006]


async def test_text_flood_is_closed_with_3006(gateway: LoneGateway) -> None:
    """No program sends messages by the thousand."""
    async with undisturbed(gateway), raw_session(gateway.port) as peer:
        peer.write(text_frame('{"type": "KeepAlive"}') * 30_000)
        assert (await ended(peer)).close_code == 3006


async def test_text_burst_is_accepted(gateway: LoneGateway) -> None:
    """A client that was held up may send what it has at once."""
    async with raw_session(gateway.port) as peer:
        peer.write(text_frame('{"type": "KeepAlive"}') * 90 + TERMINATE)
        assert (await ended(peer)).close_code == 1000


@pytest.mark.parametrize(
    "frame",
    [client_frame(PING), client_frame(PING, bytes(125)), client_frame(PONG), client_frame(BINARY)],
    ids=["empty pings", "full pings", "pongs", "empty messages"],
)
async def test_flood_of_idle_frames_is_closed_with_1008(gateway: LoneGateway, frame: bytes) -> None:
    """Frames that carry nothing end the session when they come by the thousand."""
    async with undisturbed(gateway), raw_session(gateway.port) as peer:
        for _ in range(20):
            peer.write(frame * 5_000)
        assert (await ended(peer)).close_code == 1008


async def test_flood_right_behind_the_request_is_closed(gateway: LoneGateway) -> None:
    """Who floods before the answer can be there is cut off before its session or closed right after its start."""
    async with undisturbed(gateway), raw_connection(gateway.port) as peer:
        peer.write(upgrade_request(gateway.port) + client_frame(PING) * 100_000)
        await peer.read_answer()
        assert (await ended(peer)).close_code in (None, 1008)


async def test_pings_of_a_lively_client_are_answered(gateway: LoneGateway) -> None:
    """A burst of fifty pings is no flood."""
    async with raw_session(gateway.port) as peer:
        peer.write(client_frame(PING, b"now") * 50 + TERMINATE)
        heard = await ended(peer)
    assert heard.pongs == [b"now"] * 50
    assert heard.close_code == 1000


@contextlib.contextmanager
def deaf_client(port: int) -> Iterator[socket.socket]:
    """Connect a client that has asked for a session and has hardly any room for what it is sent."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", port))
        client.sendall(upgrade_request(port))
        client.setblocking(False)
        yield client


async def listen_at_last(client: socket.socket, is_given_up: Callable[[], bool]) -> bytes:
    """Send minutes of audio, read nothing until the server has had enough of it, then read what there is."""
    loop = asyncio.get_running_loop()
    sending = asyncio.create_task(loop.sock_sendall(client, MINUTES_OF_AUDIO))
    await until(is_given_up, "the client was not given up")
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := await loop.sock_recv(client, 1 << 16):
            said += piece
    sending.cancel()
    return said


async def never_listen(client: socket.socket) -> None:
    """Send minutes of audio and go on in real time, reading nothing, until the server cuts the connection."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            await loop.sock_sendall(client, MINUTES_OF_AUDIO)
            while True:
                await asyncio.sleep(FRAME_MS / 1_000)
                await loop.sock_sendall(client, client_frame(BINARY, bytes(FRAME_MS * BYTES_PER_MS)))


async def test_clients_that_do_not_read_are_closed_with_1008(gateway: LoneGateway) -> None:
    """Who sends but does not read is given up, and may still learn why; memory and recognisers do not suffer."""
    worker = psutil.Process(gateway.workers[0].process.pid)
    before_bytes, given_up = worker.memory_info().rss, gateway.log.count(GIVEN_UP)
    async with undisturbed(gateway):
        with deaf_client(gateway.port) as one, deaf_client(gateway.port) as other:
            said, _ = await asyncio.gather(
                listen_at_last(one, lambda: gateway.log.count(GIVEN_UP) >= given_up + 2), never_listen(other)
            )
            assert worker.memory_info().rss - before_bytes < MEMORY_BOUND_BYTES
    assert said.endswith(struct.pack("!BBH", 0x88, 2 + len(DOES_NOT_READ), 1008) + DOES_NOT_READ)


async def test_half_open_peer_frees_its_session() -> None:
    """A peer whose network went away, so that it answers no ping, does not keep its recogniser."""
    async with lone_gateway(AAI_PING_INTERVAL_S="0.5", AAI_PONG_LIMIT_S="1") as running:
        recognizer = running.recognizer
        async with undisturbed(running), raw_session(running.port) as peer:
            before = recognizer.opened_streams
            peer.write(client_frame(BINARY, SECOND_OF_AUDIO))
            await until(lambda: recognizer.opened_streams > before, "the session did not start")
            busy = recognizer.open_streams
            await until(lambda: recognizer.open_streams < busy, "the session is still there")
            assert (await ended(peer)).close_code == 1011


async def test_handshake_flood_of_one_address_is_refused(narrow_gateway: LoneGateway) -> None:
    """Above its share an address hears 429, far above it nothing; others are served as before."""
    async with undisturbed(narrow_gateway), contextlib.AsyncExitStack() as stack:
        peers = [
            await stack.enter_async_context(connection_from(ELSEWHERE, narrow_gateway.port))
            for _ in range(FEW_HANDSHAKES * 4)
        ]
        answers = [asyncio.create_task(peer.read_answer()) for peer in peers]
        async with raw_session(narrow_gateway.port) as other:
            other.write(TERMINATE)
            assert (await ended(other)).close_code == 1000
        await asyncio.gather(*answers)
        statuses = [peer.heard.status for peer in peers]
    assert statuses.count(429) == FEW_HANDSHAKES
    assert statuses.count(None) == FEW_HANDSHAKES * 3


async def test_sockets_of_one_address_are_limited(narrow_gateway: LoneGateway) -> None:
    """An address that holds its share of sessions hears 429; another address gets a session."""
    port = narrow_gateway.port
    async with undisturbed(narrow_gateway), contextlib.AsyncExitStack() as stack:
        for _ in range(FEW_OF_ONE):
            peer = await stack.enter_async_context(connection_from(ELSEWHERE, port))
            await peer.upgrade(upgrade_request(port))
        refused = await stack.enter_async_context(connection_from(ELSEWHERE, port))
        refused.write(upgrade_request(port))
        answer = await refused.read_answer()
        async with raw_session(port) as other:
            other.write(TERMINATE)
            assert (await ended(other)).close_code == 1000
    assert refused.heard.status == 429
    assert b"Retry-After: 1" in answer


async def test_full_worker_answers_503_and_its_health(narrow_gateway: LoneGateway) -> None:
    """With all sockets taken health still answers, and new sessions are sent elsewhere."""
    port = narrow_gateway.port
    async with undisturbed(narrow_gateway), contextlib.AsyncExitStack() as stack:
        for number in range(FEW_SOCKETS):
            host = f"127.0.1.{number % 2 + 1}"
            peer = await stack.enter_async_context(connection_from(host, port))
            peer.write(upgrade_request(port))
            await peer.read_answer()
        assert peer.heard.status == 503
        assert await health_status(narrow_gateway) == 200
        statuses = set()
        for _ in range(REFUSED_AT_ONCE + 10):
            late = await stack.enter_async_context(connection_from(ELSEWHERE, port))
            late.write(upgrade_request(port))
            await late.read_answer()
            statuses.add(late.heard.status)
    assert 503 in statuses
    assert 101 not in statuses


async def test_connection_flood_of_good_clients_is_served(gateway: LoneGateway) -> None:
    """Hundreds of clients that come at once, as after a network failure, all get their session."""

    async def one_session() -> int | None:
        async with raw_session(gateway.port) as peer:
            peer.write(TERMINATE)
            return (await ended(peer)).close_code

    async with undisturbed(gateway):
        codes = await asyncio.gather(*(one_session() for _ in range(300)))
    assert set(codes) == {1000}
