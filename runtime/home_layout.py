"""Where things lie inside AAI_HOME, said once for settings and supervision."""

from __future__ import annotations

from pathlib import Path

METRICS_DIR = "metrics"
SESSIONS_DIR = "sessions"
# Directories of the run directory in which the gateway workers count together; a new start begins with none.
COUNTING_DIRS = (METRICS_DIR, SESSIONS_DIR)


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
        return self.run_dir / METRICS_DIR

    @property
    def sessions_dir(self) -> Path:
        """Directory of the locks that stand for open sessions."""
        return self.run_dir / SESSIONS_DIR

    @property
    def log_dir(self) -> Path:
        """Directory of the log files."""
        return self.home / "logs"
