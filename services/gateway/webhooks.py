"""What a session owes a webhook: where it may be sent, and the final turns it carries. Sans-I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from protos.session_v3 import Begin, ServerMessage, Turn
from runtime.host_names import host_key

URL_MAX_CHARACTERS = 2_048
HEADER_NAME_MAX_CHARACTERS = 100
HEADER_VALUE_MAX_CHARACTERS = 4_096
# Every printable ASCII character that may stand in a URL, and none on which two URL parsers could disagree.
URL_PATTERN = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#\\]+)(?:[/?][A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*)?", re.IGNORECASE
)
AUTHORITY_PATTERN = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 9110 5.1 and 5.5: a token, and visible characters with blanks between them.
HEADER_NAME_PATTERN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE_PATTERN = re.compile(r"[!-~](?:[ \t!-~]*[!-~])?")
# They belong to the request itself; another value would break it or hide a second request in it.
REQUEST_HEADERS = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "expect", "host", "keep-alive",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
# Addresses under which clouds hand credentials to whoever runs there, outside the link-local ranges:
# AWS over IPv6, Alibaba, Azure's host channel, Oracle's former one.
METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
NAT64_NETWORK = ipaddress.ip_network("64:ff9b::/96")
IPV4_COMPATIBLE_NETWORK = ipaddress.ip_network("::/96")
IPV4_MASK = 0xFFFFFFFF
# Three hours of fast speech, 200 words a minute at 90 bytes a word in JSON, are 3.2 MB.
MAX_TURNS_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a session's final turns go, checked. The query and the header may hold secrets, so no repr shows them.

    Attributes:
        auth_header: name and value to send along, or None.
    """

    url: str = field(repr=False)
    auth_header: tuple[str, str] | None = field(default=None, repr=False)


class WebhookBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """JSON of the one request.

    Attributes:
        messages: the final Turns, byte for byte as the client got them.
        truncated: later turns are missing, because the session said more than is kept.
    """

    session_id: str
    messages: list[msgspec.Raw]
    truncated: bool = False


class WebhookReport:
    """Collects the final turns of one session that asked for a webhook.

    At most MAX_TURNS_BYTES are kept, in memory only; what comes later is left out, and the report says so.
    """

    def __init__(self, session_id: str, webhook: Webhook, max_bytes: int = MAX_TURNS_BYTES) -> None:
        """Start before Begin."""
        self.session_id = session_id
        self.webhook = webhook
        self.began = False
        self.truncated = False
        self._turns: list[bytes] = []
        self._room_bytes = max_bytes

    def receive(self, message: ServerMessage, text: str) -> None:
        """Take a message the client is sent, with its JSON; all but Begin and final Turns are passed over."""
        if isinstance(message, Begin):
            self.began = True
        elif isinstance(message, Turn) and message.end_of_turn and not self.truncated:
            turn = text.encode()
            self._room_bytes -= len(turn)
            if self._room_bytes < 0:
                self.truncated = True
            else:
                self._turns.append(turn)

    def body(self) -> bytes:
        """Return the JSON to send."""
        messages = [msgspec.Raw(turn) for turn in self._turns]
        return msgspec.json.encode(WebhookBody(session_id=self.session_id, messages=messages, truncated=self.truncated))


def checked_url(text: str, allowed: Collection[str]) -> str:
    """Return a URL a session may report to.

    Args:
        allowed: hosts and host:port pairs the operator named, in the form of ``host_key``; a host without
            a port stands for every port.

    Raises:
        ValueError: it is malformed, holds credentials, or leads where nothing may be sent. The URL itself
            is not repeated: it may hold secrets.
    """
    found = URL_PATTERN.fullmatch(text) if len(text) <= URL_MAX_CHARACTERS else None
    if found is None:
        raise ValueError(f"Input should be an absolute http or https URL of at most {URL_MAX_CHARACTERS} characters")
    if "@" in found["authority"]:
        raise ValueError(
            "Value error, a URL must not hold credentials, use webhook_auth_header_name and webhook_auth_header_value"
        )
    authority = AUTHORITY_PATTERN.fullmatch(found["authority"])
    try:
        if authority is None:
            raise ValueError("no host")
        host = host_key(authority["host"])
        port = int(authority["port"]) if authority["port"] else DEFAULT_PORTS[found["scheme"].lower()]
        with_port = host_key(host, port)
    except ValueError:
        raise ValueError("Value error, the URL has no valid host and port") from None
    if is_forbidden_address(host.strip("[]")):
        raise ValueError("Value error, link-local, metadata and other special addresses are never sent to")
    if host not in allowed and with_port not in allowed:
        raise ValueError(
            "Value error, this server does not send transcripts to that host; its operator allows hosts with "
            "AAI_WEBHOOK_ALLOWED_HOSTS"
        )
    return text


def checked_header_name(text: str) -> str:
    """Return the name of a header that may be sent along.

    Raises:
        ValueError: it is no header name, or one of the request's own.
    """
    if len(text) > HEADER_NAME_MAX_CHARACTERS or not HEADER_NAME_PATTERN.fullmatch(text):
        raise ValueError(f"Input should be an HTTP header name of at most {HEADER_NAME_MAX_CHARACTERS} characters")
    if text.lower() in REQUEST_HEADERS:
        raise ValueError(f"Value error, the header '{text}' belongs to the request itself")
    return text


def checked_header_value(text: str) -> str:
    """Return the value of a header that may be sent along.

    Raises:
        ValueError: it is too long, or holds line ends or other characters a header cannot carry.
    """
    if len(text) > HEADER_VALUE_MAX_CHARACTERS or not HEADER_VALUE_PATTERN.fullmatch(text):
        raise ValueError(
            f"Input should be at most {HEADER_VALUE_MAX_CHARACTERS} printable ASCII characters, without line ends"
        )
    return text


def is_forbidden_address(text: str) -> bool:
    """Say whether nothing is ever sent to an address; False for text that is no address.

    Forbidden are link-local and metadata addresses, and those that lead to no single machine. Loopback and private
    addresses are not: a receiver of a self-hosted stack usually is one, and the operator has named its host.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    address = _embedded(address) or address
    if address.is_loopback:
        return False
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or address in THIS_NETWORK
        or address in METADATA_ADDRESSES
    )


def _embedded(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address an IPv6 one leads to through mapping, 6to4 or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64_NETWORK or (address in IPV4_COMPATIBLE_NETWORK and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & IPV4_MASK)
    return address.ipv4_mapped or address.sixtofour
