"""HTTP JSON of the license-and-usage-proxy, as gateways, the console and operators' scripts read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LicenseState(StrEnum):
    """Value of ``state`` in ``/v1/status``; the words are part of the contract."""

    READY = "Ready"
    CONNECTED = "Connected"
    TRUST_BASED = "TrustBased"
    FAILED = "Failed"


# States in which gateways accept and keep sessions.
SERVING_STATES = frozenset({LicenseState.CONNECTED, LicenseState.TRUST_BASED})


class StatusResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``GET /v1/status``.

    Attributes:
        last_successful_checkin: UTC time as ``timestamp`` writes it, None before a first success.
        trust_expiration: when failing checks end in ``Failed``; same form.
    """

    state: LicenseState
    last_successful_checkin: str | None
    trust_expiration: str | None


class ErrorDetail(msgspec.Struct, frozen=True):
    """Why a request was not served.

    Attributes:
        code: stable lower-case word for programs.
        message: one sentence for people.
        retry_after_s: seconds after which the same request may succeed, None when waiting does not help.
    """

    code: str
    message: str
    retry_after_s: float | None = None


class ErrorResponse(msgspec.Struct, frozen=True):
    """Body of every answer that is not a success."""

    error: ErrorDetail


class LicenseDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Body of ``GET /v1/license`` on the admin socket: what an operator may know, nothing that could be replayed.

    Attributes:
        license_id: ``jti`` of the license that was last accepted; it and the facts below stay while checks fail.
        issued_at: UTC time as ``timestamp`` writes it, like every other time here.
        last_check_error: why the newest check failed, empty when it succeeded.
    """

    state: LicenseState
    last_successful_checkin: str | None
    trust_expiration: str | None
    last_check_error: str
    license_file: str
    public_keys_file: str
    license_id: str | None = None
    issuer: str | None = None
    customer_id: str | None = None
    customer_name: str | None = None
    billing_mode: str | None = None
    checkin_mode: str | None = None
    issued_at: str | None = None
    expires_at: str | None = None
    trust_window_s: int | None = None
    max_concurrent_sessions: int | None = None
    max_gateways: int | None = None
    max_session_s: int | None = None
    stacks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def timestamp(moment_us: int) -> str:
    """Write microseconds since the Unix epoch as ISO 8601 UTC, always with six decimals and ``Z``."""
    return (_EPOCH + timedelta(microseconds=moment_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_us(text: str) -> int:
    """Read what ``timestamp`` wrote back into microseconds since the Unix epoch.

    Raises:
        ValueError: the text has another form.
    """
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
