"""The program aai-console."""

from __future__ import annotations

import resource
import sys
from typing import NoReturn

from tui.cli import run_command


def main() -> NoReturn:
    """Run the command line of this process and end with its exit code."""
    # A core dump would hold audio and text; supervisord inherits this.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
