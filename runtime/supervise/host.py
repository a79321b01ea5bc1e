"""One AAI_HOME as operations and observers see it: its site, its deployment, its supervisord."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from runtime.catalog import Stack
from runtime.deployment import FILE_NAME as DEPLOYMENT_FILE
from runtime.deployment import Deployment, read_deployment
from runtime.settings import ConsoleSettings, default_home
from runtime.supervise.client import SupervisorClient
from runtime.supervise.plan import Site, site_from_settings
from runtime.supervise.stack_state import read_stack_state


class Host:
    """Where one stack lives; cheap to make, safe to use from several threads."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        """Look at one home.

        Args:
            home: AAI_HOME, absolute.
            environment: variables that settings are read from.
        """
        self.home = home
        self.run_dir = home / "run"
        self.client = SupervisorClient(self.run_dir / "supervisor.sock")
        self.environment = dict(environment)

    @classmethod
    def open(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return the host AAI_HOME names, the default one without it; ``os.environ`` unless given others."""
        given = os.environ if environment is None else environment
        home = Path(given["AAI_HOME"]) if given.get("AAI_HOME") else default_home()
        return cls(home.expanduser().absolute(), given)

    def settings(self) -> ConsoleSettings:
        """Read the settings a new start would use.

        Raises:
            ConfigError: a bad value or an unknown ``AAI_*`` name.
        """
        return ConsoleSettings.load({**self.environment, "AAI_HOME": str(self.home)})

    def configured_site(self) -> Site:
        """Return the site a new start would have.

        Raises:
            ConfigError: a setting is bad.
        """
        return site_from_settings(self.settings(), Path(sys.executable).parent)

    def site(self) -> Site:
        """Return the site of the running stack; the configured one when none runs.

        Raises:
            ConfigError: a setting is bad, or the record of the running stack is.
        """
        state = read_stack_state(self.run_dir)
        return state.site if state else self.configured_site()

    def deployment(self) -> Deployment:
        """Return what serves now.

        Raises:
            ConfigError: the deployment file is broken.
        """
        if not (self.run_dir / DEPLOYMENT_FILE).exists():
            return Deployment(None, ())
        return read_deployment(self.run_dir)

    def stack(self) -> Stack | None:
        """Return the stack that is up or being brought up; None when there is none."""
        return self.deployment().stack
