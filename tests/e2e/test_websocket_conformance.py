"""RFC 6455 by the letter: the real gateway against a table of cases, and against another library."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate

from tests.support.lone_gateway import LoneGateway, lone_gateway
from tests.support.raw_websocket import CLOSE, PING, client_frame, raw_connection, raw_session, upgrade_request
from tests.support.recording_recognizer import RecordingRecognizer
from tests.support.rfc6455_cases import CASES, NORMAL, TERMINATE, Case, pieces_of, tone
from tests.support.wsproto_client import WsprotoClient, wsproto_session

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIN_CASES = 500


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recognizer() -> RecordingRecognizer:
    """Give the recogniser behind the gateway."""
    return RecordingRecognizer()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(recognizer: RecordingRecognizer) -> AsyncIterator[LoneGateway]:
    """Give one gateway for all cases."""
    async with lone_gateway(recognizer=recognizer) as running:
        yield running


async def test_cases_are_many_and_each_has_a_name_of_its_own() -> None:
    """The table lost nothing by two cases under one name."""
    names = Counter(case.name for case in CASES)
    assert len(CASES) >= MIN_CASES
    assert {name.partition(".")[0] for name in names} == {"1", "2", "3", "4", "5", "6", "7", "10"}
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case_ends_as_the_rfc_demands(gateway: LoneGateway, recognizer: RecordingRecognizer, case: Case) -> None:
    """Close code and reason, pongs, Error, audio: all as the table says, and nothing after the close frame."""
    expected = case.outcome
    async with raw_session(gateway.port, case.query) as socket:
        writing = asyncio.create_task(socket.write_apart(case.writes))
        heard = await socket.read_to_end(answer=not expected.client_closes)
        await writing
    assert heard.close_code in expected.close_codes, heard
    assert [frame.opcode for frame in heard.frames].index(CLOSE) == len(heard.frames) - 1
    assert all(frame.fin and not frame.reserved for frame in heard.frames)
    assert expected.close_reason in (None, heard.close_reason)
    assert expected.pongs in (None, tuple(heard.pongs))
    due = [expected.error] if expected.error and heard.close_code >= 3000 else []
    assert [error["error"] for error in heard.of_type("Error")] == due
    assert all(error["error_code"] == heard.close_code for error in heard.of_type("Error"))
    audio = bytes(recognizer.heard.pop(heard.messages[0]["id"], b""))
    ended = heard.of_type("Termination")
    assert len(ended) == (heard.close_code == NORMAL and not expected.client_closes)
    if ended:
        assert audio == expected.audio
        assert ended[0]["audio_duration_seconds"] == round(len(audio) / 32_000)


HEALTH = b"GET /v3/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
JUNK = b"\xff" * 16
PING_FRAME = client_frame(PING, b"early")


@pytest.mark.parametrize(
    ("target", "behind", "status", "heard"),
    [
        ("/v3/ws", PING_FRAME + TERMINATE, 101, 1000),
        ("/v3/ws", JUNK, 101, 1002),
        ("/v3/ws", JUNK * 20_000, 101, 1002),
        ("/nowhere", JUNK, 404, None),
        ("/v3/health", HEALTH, 200, None),
        ("/v3/health", JUNK * 20_000, 200, None),
    ],
    ids=["frames", "junk", "much-junk", "junk-nowhere", "second-request", "much-junk-health"],
)
async def test_bytes_right_behind_a_request_do_not_spoil_its_answer(
    gateway: LoneGateway, target: str, behind: bytes, status: int, heard: int | None
) -> None:
    """A client that does not wait for the answer gets it all the same, first and whole."""
    async with raw_connection(gateway.port) as socket:
        socket.write(upgrade_request(gateway.port, target) + behind)
        await socket.read_answer()
        if heard:
            await socket.read_to_end(answer=heard == NORMAL)
    assert socket.heard.status == status
    assert socket.heard.close_code == heard
    assert socket.heard.pongs == ([b"early"] if PING_FRAME in behind else [])
    assert "Traceback" not in gateway.log


def _say(client: WsprotoClient, text: str, size: int) -> None:
    """Send a text message in frames of ``size`` characters."""
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    for part in parts[:-1]:
        client.send(TextMessage(part, message_finished=False))
    client.send(TextMessage(parts[-1]))


@pytest.mark.parametrize("offered", [(), (PerMessageDeflate(),)], ids=["plain", "deflate-offered"])
async def test_session_spoken_by_wsproto_is_heard_whole(
    gateway: LoneGateway, recognizer: RecordingRecognizer, offered: tuple[Extension, ...]
) -> None:
    """Messages in fragments with pings in between, turns back, and a close handshake; compression is declined."""
    audio = tone(5 * 32_000)
    async with wsproto_session(gateway.port, offered) as client:
        begin = json.loads(await client.next_text())
        assert begin["type"] == "Begin"
        for number, message in enumerate(pieces_of(audio, 16_000)):
            parts = pieces_of(message, 5_001)
            for part in parts[:-1]:
                client.send(BytesMessage(part, message_finished=False))
                client.send(Ping(b"%d" % number))
            client.send(BytesMessage(parts[-1]))
            _say(client, '{"type": "KeepAlive", "note": "äöü"}', 7)
        _say(client, '{"type": "Terminate"}', 5)
        closed = await client.next_event(CloseConnection)
    assert (closed.code, closed.reason) == (1000, "Session Ended")
    pongs = [bytes(event.payload) for event in client.heard if isinstance(event, Pong)]
    assert pongs == [b"%d" % number for number in range(10) for _ in range(3)]
    messages = [json.loads(text) for text in client.texts]
    turns = [message for message in messages if message["type"] == "Turn" and message["end_of_turn"]]
    assert [len(turn["words"]) for turn in turns] == [20, 5]
    assert (messages[-1]["type"], messages[-1]["audio_duration_seconds"]) == ("Termination", 5)
    assert bytes(recognizer.heard.pop(begin["id"])) == audio


@pytest.mark.parametrize(("code", "reason"), [(1000, None), (1001, "going"), (4999, "ß" * 61)])
async def test_close_of_wsproto_is_echoed_and_frees_the_session(
    gateway: LoneGateway, recognizer: RecordingRecognizer, code: int, reason: str | None
) -> None:
    """A client that leaves in the middle of a turn gets its own code back, and its recogniser stream ends."""
    async with wsproto_session(gateway.port) as client:
        client.send(BytesMessage(tone(32_000)))
        while json.loads(await client.next_text())["type"] != "Turn":
            pass
        client.send(CloseConnection(code, reason))
        closed = await client.next_event(CloseConnection)
        assert (closed.code, closed.reason or None) == (code, reason)
        await client.ended()
    async with asyncio.timeout(30):
        while recognizer.open_streams or (await gateway.workers[0].admin("GET", "/sessions"))[1]:  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.01)
