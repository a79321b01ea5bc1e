"""Keys, tokens and limits of keys against the real gateway, two workers under one supervisord."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.support.private_stack import CHECKOUT, PrivateStack, private_stack
from tests.support.streaming import Transcript, collect, session

INVALID = "Unauthorized Connection: Invalid API key"
TOO_MANY = "Unauthorized Connection: Too many concurrent sessions"


@pytest.fixture(scope="module")
def keyed_stack() -> Iterator[PrivateStack]:
    """Give a stack that checks keys, shared by the tests of this module."""
    with private_stack(AAI_AUTH_MODE="keys") as stack:
        yield stack


def new_key(stack: PrivateStack, label: str, *options: str) -> str:
    """Make a key with the console."""
    return str(json.loads(stack.console("keys", "add", label, *options, "--json").stdout)["data"]["key"])


def get_token(stack: PrivateStack, key: str, query: str) -> tuple[int, dict[str, Any]]:
    """Ask the token endpoint; return status and body."""
    address = stack.endpoint.replace("ws:", "http:") + f"/v3/token?{query}"
    request = urllib.request.Request(address, headers={"Authorization": key} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def begun(stack: PrivateStack, query: str = "sample_rate=16000", **headers: str) -> dict[str, Any]:
    """Open a session and return its first message."""
    async with session(stack.endpoint, query, **headers) as socket:
        return dict(json.loads(await socket.recv()))


async def refused(stack: PrivateStack, query: str = "sample_rate=16000", **headers: str) -> tuple[int | None, str]:
    """Open a session that is refused with one Error frame; return close code and text."""
    async with session(stack.endpoint, query, **headers) as socket:
        heard = await collect(socket, Transcript())
    assert [message["type"] for message in heard.messages] == ["Error"]
    assert heard.messages[0]["error_code"] == heard.close_code
    return heard.close_code, heard.messages[0]["error"]


async def test_key_connects_until_it_is_revoked(keyed_stack: PrivateStack) -> None:
    """Added and revoked while the gateway runs; anything else is refused after the upgrade."""
    key = new_key(keyed_stack, "acme")
    assert (await begun(keyed_stack, Authorization=key))["type"] == "Begin"
    assert (await begun(keyed_stack, Authorization=f"Bearer {key}"))["type"] == "Begin"
    assert await refused(keyed_stack, Authorization="self-hosted") == (1008, INVALID)
    assert await refused(keyed_stack, f"token={key}", Other="x") == (1008, INVALID)
    missing = "Unauthorized Connection: Missing Authorization header"
    assert await refused(keyed_stack, Other="x") == (1008, missing)
    status, answer = get_token(keyed_stack, key, "expires_in_seconds=60")
    assert status == 200
    assert keyed_stack.console("keys", "revoke", "acme").returncode == 0
    assert await refused(keyed_stack, Authorization=key) == (1008, INVALID)
    assert await refused(keyed_stack, f"token={answer['token']}", Other="x") == (1008, INVALID)


async def test_token_opens_sessions_until_it_expires_and_caps_them(keyed_stack: PrivateStack) -> None:
    """In the query or the header, on whichever worker, more than once; then its own text."""
    key = new_key(keyed_stack, "browser")
    query = "expires_in_seconds=2&max_session_duration_seconds=60"
    status, answer = get_token(keyed_stack, key, query)
    assert (status, answer["expires_in_seconds"]) == (200, 2)
    token = answer["token"]
    first = await begun(keyed_stack, f"token={token}", Other="x")
    second = await begun(keyed_stack, Authorization=token)
    uncapped = await begun(keyed_stack, Authorization=key)
    for capped in (first, second):
        assert 10_700 < uncapped["expires_at"] - capped["expires_at"] <= 10_745
    async with asyncio.timeout(6):
        while True:
            async with session(keyed_stack.endpoint, f"token={token}", Other="x") as socket:
                message = json.loads(await socket.recv())
            if message["type"] == "Error":
                break
            await asyncio.sleep(0.2)
    assert message["error"] == "Unauthorized Connection: Signature has expired"


def test_token_endpoint_refuses_as_documented(keyed_stack: PrivateStack) -> None:
    """401 with an error for credentials, 422 with a list for parameters."""
    key = new_key(keyed_stack, "asker")
    assert get_token(keyed_stack, "", "expires_in_seconds=5") == (401, {"error": "Missing Authorization header"})
    assert get_token(keyed_stack, "self-hosted", "expires_in_seconds=5") == (401, {"error": "Invalid API key"})
    status, answer = get_token(keyed_stack, key, "max_session_duration_seconds=5")
    assert status == 422
    assert [one["type"] for one in answer["detail"]] == ["missing", "greater_than_equal"]


async def test_limit_of_a_key_holds_over_workers_and_a_kill_frees_its_slots(keyed_stack: PrivateStack) -> None:
    """Twelve sessions on two workers, no thirteenth; as many come in again as a killed worker had."""
    limit = 12
    key = new_key(keyed_stack, "limited", "--max-sessions", str(limit))

    def status() -> dict[str, Any]:
        return dict(json.loads(keyed_stack.console("status", "--json").stdout)["data"])

    async def open_one(stack: AsyncExitStack) -> ClientConnection:
        socket = await stack.enter_async_context(session(keyed_stack.endpoint, Authorization=key))
        assert json.loads(await socket.recv())["type"] == "Begin"
        return socket

    async with AsyncExitStack() as opened:
        sockets = [await open_one(opened) for _ in range(limit)]
        assert await refused(keyed_stack, Authorization=key) == (3009, TOO_MANY)
        seen = status()
        workers = [one["worker"] for one in seen["sessions"]["list"]]
        assert set(workers) == {"streaming-api-00", "streaming-api-01"}
        victim = next(one for one in seen["services"] if one["name"] == "streaming-api-00")
        os.kill(victim["pid"], signal.SIGKILL)
        freed = workers.count("streaming-api-00")
        gone = [asyncio.create_task(socket.wait_closed()) for socket in sockets]
        async with asyncio.timeout(10):
            while sum(task.done() for task in gone) < freed:
                await asyncio.wait([task for task in gone if not task.done()], return_when=asyncio.FIRST_COMPLETED)
        for _ in range(freed):
            await open_one(opened)
        assert await refused(keyed_stack, Authorization=key) == (3009, TOO_MANY)
        for task in gone:
            task.cancel()
    assert (await begun(keyed_stack, Authorization=key))["type"] == "Begin"


def test_console_of_the_host_needs_no_key(keyed_stack: PrivateStack) -> None:
    """Operators transcribe with what they may read; a key file serves for gateways elsewhere."""
    file = str(CHECKOUT / "samples" / "order.wav")
    own = keyed_stack.console("transcribe", file, "--speed", "max", "--quiet")
    assert (own.returncode, bool(own.stdout)) == (0, True)
    elsewhere = keyed_stack.console("transcribe", file, "--speed", "max", "--endpoint", keyed_stack.endpoint)
    assert elsewhere.returncode == 1
    assert "Invalid API key" in elsewhere.stderr
    key_file = keyed_stack.home / "a.key"
    key_file.write_text(new_key(keyed_stack, "elsewhere") + "\n")
    with_key = keyed_stack.console(
        "transcribe", file, "--speed", "max", "--quiet", "--endpoint", keyed_stack.endpoint, "--key-file", str(key_file)
    )
    assert with_key.stdout == own.stdout


def test_nothing_written_holds_a_key_or_token(keyed_stack: PrivateStack) -> None:
    """Logs, keys file and slot files of everything above included."""
    key = new_key(keyed_stack, "secretive")
    _, answer = get_token(keyed_stack, key, "expires_in_seconds=60")
    asyncio.run(begun(keyed_stack, f"token={answer['token']}", Other="x"))
    asyncio.run(begun(keyed_stack, Authorization=key))
    files = [path for path in keyed_stack.home.rglob("*") if path.is_file() and path.name != "a.key"]
    written = b"".join(path.read_bytes() for path in files)
    assert b"client=secretive" in written
    assert key.encode() not in written
    assert b"aai-local." not in written
