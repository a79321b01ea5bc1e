"""What may be asked of ``GET /v3/token``. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from runtime.tokens import DEFAULT_MAX_SESSION_S, Grant

EXPIRES_IN_RANGE_S = (1, 600)
SESSION_DURATION_RANGE_S = (60, 10_800)
# What int() reads without a second thought.
DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The query of ``GET /v3/token``, checked."""

    expires_in_s: int
    max_session_s: int

    def grant(self, key: str, now_s: float) -> Grant:
        """Return what to sign; the token lives at least as long as was asked for."""
        return Grant(math.ceil(now_s) + self.expires_in_s, self.max_session_s, key)


class TokenRequestRefused(Exception):
    """The query is not accepted.

    Attributes:
        detail: one entry per bad parameter, in the form web frameworks of the vendor's service answer.
    """

    def __init__(self, detail: list[dict[str, Any]]) -> None:
        """Remember what is wrong."""
        super().__init__(detail)
        self.detail = detail


def parse_token_request(query: str) -> TokenRequest:
    """Parse the query; unknown names are ignored, empty values count as absent, the last of a repeated name wins.

    Raises:
        TokenRequestRefused: a parameter is missing or bad.
    """
    given = {name: value for name, value in parse_qsl(query, keep_blank_values=True) if value}
    detail: list[dict[str, Any]] = []
    expires_in_s = _whole(given, "expires_in_seconds", EXPIRES_IN_RANGE_S, None, detail)
    max_session_s = _whole(
        given, "max_session_duration_seconds", SESSION_DURATION_RANGE_S, DEFAULT_MAX_SESSION_S, detail
    )
    if detail:
        raise TokenRequestRefused(detail)
    return TokenRequest(expires_in_s, max_session_s)


def _whole(
    given: dict[str, str], name: str, bounds: tuple[int, int], default: int | None, detail: list[dict[str, Any]]
) -> int:
    """Return one whole number; note what is wrong with it and return 0 when it is not accepted."""

    def refuse(kind: str, text: str, value: str | None, **context: int) -> int:
        entry: dict[str, Any] = {"type": kind, "loc": ["query", name], "msg": text, "input": value}
        detail.append({**entry, "ctx": context} if context else entry)
        return 0

    value = given.get(name)
    if value is None:
        return refuse("missing", "Field required", None) if default is None else default
    digits = value.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX):
        return refuse("int_parsing", "Input should be a valid integer, unable to parse string as an integer", value)
    number, (low, high) = int(value), bounds
    if number < low:
        return refuse("greater_than_equal", f"Input should be greater than or equal to {low}", value, ge=low)
    if number > high:
        return refuse("less_than_equal", f"Input should be less than or equal to {high}", value, le=high)
    return number
