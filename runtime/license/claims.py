"""What a license says, as strict types: a claim of the wrong JSON type is refused, not converted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from runtime.catalog import Model, Stack

AUDIENCE = "aai-self-hosted-streaming"
LICENSE_TYPE = "aai-license+jwt"
AUTHORITY_PREFIX = "urn:aai:license-authority:"
CLAIMS_VERSION = 1
DAY_S = 86_400
TRUST_WINDOW_MAX_S = 30 * DAY_S
TRUST_WINDOW_DEFAULT_S = 4 * DAY_S
YEAR_3000_S = 32_503_680_000

Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Authority = Annotated[str, Meta(pattern=rf"^{AUTHORITY_PREFIX}[a-z0-9][a-z0-9._-]{{0,63}}\Z")]
Moment = Annotated[int, Meta(ge=0, le=YEAR_3000_S)]


class BillingMode(StrEnum):
    """How a customer pays; only ``usage`` needs usage reports."""

    FLAT = "flat"
    USAGE = "usage"


class BillingUnit(StrEnum):
    """What usage is counted in."""

    SESSION_MS = "session_ms"
    AUDIO_MS = "audio_ms"


class CheckinMode(StrEnum):
    """Whether a license has to be confirmed by its authority while in use."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


class Customer(msgspec.Struct, frozen=True):
    """Who the license was issued to."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]


class Billing(msgspec.Struct, frozen=True, omit_defaults=True):
    """How use is paid for; ``unit`` is required for ``usage``."""

    mode: BillingMode
    unit: BillingUnit | None = None


class Limits(msgspec.Struct, frozen=True):
    """What may run under the license at once, and for how long one session may last."""

    max_concurrent_sessions: Annotated[int, Meta(ge=1, le=1_000_000)]
    max_gateways: Annotated[int, Meta(ge=1, le=10_000)]
    max_session_s: Annotated[int, Meta(ge=1, le=DAY_S)]


class Checkin(msgspec.Struct, frozen=True):
    """How the license is confirmed by its authority."""

    mode: CheckinMode


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a license.

    Times are whole seconds since the Unix epoch. Claims not listed here are ignored, so that an
    authority may add some; ``ver`` changes when an old program must not accept a license.
    """

    iss: Authority
    aud: Literal["aai-self-hosted-streaming"]
    sub: Identifier
    jti: Identifier
    iat: Moment
    nbf: Moment
    exp: Moment
    ver: Literal[1]
    customer: Customer
    billing: Billing
    limits: Limits
    stacks: Annotated[tuple[Stack, ...], Meta(min_length=1)]
    models: Annotated[tuple[Model, ...], Meta(min_length=1)]
    trust_window_s: Annotated[int, Meta(ge=0, le=TRUST_WINDOW_MAX_S)]
    checkin: Checkin

    def __post_init__(self) -> None:
        """Check what concerns more than one claim."""
        if self.nbf >= self.exp:
            raise ValueError(f"nbf {self.nbf} is not before exp {self.exp}")
        if self.billing.mode is BillingMode.USAGE and self.billing.unit is None:
            raise ValueError("billing.unit is missing; usage billing needs one")
        for name, values in (("stacks", self.stacks), ("models", self.models)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names one value twice")
