"""The query of the token endpoint, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.tokens import Grant
from services.gateway.token_request import TokenRequest, TokenRequestRefused, parse_token_request

INT_TEXT = "Input should be a valid integer, unable to parse string as an integer"


@pytest.mark.parametrize(
    ("query", "request_"),
    [
        ("expires_in_seconds=1", TokenRequest(1, 10_800)),
        ("expires_in_seconds=600&max_session_duration_seconds=60", TokenRequest(600, 60)),
        ("expires_in_seconds=60&max_session_duration_seconds=10800", TokenRequest(60, 10_800)),
        ("expires_in_seconds=60&max_session_duration_seconds=&other=x", TokenRequest(60, 10_800)),
        ("expires_in_seconds=1&expires_in_seconds=+7", TokenRequest(7, 10_800)),
    ],
)
def test_request_within_the_bounds_is_taken(query: str, request_: TokenRequest) -> None:
    """Bounds belong to what is accepted; the last value wins, unknown names are ignored."""
    assert parse_token_request(query) == request_


@pytest.mark.parametrize(
    ("query", "kind", "text", "value", "context"),
    [
        ("", "missing", "Field required", None, None),
        ("expires_in_seconds=", "missing", "Field required", None, None),
        ("expires_in_seconds=soon", "int_parsing", INT_TEXT, "soon", None),
        ("expires_in_seconds=1.5", "int_parsing", INT_TEXT, "1.5", None),
        ("expires_in_seconds=" + "9" * 30, "int_parsing", INT_TEXT, "9" * 30, None),
        ("expires_in_seconds=%C2%B2", "int_parsing", INT_TEXT, "²", None),
        (
            "expires_in_seconds=0", "greater_than_equal", "Input should be greater than or equal to 1", "0",
            {"ge": 1},
        ),
        (
            "expires_in_seconds=-3", "greater_than_equal", "Input should be greater than or equal to 1", "-3",
            {"ge": 1},
        ),
        ("expires_in_seconds=601", "less_than_equal", "Input should be less than or equal to 600", "601", {"le": 600}),
    ],
)  # fmt: skip
def test_bad_parameter_is_answered_in_the_documented_form(
    query: str, kind: str, text: str, value: str | None, context: dict[str, int] | None
) -> None:
    """Type, place, text, input, and the bound where there is one."""
    entry: dict[str, Any] = {"type": kind, "loc": ["query", "expires_in_seconds"], "msg": text, "input": value}
    with pytest.raises(TokenRequestRefused) as caught:
        parse_token_request(query)
    assert caught.value.detail == [entry if context is None else {**entry, "ctx": context}]


@pytest.mark.parametrize(("value", "kind"), [("59", "greater_than_equal"), ("10801", "less_than_equal")])
def test_every_bad_parameter_is_named(value: str, kind: str) -> None:
    """One entry each, in their order."""
    with pytest.raises(TokenRequestRefused) as caught:
        parse_token_request(f"max_session_duration_seconds={value}")
    assert [(one["loc"][1], one["type"]) for one in caught.value.detail] == [
        ("expires_in_seconds", "missing"), ("max_session_duration_seconds", kind),
    ]  # fmt: skip


def test_grant_lives_at_least_as_long_as_asked_for() -> None:
    """Fractions of the current second are given away."""
    assert TokenRequest(1, 60).grant("k", 1_000.2) == Grant(1_002, 60, "k")
