"""Where things lie inside AAI_HOME, said once for settings and supervision."""

from __future__ import annotations

from pathlib import Path


class HomeLayout:
    """Paths below ``home``, for classes that have one."""

    __slots__ = ()
    home: Path

    @property
    def run_dir(self) -> Path:
        """Directory of sockets and process state."""
        return self.home / "run"

    @property
    def metrics_dir(self) -> Path:
        """Directory of the counters the gateway workers share."""
        return self.run_dir / "metrics"

    @property
    def log_dir(self) -> Path:
        """Directory of the log files."""
        return self.home / "logs"
