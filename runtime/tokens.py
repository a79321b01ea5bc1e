"""Signed tokens: what one grants, and whether it is ours. Pure; the time is passed in.

A token is ``aai-local.<payload>.<signature>``, both parts base64url without padding: JSON, and its
HMAC-SHA256. There is one algorithm, so no header names one.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

PREFIX = "aai-local."
DEFAULT_MAX_SESSION_S = 10_800
# A signed token is far shorter; longer text is not worth hashing.
MAX_CHARACTERS = 1_024
# Stands for a key in tokens of this host's own operator; no fingerprint of a key looks like it.
OPERATOR = "operator"


class Grant(msgspec.Struct, frozen=True):
    """What a token allows.

    Attributes:
        expires_at_s: Unix time from which on it opens no session.
        max_session_s: longest session it opens.
        key: fingerprint of the key that fetched it, "operator", or "" when keys were not checked.
    """

    expires_at_s: int
    max_session_s: int = DEFAULT_MAX_SESSION_S
    key: str = ""


def sign(grant: Grant, secret: bytes) -> str:
    """Return the token of a grant."""
    payload = _encode(msgspec.json.encode(grant))
    return f"{PREFIX}{payload}.{_encode(_signature(payload, secret))}"


def open_token(token: str, secret: bytes) -> Grant | None:
    """Return what a token of ours grants, expired or not; None for any other text."""
    if not token.startswith(PREFIX) or len(token) > MAX_CHARACTERS or not token.isascii():
        return None
    payload, separator, signature = token.removeprefix(PREFIX).partition(".")
    if not separator or not hmac.compare_digest(_encode(_signature(payload, secret)), signature):
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Grant)
    except ValueError:
        return None


def _signature(payload: str, secret: bytes) -> bytes:
    return hmac.digest(secret, f"{PREFIX}{payload}".encode(), hashlib.sha256)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
