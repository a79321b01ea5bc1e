"""Webhooks over real sockets: the sender alone, and a whole stack with a receiver its operator allowed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from protos.session_v3 import Begin, Configuration, Turn
from services.gateway.webhook_sender import MAX_WAITING_REPORTS, WebhookSender
from services.gateway.webhooks import Webhook, WebhookReport
from tests.support.lone_gateway import lone_gateway
from tests.support.private_stack import PrivateStack, private_stack
from tests.support.streaming import BYTES_PER_MS, Transcript, collect, sample_pcm, session, transcribe
from tests.support.webhook_receiver import Receiver, webhook_receiver

UNREACHABLE_PROXY = "http://127.0.0.1:9"


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    """Give a sender; what it has not delivered at the end is not waited for."""
    sender = WebhookSender()
    yield sender
    await sender.stop(limit_s=0)


@pytest.fixture(scope="module")
def webhook_stack() -> Iterator[PrivateStack]:
    """Give a stack that may send to loopback, behind a proxy nobody must use."""
    with private_stack(
        AAI_WEBHOOK_ALLOWED_HOSTS="127.0.0.1,localhost",
        AAI_MODEL_ALIASES="acme-dictation=universal-streaming-english",
        HTTP_PROXY=UNREACHABLE_PROXY,
        http_proxy=UNREACHABLE_PROXY,
    ) as stack:
        yield stack


def report(url: str, session_id: str = "5b0c", auth_header: tuple[str, str] | None = None) -> WebhookReport:
    """Return the report of a session that said one turn."""
    report = WebhookReport(session_id, Webhook(url, auth_header))
    begin = Begin(id=session_id, expires_at=1, configuration=Configuration(model="m", mode=None, api_version="v"))
    turn = Turn(
        turn_order=0, turn_is_formatted=True, end_of_turn=True, transcript="Planted phrase.", utterance="",
        end_of_turn_confidence=1.0, words=(),
    )  # fmt: skip
    for message in (begin, turn):
        report.receive(message, message.encode())
    return report


async def logged(logs: list[dict[str, object]], event: str) -> dict[str, object]:
    """Wait for a log line and return it; nothing in the logs may hold text or secrets."""
    async with asyncio.timeout(30):
        while True:
            found = [line for line in logs if line["event"] == event]
            if found:
                break
            await asyncio.sleep(0.01)
    for secret in ("Planted", "secret", "/hook"):
        assert secret not in json.dumps(logs)
    return found[0]


async def test_report_is_posted_once_with_its_header(sender: WebhookSender) -> None:
    """JSON with the session and its turns, the client's header, and no proxy, cookie or library name."""
    with capture_logs() as logs:
        async with webhook_receiver() as receiver:
            sender.deliver(report(receiver.url, auth_header=("X-Webhook-Key", "header secret")))
            request = await receiver.next()
            line = await logged(logs, "webhook delivered")
    assert (request.method, request.target) == ("POST", "/hook?key=query-secret")
    assert request.headers["x-webhook-key"] == "header secret"
    assert request.headers["content-type"] == "application/json"
    assert "aiohttp" not in request.headers["user-agent"]
    body = json.loads(request.body)
    assert (body["session_id"], [turn["transcript"] for turn in body["messages"]]) == ("5b0c", ["Planted phrase."])
    assert (line["session_id"], line["attempts"]) == ("5b0c", 1)
    assert receiver.requests.empty()


async def test_report_is_sent_again_after_a_server_error(sender: WebhookSender) -> None:
    """The same body twice."""
    with capture_logs() as logs:
        async with webhook_receiver([500]) as receiver:
            sender.deliver(report(receiver.url))
            first, second = await receiver.next(), await receiver.next()
            assert (await logged(logs, "webhook delivered"))["attempts"] == 2
    assert first.body == second.body


