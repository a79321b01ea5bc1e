"""The line every measurement carries: what machine produced it."""

from __future__ import annotations

import datetime as dt
import os
import platform
from pathlib import Path

import psutil


def machine_line() -> str:
    """Return date, processor, cores, memory, system and Python in one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory_gib = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0))
    today = dt.datetime.now(dt.UTC).date().isoformat()
    return (
        f"{today}, {model}, {cores} cores, {memory_gib:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
