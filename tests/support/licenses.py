"""Licenses for tests: good ones, and ones forged the way an attacker would."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt import PyJWS
from jwt.utils import base64url_encode

from runtime.license import LicenseOrder, issue_license, key_id, pin, public_keys_document

NOW_S = 1_760_000_000


def order(**changes: Any) -> LicenseOrder:
    """Return an order for a valid license with some fields changed."""
    fields: dict[str, Any] = {
        "customer_id": "cust_7Q2", "customer_name": "Acme", "days": 30, "max_concurrent_sessions": 5,
    }  # fmt: skip
    return LicenseOrder(**(fields | changes))


def claims_of_valid(key: Ed25519PrivateKey, now_s: int = NOW_S) -> dict[str, Any]:
    """Return the claims of a valid license as a plain dictionary."""
    found: dict[str, Any] = msgspec.to_builtins(issue_license(order(), key, now_s).claims)
    return found


def sign(
    claims: dict[str, Any] | bytes, key: Ed25519PrivateKey | RSAPrivateKey, header: dict[str, Any] | None = None
) -> bytes:
    """Sign any claims, right or wrong, with a key that is really used by the authority."""
    payload = claims if isinstance(claims, bytes) else msgspec.json.encode(claims)
    base = {"kid": key_id(key.public_key()), "typ": "aai-license+jwt"}
    algorithm = "EdDSA" if isinstance(key, Ed25519PrivateKey) else "RS256"
    return PyJWS().encode(payload, key, algorithm=algorithm, headers=base | (header or {})).encode()


def assemble(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> bytes:
    """Put a token together without a signing library."""
    parts = (msgspec.json.encode(header), msgspec.json.encode(claims), signature)
    return b".".join(base64url_encode(part) for part in parts)


def sign_hmac(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> bytes:
    """Sign with HS256, keyed with whatever the attacker knows."""
    signing_input = assemble(header, claims).rsplit(b".", 1)[0]
    return signing_input + b"." + base64url_encode(hmac.new(secret, signing_input, hashlib.sha256).digest())


def write_license(home: Path, key: Ed25519PrivateKey, now_s: int, **changes: Any) -> Path:
    """Write a valid license and its public key into a directory; return the license's path."""
    path = home / "license.jwt"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(issue_license(order(**changes), key, now_s).token)
    (home / "license-public-keys.json").write_bytes(public_keys_document([pin(key.public_key())]))
    return path
