"""Decide whether a license is genuine and valid. The algorithm comes from the pinned key, never from the token."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec
from jwt import PyJWS
from jwt.exceptions import DecodeError, InvalidTokenError, PyJWTError

from protos.license_v1 import timestamp
from runtime.errors import ConfigError
from runtime.license.claims import LICENSE_TYPE, Claims
from runtime.license.keys import FILE_LIMIT_BYTES, Algorithm, PinnedKey, find_key, load_public_keys, read_limited

# Header members that would let a token choose its own key (RFC 7515, 4.1.2 to 4.1.6).
KEY_CHOOSING_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"})

_JWS = PyJWS(algorithms=list(Algorithm))


class Verdict(IntEnum):
    """Outcome of a verification; the value is the exit code of ``aai-console license verify``."""

    VALID = 0
    UNTRUSTED = 2
    EXPIRED = 3
    NOT_YET_VALID = 4
    BAD_CLAIMS = 5
    REVOKED = 6
    UNREADABLE = 7


# What an operator can do about each outcome but the first.
HINTS: Mapping[Verdict, str] = {
    Verdict.UNTRUSTED: "use a license whose authority's key is pinned, or pin that key (LICENSE_PUBLIC_KEYS_PATH)",
    Verdict.EXPIRED: "put a renewed license there",
    Verdict.NOT_YET_VALID: "correct the clock of this machine or wait",
    Verdict.BAD_CLAIMS: "ask the authority for a license of this product",
    Verdict.REVOKED: "ask the authority for another license",
    Verdict.UNREADABLE: "put a license there or set LICENSE_FILE_PATH",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at a license found.

    Attributes:
        reason: one clause for people; empty when valid.
        claims: None unless the signature is genuine and the claims are well formed.
        kid: the pinned key that signed it, None when none did.
    """

    verdict: Verdict
    reason: str = ""
    claims: Claims | None = None
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a license says about itself. Nothing of it is verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    problem: str


def verify_token(
    token: bytes, keys: Sequence[PinnedKey], now_s: float, leeway_s: int, revoked: Collection[str] = frozenset()
) -> Verification:
    """Verify a license.

    Args:
        token: a compact JWS; white space around it is ignored.
        keys: the pinned keys.
        now_s: seconds since the Unix epoch.
        leeway_s: tolerated difference between our clock and the issuer's.
        revoked: identifiers (``jti``) of revoked licenses.
    """
    token = token.strip()
    if problem := _size_problem(token):
        return Verification(Verdict.UNREADABLE, problem)
    try:
        header = _JWS.get_unverified_header(token)
    except DecodeError as error:
        return Verification(Verdict.UNREADABLE, f"it is not a license: {_clause(error)}")
    except InvalidTokenError as error:
        return Verification(Verdict.UNTRUSTED, f"its header is refused: {_clause(error)}")
    key = _pinned_key_of(header, keys)
    if isinstance(key, Verification):
        return key
    try:
        payload = _JWS.decode(token, key.public_key, algorithms=[key.algorithm])
    except PyJWTError as error:
        return Verification(Verdict.UNTRUSTED, f"key {key.kid} did not sign it with {key.algorithm}: {_clause(error)}")
    if header.get("typ") != LICENSE_TYPE:
        reason = f"it is signed as {header.get('typ')!r}, not {LICENSE_TYPE!r}"
        return Verification(Verdict.BAD_CLAIMS, reason, kid=key.kid)
    return _judge(payload, key.kid, now_s, leeway_s, revoked)


def verify_files(
    license_file: Path, public_keys_file: Path, now_s: float, leeway_s: int, revoked: Collection[str] = frozenset()
) -> Verification:
    """Read a license and the pinned keys anew and verify; a file that cannot be read is a verdict, too.

    Args:
        license_file: the license.
        public_keys_file: JSON Web Key Set with the pinned keys.
        now_s: seconds since the Unix epoch.
        leeway_s: tolerated difference between our clock and the issuer's.
        revoked: identifiers (``jti``) of revoked licenses.
    """
    try:
        token = read_limited(license_file)
    except OSError as error:
        return Verification(Verdict.UNREADABLE, f"it cannot be read: {_cause(error)}")
    try:
        keys = load_public_keys(public_keys_file)
    except ConfigError as error:
        # Garbage is told as such whether or not there are keys.
        without_keys = verify_token(token, (), now_s, leeway_s)
        return (
            without_keys if without_keys.verdict is Verdict.UNREADABLE else Verification(Verdict.UNTRUSTED, str(error))
        )
    return verify_token(token, keys, now_s, leeway_s, revoked)


def inspect_token(token: bytes) -> Inspection | None:
    """Show what a token says about itself, unverified; None when it is no compact JWS with JSON inside."""
    token = token.strip()
    if _size_problem(token):
        return None
    try:
        parts = PyJWS().decode_complete(token, options={"verify_signature": False})
        claims = msgspec.json.decode(parts["payload"], type=dict[str, Any])
    except (InvalidTokenError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    parsed = parse_claims(parts["payload"])
    return Inspection(parts["header"], claims, parsed if isinstance(parsed, str) else "")


def parse_claims(payload: bytes) -> Claims | str:
    """Return the claims, or why they are refused."""
    try:
        return msgspec.json.decode(payload, type=Claims)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return str(error)


def _pinned_key_of(header: dict[str, Any], keys: Sequence[PinnedKey]) -> PinnedKey | Verification:
    if found := sorted(KEY_CHOOSING_HEADERS & header.keys()):
        return Verification(Verdict.UNTRUSTED, f"its header chooses a key by {found[0]!r}")
    if "crit" in header:
        return Verification(Verdict.UNTRUSTED, "its header has critical extensions; none are known")
    kid = header.get("kid")
    if not isinstance(kid, str):
        return Verification(Verdict.UNTRUSTED, "its header names no key")
    key = find_key(keys, kid)
    if key is None:
        pinned = ", ".join(each.kid for each in keys) or "none"
        return Verification(Verdict.UNTRUSTED, f"it names the key {kid[:64]!r}, which is not pinned (pinned: {pinned})")
    return key


def _judge(payload: bytes, kid: str, now_s: float, leeway_s: int, revoked: Collection[str]) -> Verification:
    claims = parse_claims(payload)
    if isinstance(claims, str):
        return Verification(Verdict.BAD_CLAIMS, f"a claim is refused: {claims}", kid=kid)
    if claims.jti in revoked:
        return Verification(Verdict.REVOKED, f"license {claims.jti} is revoked", claims, kid)
    if claims.exp <= now_s - leeway_s:
        return Verification(Verdict.EXPIRED, f"it expired at {timestamp(claims.exp * 1_000_000)}", claims, kid)
    first_s = max(claims.nbf, claims.iat)
    if first_s > now_s + leeway_s:
        return Verification(Verdict.NOT_YET_VALID, f"it is valid from {timestamp(first_s * 1_000_000)}", claims, kid)
    return Verification(Verdict.VALID, "", claims, kid)


def _size_problem(token: bytes) -> str:
    if not token:
        return "it is empty"
    return f"it is larger than {FILE_LIMIT_BYTES} bytes" if len(token) > FILE_LIMIT_BYTES else ""


def _clause(error: PyJWTError) -> str:
    text = str(error) or type(error).__name__
    return text[0].lower() + text[1:]


def _cause(error: OSError) -> str:
    return error.strerror or str(error)
