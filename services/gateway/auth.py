"""Pure: which credentials open a session, whose session it is, and who may fetch a token."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from protos.session_v3 import Text
from runtime.api_keys import ApiKey, hash_key
from runtime.errors import Unauthorized
from runtime.tokens import DEFAULT_MAX_SESSION_S, OPERATOR, Grant, open_token

BEARER = "bearer "


class AuthMode(StrEnum):
    """What a client has to show: anything, a key or a token of ours, or only a token of ours."""

    COMPAT = "compat"
    KEYS = "keys"
    TOKEN = "token"  # noqa: S105 - the name of a mode


@dataclass(frozen=True, slots=True)
class Principal:
    """Who opens a session.

    Attributes:
        label: of the key, directly or through a token; "" when keys are not checked, and for the operator.
        max_sessions: sessions the key may have open on this host at once; None for no limit.
        max_session_s: longest session it opens.
    """

    label: str = ""
    max_sessions: int | None = None
    max_session_s: int = DEFAULT_MAX_SESSION_S


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client showed.

    Attributes:
        header: the ``Authorization`` value without ``Bearer``; "" when there was none.
        token: of the query string; "" when there was none.
        shown: there was something, be it only the word ``Bearer``.
    """

    header: str = ""
    token: str = ""
    shown: bool = False

    @classmethod
    def of(cls, authorization: str, token: str) -> Credentials:
        """Read an ``Authorization`` value and a ``token`` parameter, "" for those that are absent."""
        header, token = authorization.strip(), token.strip()
        shown = bool(header or token)
        if f"{header} ".lower().startswith(BEARER):
            header = header[len(BEARER) :].strip()
        return cls(header, token, shown)


@dataclass(frozen=True, slots=True)
class Rules:
    """What credentials are checked against.

    Attributes:
        secret: signs our tokens.
    """

    mode: AuthMode
    keys: Sequence[ApiKey]
    secret: bytes


def authenticate(credentials: Credentials, rules: Rules, now_s: float) -> Principal:
    """Return who opens a session; of header and token either may be the good one.

    Raises:
        Unauthorized: nothing was shown, or nothing that counts.
    """
    if not credentials.shown:
        raise Unauthorized(Text.MISSING_AUTHORIZATION)
    refusal: Unauthorized | None = None
    for value in (credentials.header, credentials.token):
        if not value:
            continue
        grant = open_token(value, rules.secret)
        try:
            if grant is not None:
                return _principal_of_grant(grant, rules, now_s)
            if rules.mode is AuthMode.KEYS and value == credentials.header:
                return _principal_of_key(find_key(value, rules.keys))
        except Unauthorized as error:
            # That a token is over says more than that another value is unknown.
            refusal = error if refusal is None or str(error) == Text.TOKEN_EXPIRED else refusal
    if refusal is not None:
        raise refusal
    if rules.mode is AuthMode.COMPAT:
        return Principal()
    raise Unauthorized(Text.INVALID_API_KEY)


def fetching_key(credentials: Credentials, rules: Rules) -> str:
    """Return the fingerprint of the key that asks for a token; "" when keys are not checked.

    Where they are, a token fetches no token.

    Raises:
        Unauthorized: the ``Authorization`` header is missing or holds no key.
    """
    if not credentials.shown:
        raise Unauthorized(Text.MISSING_AUTHORIZATION)
    return "" if rules.mode is AuthMode.COMPAT else find_key(credentials.header, rules.keys).fingerprint


def find_key(value: str, keys: Iterable[ApiKey]) -> ApiKey:
    """Return the key a text is; every key is compared, in constant time, whichever fits.

    Raises:
        Unauthorized: none fits.
    """
    digest = hash_key(value)
    found = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
    if not found:
        raise Unauthorized(Text.INVALID_API_KEY)
    return found[0]


def _principal_of_key(key: ApiKey) -> Principal:
    return Principal(key.label, key.max_sessions)


def _principal_of_grant(grant: Grant, rules: Rules, now_s: float) -> Principal:
    if now_s >= grant.expires_at_s:
        raise Unauthorized(Text.TOKEN_EXPIRED)
    if rules.mode is AuthMode.COMPAT or grant.key == OPERATOR:
        return Principal(max_session_s=grant.max_session_s)
    # A token goes with its key: one revoked, or fetched while keys were not checked, opens nothing.
    key = next((key for key in rules.keys if key.fingerprint == grant.key), None)
    if key is None:
        raise Unauthorized(Text.INVALID_API_KEY)
    return Principal(key.label, key.max_sessions, grant.max_session_s)
