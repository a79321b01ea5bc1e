"""Issue licenses: complete an order to claims, check them like a verifier would, sign and record them."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWS

from protos.license_v1 import timestamp
from runtime.catalog import Model, Stack, models_of
from runtime.errors import ConfigError, EnvironmentFault
from runtime.license.claims import (
    AUDIENCE,
    AUTHORITY_PREFIX,
    CLAIMS_VERSION,
    DAY_S,
    LICENSE_TYPE,
    TRUST_WINDOW_DEFAULT_S,
    BillingMode,
    BillingUnit,
    CheckinMode,
    Claims,
)
from runtime.license.keys import Algorithm, key_id

# A license that is never confirmed cannot be revoked remotely; its life is the only limit.
UNCONFIRMED_MAX_DAYS = 400
ISSUE_LOG_NAME = "issued-licenses.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseOrder:
    """What a customer ordered; everything else of a license follows from it.

    Attributes:
        days: life from the moment of issue.
        models: the models of ``stacks`` when None.
        checkin: ``required`` for usage billing, ``none`` for flat when None.
        authority: last part of the issuer's name.
    """

    customer_id: str
    customer_name: str
    days: int
    max_concurrent_sessions: int
    billing: BillingMode = BillingMode.FLAT
    stacks: tuple[Stack, ...] = tuple(Stack)
    models: tuple[Model, ...] | None = None
    max_gateways: int = 8
    max_session_s: int = 10_800
    trust_window_s: int = TRUST_WINDOW_DEFAULT_S
    checkin: CheckinMode | None = None
    authority: str = "local"


@dataclass(frozen=True, slots=True)
class IssuedLicense:
    """A signed license and what it says."""

    token: str
    claims: Claims
    kid: str


class _IssueRecord(msgspec.Struct, frozen=True, kw_only=True):
    issued_at: str
    expires_at: str
    jti: str
    sub: str
    customer: str
    billing: str
    sessions: int
    kid: str
    license_sha256: str


def issue_license(order: LicenseOrder, key: Ed25519PrivateKey, now_s: int) -> IssuedLicense:
    """Sign a license.

    Args:
        order: what it allows.
        key: the authority's signing key.
        now_s: seconds since the Unix epoch; it is valid from then on.

    Raises:
        ConfigError: the order is out of bounds.
    """
    claims = _claims_of(order, now_s)
    header = {"kid": key_id(key.public_key()), "typ": LICENSE_TYPE}
    token = PyJWS().encode(msgspec.json.encode(claims), key, algorithm=Algorithm.EDDSA, headers=header)
    return IssuedLicense(token, claims, header["kid"])


def record_issue(directory: Path, issued: IssuedLicense) -> Path:
    """Append one line about a license to the issue log beside the signing key; return the log's path.

    Raises:
        EnvironmentFault: the log cannot be written.
    """
    path = directory / ISSUE_LOG_NAME
    claims = issued.claims
    record = _IssueRecord(
        issued_at=timestamp(claims.iat * 1_000_000),
        expires_at=timestamp(claims.exp * 1_000_000),
        jti=claims.jti,
        sub=claims.sub,
        customer=claims.customer.name,
        billing=claims.billing.mode,
        sessions=claims.limits.max_concurrent_sessions,
        kid=issued.kid,
        license_sha256=hashlib.sha256(issued.token.encode()).hexdigest(),
    )
    try:
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            file.flush()
            os.fsync(number)
    except OSError as error:
        raise EnvironmentFault(f"cannot write the issue log {path}: {error.strerror or error}") from error
    return path


def _claims_of(order: LicenseOrder, now_s: int) -> Claims:
    checkin = order.checkin
    if checkin is None:
        checkin = CheckinMode.REQUIRED if order.billing is BillingMode.USAGE else CheckinMode.NONE
    if checkin is CheckinMode.NONE and order.days > UNCONFIRMED_MAX_DAYS:
        raise ConfigError(
            f"{order.days} days is too long for a license without check-in, which cannot be revoked remotely; "
            f"at most {UNCONFIRMED_MAX_DAYS} are allowed"
        )
    models = order.models
    if models is None:
        models = tuple(dict.fromkeys(model for stack in order.stacks for model in models_of(stack)))
    billing = {"mode": order.billing}
    claims = {
        "iss": AUTHORITY_PREFIX + order.authority,
        "aud": AUDIENCE,
        "sub": order.customer_id,
        "jti": f"lic_{secrets.token_hex(10)}",
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + order.days * DAY_S,
        "ver": CLAIMS_VERSION,
        "customer": {"name": order.customer_name},
        "billing": billing | ({"unit": BillingUnit.SESSION_MS} if order.billing is BillingMode.USAGE else {}),
        "limits": {
            "max_concurrent_sessions": order.max_concurrent_sessions,
            "max_gateways": order.max_gateways,
            "max_session_s": order.max_session_s,
        },
        "stacks": order.stacks,
        "models": models,
        "trust_window_s": order.trust_window_s,
        "checkin": {"mode": checkin},
    }
    try:
        return msgspec.convert(claims, Claims)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the license would be refused: {error}") from error