async def test_report_is_not_sent_again_after_a_client_error(sender: WebhookSender) -> None:
    """One attempt, and a line that tells the status."""
    with capture_logs() as logs:
        async with webhook_receiver([410]) as receiver:
            sender.deliver(report(receiver.url))
            line = await logged(logs, "webhook not delivered")
            assert receiver.requests.qsize() == 1
    assert (line["attempts"], line["cause"]) == (1, "status 410")


@pytest.mark.parametrize("status", [302, 308])
async def test_redirect_is_not_followed(status: int, sender: WebhookSender) -> None:
    """It is a failed attempt; the place it points to hears nothing."""
    async with webhook_receiver() as elsewhere, webhook_receiver([status], elsewhere.url) as receiver:
        sender.deliver(report(receiver.url))
        await receiver.next()
        await receiver.next()
        assert elsewhere.requests.empty()


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "0xa9.0xfe.0xa9.0xfe"])
async def test_name_that_leads_to_a_metadata_address_is_not_dialled(host: str, sender: WebhookSender) -> None:
    """The check is on the address that is dialled, whatever the name was; and there is no second attempt."""
    with capture_logs() as logs:
        sender.deliver(report(f"http://{host}/hook"))
        line = await logged(logs, "webhook not delivered")
    assert (line["attempts"], line["cause"]) == (1, "forbidden address")


async def test_report_of_a_session_that_never_began_is_not_sent(sender: WebhookSender) -> None:
    """Nor is there one where no webhook was asked for."""
    async with webhook_receiver() as receiver:
        sender.deliver(None)
        sender.deliver(WebhookReport("refused", Webhook(receiver.url)))
        sender.deliver(report(receiver.url, "last"))
        assert json.loads((await receiver.next()).body)["session_id"] == "last"


async def test_stop_sends_waiting_reports_at_once_and_names_the_lost(sender: WebhookSender) -> None:
    """A pause is cut short for one last attempt; what fails again is told with its session."""
    with capture_logs() as logs:
        async with webhook_receiver([500, 500]) as receiver:
            sender.deliver(report(receiver.url, "first"))
            sender.deliver(report(receiver.url, "second"))
            await receiver.next()
            await receiver.next()
            receiver.statuses += [503]
            await sender.stop(limit_s=30)
            assert receiver.requests.qsize() == 2
    delivered = await logged(logs, "webhook delivered")
    lost = await logged(logs, "webhook not delivered")
    assert {delivered["session_id"], lost["session_id"]} == {"first", "second"}
    assert lost["cause"] == "the program stops, after status 503"
    summary = await logged(logs, "webhooks lost at the end of the program")
    assert (summary["reports"], summary["sessions"]) == (1, [lost["session_id"]])


async def test_stop_waits_no_longer_than_its_limit(sender: WebhookSender) -> None:
    """A receiver that never answers does not hold the program; later sessions are told at once."""
    with capture_logs() as logs:
        async with webhook_receiver([0]) as receiver:
            sender.deliver(report(receiver.url, "held"))
            await receiver.next()
            await sender.stop(limit_s=0.1)
            sender.deliver(report(receiver.url, "late"))
    lost = [(line["session_id"], line["cause"]) for line in logs if line["event"] == "webhook not delivered"]
    assert lost == [("held", "the program stops"), ("late", "the program stops")]


async def test_reports_beyond_the_bound_are_not_taken(sender: WebhookSender) -> None:
    """The newest is left out; its session is named."""
    with capture_logs() as logs:
        async with webhook_receiver([0] * (MAX_WAITING_REPORTS + 1)) as receiver:
            for number in range(MAX_WAITING_REPORTS + 1):
                sender.deliver(report(receiver.url, f"session-{number}"))
            line = await logged(logs, "webhook not delivered")
            await sender.stop(limit_s=0)
    assert (line["session_id"], line["cause"]) == (f"session-{MAX_WAITING_REPORTS}", "too many reports wait")


