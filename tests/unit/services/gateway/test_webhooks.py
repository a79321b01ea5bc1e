"""Where a session may report to, and what its report holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.session_v3 import Begin, Configuration, SpeechStarted, Termination, Turn, TurnWord
from services.gateway.webhooks import (
    Webhook,
    WebhookReport,
    checked_header_name,
    checked_header_value,
    checked_url,
    is_forbidden_address,
)

ALLOWED = ("hooks.example.com", "10.0.0.5:8443", "[::1]", "localhost", "169.254.169.254", "2852039166")
BEGIN = Begin(id="x", expires_at=1, configuration=Configuration(model="m", mode=None, api_version="v"))


def refusal(url: str) -> str:
    """Return why a URL is refused."""
    with pytest.raises(ValueError, match=r"Input should|Value error") as caught:
        checked_url(url, ALLOWED)
    return str(caught.value)


def turn(order: int, text: str, *, end_of_turn: bool = True) -> Turn:
    """Return a turn of one word."""
    word = TurnWord(text=text, start=0, end=10, confidence=1.0, word_is_final=end_of_turn)
    return Turn(
        turn_order=order, turn_is_formatted=end_of_turn, end_of_turn=end_of_turn, transcript=text, utterance=text,
        end_of_turn_confidence=1.0, words=(word,),
    )  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/v1/turns?key=a%20b&x=[1]",
        "http://hooks.example.com",
        "HTTPS://Hooks.Example.COM./x",
        "https://hooks.example.com:9443/",
        "https://10.0.0.5:8443/hook",
        "http://[0:0:0:0:0:0:0:1]:9000/",
        "http://localhost?x=1",
        "https://hooks.example.com/a@b:c",
    ],
)
def test_url_of_an_allowed_host_is_taken_as_it_is(url: str) -> None:
    """A host without a port in the list stands for every port."""
    assert checked_url(url, ALLOWED) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/", "https://hooks.example.com.evil.net/", "https://evil-hooks.example.com/",
        "https://10.0.0.5/", "https://10.0.0.5:8444/", "https://10.0.0.50:8443/", "http://127.0.0.1/", "http://[fd00::2]/",
        "http://0x7f.1/",
    ],
)  # fmt: skip
def test_url_of_another_host_is_refused(url: str) -> None:
    """Only the very name, and the very port where one is named."""
    assert "does not send transcripts to that host" in refusal(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@hooks.example.com/", "https://token@hooks.example.com/", "https://@hooks.example.com/",
        "https://hooks.example.com@evil.net/", "https://evil.net@hooks.example.com/",
    ],
)  # fmt: skip
def test_url_with_credentials_is_refused(url: str) -> None:
    """There are parameters for them, and they hide the host."""
    assert "must not hold credentials" in refusal(url)
    assert "secret" not in refusal(url)


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com/x", "//hooks.example.com/", "ftp://hooks.example.com/", "file:///etc/passwd",
        "ws://hooks.example.com/", "https:hooks.example.com", "https:///x", "https://", "https://hooks.example.com\\x",
        "https://evil.net\\@hooks.example.com/", "https://hooks.example.com/\r\nHost: evil.net",
        "https://hooks.example.com/a b", "https://hooks.example.com/#x", " https://hooks.example.com/",
        "https://hooks.example.com/ä", "https://hooks.example.com/" + "x" * 2048, "https://hooks.example.com/\0",
    ],
)  # fmt: skip
def test_url_that_is_none_is_refused(url: str) -> None:
    """Nothing two parsers could read differently gets through."""
    assert refusal(url).startswith("Input should be an absolute http or https URL")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com:/", "https://hooks.example.com:0/", "https://hooks.example.com:65536/",
        "https://hooks.example.com:443:443/", "https://hooks exam.com/", "https://hooks.example.com%2eevil.net/",
        "https://[::1/", "https://[fe80::1%25eth0]/", "https://..../", "https://[:::]/",
    ],
)  # fmt: skip
def test_url_without_a_valid_host_and_port_is_refused(url: str) -> None:
    """Before it is looked up in the list."""
    assert "no valid host and port" in refusal(url)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://[::ffff:a9fe:a9fe]/", "http://0.0.0.0/"]
)
def test_url_of_a_special_address_is_refused_whatever_is_allowed(url: str) -> None:
    """A list of hosts cannot open the way to a metadata service."""
    assert "never sent to" in refusal(url)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1", "fd00:ec2::254", "100.100.100.200",
        "168.63.129.16", "192.0.0.192", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
        "::169.254.169.254", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1",
        "::ffff:0.0.0.0", "100::1",
    ],
)  # fmt: skip
def test_special_address_is_forbidden_in_every_spelling(address: str) -> None:
    """Link-local, metadata, and what is no single machine; also inside IPv6."""
    assert is_forbidden_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
        "fd00::1", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:10.0.0.1", "169.253.255.255", "no address",
    ],
)  # fmt: skip
def test_other_address_is_not_forbidden(address: str) -> None:
    """Loopback and private ones included: their host was named by the operator."""
    assert not is_forbidden_address(address)


@pytest.mark.parametrize("name", ["Authorization", "X-Webhook-Key", "x_key", "!#$%&'*+-.^_`|~09az"])
def test_header_name_of_token_characters_is_taken(name: str) -> None:
    """RFC 9110 5.6.2."""
    assert checked_header_name(name) == name


@pytest.mark.parametrize("name", ["", "X Key", "X:Key", "X\r\nY", "X\n", "X\0", "Schlüssel", "(x)", "x" * 101])
def test_header_name_with_other_characters_is_refused(name: str) -> None:
    """They could end the header."""
    with pytest.raises(ValueError, match="Input should be an HTTP header name"):
        checked_header_name(name)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "Content-Type"])
def test_header_of_the_request_itself_is_refused(name: str) -> None:
    """Another value would break the request."""
    with pytest.raises(ValueError, match="belongs to the request itself"):
        checked_header_name(name)


@pytest.mark.parametrize("value", ["x", "Bearer abc.def==", "a\tb c", "x" * 4096])
def test_header_value_of_printable_characters_is_taken(value: str) -> None:
    """Blanks and tabs may stand between."""
    assert checked_header_value(value) == value


@pytest.mark.parametrize("value", ["", " x", "x ", "a\r\nHost: b", "a\nb", "a\0b", "ä", "x" * 4097])
def test_header_value_with_other_characters_is_refused(value: str) -> None:
    """Above all line ends; the value itself is not repeated."""
    with pytest.raises(ValueError, match=r"printable ASCII characters, without line ends$"):
        checked_header_value(value)


@given(st.text(), st.text())
def test_checks_of_any_text_take_or_refuse(url: str, header: str) -> None:
    """Nothing else is raised, and what is taken has no line end."""
    for check in (lambda text: checked_url(f"http://{text}", ALLOWED), checked_header_name, checked_header_value):
        for text in (url, header):
            try:
                assert not {"\r", "\n"} & set(check(text))
            except ValueError:
                continue


def test_report_holds_the_final_turns_as_they_were_sent() -> None:
    """Byte for byte, in order; partials and other messages are not in it."""
    report = WebhookReport("5b0c", Webhook("https://hooks.example.com/"))
    messages = [
        BEGIN, SpeechStarted(timestamp=1, confidence=1.0), turn(0, "he", end_of_turn=False), turn(0, "Héllo."),
        turn(1, "###"), Termination(audio_duration_seconds=1, session_duration_seconds=1),
    ]  # fmt: skip
    for message in messages:
        report.receive(message, message.encode())
    sent = [message.encode() for message in messages if isinstance(message, Turn) and message.end_of_turn]
    assert report.body().decode() == f'{{"session_id":"5b0c","messages":[{",".join(sent)}]}}'


def test_report_of_a_session_that_never_began_is_not_due() -> None:
    """A refused session has nothing to tell."""
    report = WebhookReport("5b0c", Webhook("https://hooks.example.com/"))
    assert not report.began
    report.receive(BEGIN, BEGIN.encode())
    assert report.began
    assert json.loads(report.body()) == {"session_id": "5b0c", "messages": []}


def test_report_that_is_full_leaves_later_turns_out_and_says_so() -> None:
    """Also a short one that would still fit: what is there has no gap."""
    size = len(turn(0, "long" * 10).encode())
    report = WebhookReport("5b0c", Webhook("https://hooks.example.com/"), max_bytes=2 * size)
    for message in (turn(0, "long" * 10), turn(1, "longer" * 10), turn(2, "x")):
        report.receive(message, message.encode())
    body = json.loads(report.body())
    assert [one["turn_order"] for one in body["messages"]] == [0]
    assert body["truncated"] is True
