"""The error tree every program shares, split by who can act on a failure.

::

    AppError
    |-- ConfigError          operator: a setting or a file is wrong        exit 78
    |-- LicenseError         operator: the license does not allow to run    exit 78
    |-- EnvironmentFault     operator: a port, directory or package         exit 69
    |-- ClientError          client: WebSocket close code + Error frame
    |   |-- Unauthorized         1008
    |   |-- InvalidInput         3006
    |   |-- AudioViolation       3007
    |   `-- SessionExpired       3008
    |-- CapacityError        client may retry                               3009, RESOURCE_EXHAUSTED
    |-- UpstreamError        another program of the stack failed            3005, UNAVAILABLE
    `-- EngineError          a recogniser worker failed                     3005, INTERNAL
"""

from __future__ import annotations

from typing import ClassVar


class AppError(Exception):
    """Base of every error this product raises on purpose; its text is fit for an operator."""

    exit_code: ClassVar[int] = 1


class ConfigError(AppError):
    """A setting, or a file a setting points at, is not usable (EX_CONFIG)."""

    exit_code = 78


class LicenseError(AppError):
    """The license is missing, broken or not valid now."""

    exit_code = 78


class EnvironmentFault(AppError):
    """The machine lacks something: a free port, a writable directory, a package (EX_UNAVAILABLE)."""

    exit_code = 69


class ClientError(AppError):
    """The peer of a session did something the protocol forbids.

    ``str(error)`` is the text of the ``Error`` frame; ``close_code`` is both its code and the
    WebSocket close code.
    """

    close_code: ClassVar[int] = 3006


class Unauthorized(ClientError):
    """Missing or wrong credentials."""

    close_code = 1008


class InvalidInput(ClientError):
    """A bad query parameter, message or message field."""

    close_code = 3006


class AudioViolation(ClientError):
    """Audio frames too long, too short for too long, or far ahead of real time."""

    close_code = 3007


class SessionExpired(ClientError):
    """The session reached its maximum length."""

    close_code = 3008


class CapacityError(AppError):
    """Every slot is taken; the same request may succeed later."""

    close_code: ClassVar[int] = 3009


class UpstreamError(AppError):
    """Another program of the stack is unreachable or failed."""

    exit_code = 69
    close_code: ClassVar[int] = 3005


class EngineError(AppError):
    """A recogniser worker died or misbehaved; only its session is lost."""

    close_code: ClassVar[int] = 3005
