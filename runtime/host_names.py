"""Host names with optional ports as operators list them, in one spelling each; pure."""

from __future__ import annotations

import ipaddress
import re

MAX_PORT = 65_535
NAME_MAX_CHARACTERS = 253
# Names as resolvers take them; an underscore occurs in container networks. No wildcard: matches are exact.
NAME_PATTERN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?")
ENTRY_PATTERN = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")


def parse_hosts(text: str) -> tuple[str, ...]:
    """Return the entries of a comma separated list as ``host`` or ``host:port``, in the form of ``host_key``.

    Raises:
        ValueError: naming the entry at fault.
    """
    return tuple(dict.fromkeys(_entry(part.strip()) for part in text.split(",") if part.strip()))


def host_key(host: str, port: int | None = None) -> str:
    """Return the one spelling of a host: lower case, no dot at the end, an IPv6 address shortest and in brackets.

    Raises:
        ValueError: neither a name nor an address.
    """
    if host.startswith("[") and host.endswith("]"):
        address = ipaddress.IPv6Address(host[1:-1])
        if address.scope_id is not None:
            raise ValueError("an address with a zone")
        key = f"[{address.compressed}]"
    elif len(host) <= NAME_MAX_CHARACTERS and NAME_PATTERN.fullmatch(host.lower()):
        key = host.lower().rstrip(".")
    else:
        raise ValueError("no host name")
    if port is None:
        return key
    if not 1 <= port <= MAX_PORT:
        raise ValueError("no port")
    return f"{key}:{port}"


def _entry(text: str) -> str:
    found = ENTRY_PATTERN.fullmatch(text)
    try:
        if found is None:
            raise ValueError("no host")
        return host_key(found["host"], int(found["port"]) if found["port"] else None)
    except ValueError:
        raise ValueError(
            f"'{text}' is no host name: write it without scheme, path and wildcard, an IPv6 address in brackets"
        ) from None
