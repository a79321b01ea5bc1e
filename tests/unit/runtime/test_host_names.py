"""Lists of hosts, and the one spelling of each."""

from __future__ import annotations

import pytest

from runtime.host_names import host_key, parse_hosts


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", ()),
        (" , ", ()),
        ("hooks.example.com", ("hooks.example.com",)),
        ("Hooks.Example.COM., hooks.example.com", ("hooks.example.com",)),
        ("a:8080,b:1,c:65535", ("a:8080", "b:1", "c:65535")),
        ("10.0.0.5:8443, localhost", ("10.0.0.5:8443", "localhost")),
        ("[0:0:0:0:0:0:0:1]:9000,[FD00::2]", ("[::1]:9000", "[fd00::2]")),
        ("my_container", ("my_container",)),
    ],
)
def test_hosts_are_listed_in_one_spelling(text: str, hosts: tuple[str, ...]) -> None:
    """Letter case, a dot at the end and long addresses make no difference; each is there once."""
    assert parse_hosts(text) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com", "example.com/path", "*.example.com", "*", "user@example.com", "example.com:", ":80",
        "example.com:0", "example.com:65536", "example.com:x", "::1", "[::1", "[fe80::1%eth0]", "[]", "[1.2.3.4]",
        "a b", "münchen.de", "a..b", ".a", "-a", "a-", "x" * 64, "a." * 127 + "a", "host;other",
    ],
)  # fmt: skip
def test_hosts_bad_entry_is_named(text: str) -> None:
    """What is no host name, port or bracketed address."""
    with pytest.raises(ValueError, match="is no host name") as caught:
        parse_hosts(f"good.example,{text}")
    assert f"'{text}'" in str(caught.value)


def test_host_key_joins_host_and_port() -> None:
    """For looking a URL up in such a list."""
    assert host_key("EXAMPLE.com.", 443) == "example.com:443"
    assert host_key("[::0001]", 80) == "[::1]:80"