async def logged_by(stack: PrivateStack, event: str) -> str:
    """Return all that a stack has logged, once an event is in it."""
    async with asyncio.timeout(30):
        while True:
            logs = "".join(path.read_text() for path in (stack.home / "logs").glob("*.log"))
            if event in logs:
                return logs
            await asyncio.sleep(0.05)


def hook_query(receiver: Receiver, **parameters: str) -> str:
    """Return the query of a session that asks for a webhook."""
    return urlencode({"sample_rate": "16000", "webhook_url": receiver.url, **parameters})


async def test_session_reports_its_final_turns_after_termination(webhook_stack: PrivateStack) -> None:
    """The very messages the client got, once more after a server error, with the header it asked for."""
    async with webhook_receiver([500]) as receiver:
        query = hook_query(
            receiver,
            speech_model="acme-dictation",
            format_turns="true",
            webhook_auth_header_name="X-Webhook-Key",
            webhook_auth_header_value="header-secret",
        )
        heard = await transcribe(webhook_stack.endpoint, sample_pcm("order.wav"), query, speed=4)
        assert heard.close_code == 1000
        first, second = await receiver.next(), await receiver.next()
    assert first.body == second.body
    assert first.headers["x-webhook-key"] == "header-secret"
    begin = heard.messages[0]
    assert begin["configuration"]["model"] == "acme-dictation"
    assert heard.finals
    assert json.loads(first.body) == {"session_id": begin["id"], "messages": heard.finals}
    logs = await logged_by(webhook_stack, "webhook delivered")
    for secret in ("query-secret", "header-secret", heard.finals[0]["transcript"]):
        assert secret not in logs


async def test_session_whose_client_vanishes_still_reports(webhook_stack: PrivateStack) -> None:
    """Without Terminate there may be no turn, but the session is told."""
    async with webhook_receiver() as receiver:
        async with session(webhook_stack.endpoint, hook_query(receiver)) as socket:
            begin = json.loads(await socket.recv())
        assert json.loads((await receiver.next()).body) == {"session_id": begin["id"], "messages": []}


@pytest.mark.parametrize("url", ["http://example.com/hook", "http://169.254.169.254/", "http://u:p@127.0.0.1/", "x"])
async def test_session_with_a_webhook_nobody_allowed_is_refused_before_begin(
    url: str, webhook_stack: PrivateStack
) -> None:
    """One Error frame that names the parameter, and its code as close code."""
    query = urlencode({"sample_rate": "16000", "webhook_url": url})
    async with session(webhook_stack.endpoint, query) as socket:
        heard = await collect(socket, Transcript())
    assert [message["type"] for message in heard.messages] == ["Error"]
    assert heard.messages[0]["error"].startswith("User Input Validation Error: Invalid 'webhook_url': ")
    assert (heard.messages[0]["error_code"], heard.close_code) == (3006, 3006)


async def test_gateway_that_is_told_to_stop_reports_the_sessions_it_ends() -> None:
    """The last turn is ended, reported, and only then the program is gone."""
    async with webhook_receiver() as receiver:
        settings = {"AAI_WEBHOOK_ALLOWED_HOSTS": f"127.0.0.1:{receiver.port}", "AAI_DRAIN_LIMIT_S": "0"}
        async with lone_gateway(**settings) as gateway:
            worker = gateway.workers[0].process
            async with session(gateway.endpoint, hook_query(receiver)) as socket:
                heard = Transcript([json.loads(await socket.recv())])
                await socket.send(bytes(1_000 * BYTES_PER_MS))
                heard.messages.append(json.loads(await socket.recv()))
                worker.terminate()
                await collect(socket, heard)
            assert await asyncio.wait_for(worker.wait(), 30) == 0
        request = receiver.requests.get_nowait()
    assert heard.close_code == 1000
    assert heard.finals
    assert json.loads(request.body) == {"session_id": heard.messages[0]["id"], "messages": heard.finals}
