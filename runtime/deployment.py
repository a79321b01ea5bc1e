"""Which models this host serves right now: one small file, written by the lifecycle library alone.

Gateway and router read it when they start and whenever their admin socket gets
``POST /deployment/reload``; so a stack can be switched under a running gateway.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from runtime.catalog import Model, Stack, models_of
from runtime.errors import ConfigError
from runtime.private_files import atomic_write_private

FILE_NAME = "deployment.json"


class Deployment(msgspec.Struct, frozen=True):
    """What new sessions may use.

    Attributes:
        stack: the stack that is up, or being brought up; None when there is none.
        serving: models whose backends are ready for new sessions.
        draining: models whose open sessions run on, but which take no new ones.
        starting: models whose backends are being started.
    """

    stack: Stack | None
    serving: tuple[Model, ...]
    draining: tuple[Model, ...] = ()
    starting: tuple[Model, ...] = ()


def whole_stack(stack: Stack) -> Deployment:
    """Return the deployment in which every model of a stack serves."""
    return Deployment(stack, models_of(stack))


def read_deployment(run_dir: Path) -> Deployment:
    """Return the current deployment; the universal stack when nothing was ever written.

    Raises:
        ConfigError: the file exists but is not a deployment.
    """
    path = run_dir / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Deployment)
    except FileNotFoundError:
        return whole_stack(Stack.UNIVERSAL)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot use {path}: {error}; `aai-console down` and `up` write it anew") from error


def write_deployment(run_dir: Path, deployment: Deployment) -> None:
    """Replace the file in one step; readers see the old or the new one."""
    atomic_write_private(run_dir / FILE_NAME, msgspec.json.encode(deployment))
