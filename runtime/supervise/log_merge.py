"""The lines of several logs in the order of their times; lines without a time stay with the one before them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

# (name of the log, line)
NamedLine: TypeAlias = tuple[str, str]

# Ours are UTC with a Z, supervisord's are local time with a comma.
STAMP = re.compile(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?(Z?)")
JSON_STAMP = re.compile(r'^\{.*?"timestamp":\s*"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?(Z?)"')
BEFORE_ALL_S = 0.0


class LogMerger:
    """Merges what several logs hold, batch after batch; a line never moves before an earlier one of its own log."""

    def __init__(self) -> None:
        """Start without a time for any log."""
        self._newest_s: dict[str, float] = {}

    def merge(self, batch: Mapping[str, Sequence[str]]) -> list[NamedLine]:
        """Return the lines of a batch by time; equal times stay in the order of the logs.

        Args:
            batch: new lines by the name of their log.
        """
        timed = [
            (at_s, (name, line))
            for name, lines in batch.items()
            for at_s, line in zip(self._times(name, lines), lines, strict=True)
        ]
        return [line for _, line in sorted(timed, key=lambda one: one[0])]

    def _times(self, name: str, lines: Sequence[str]) -> list[float]:
        stamps = [line_time_s(line) for line in lines]
        # What comes before the first time, such as the end of a traceback, belongs right before that line.
        first_s = next((stamp for stamp in stamps if stamp is not None), BEFORE_ALL_S)
        now_s = self._newest_s.get(name, first_s)
        times = []
        for stamp in stamps:
            now_s = now_s if stamp is None else max(stamp, now_s)
            times.append(now_s)
        if times:
            self._newest_s[name] = now_s
        return times


def line_time_s(line: str) -> float | None:
    """Return the Unix time a log line begins with, None for a line without one."""
    found = STAMP.match(line) or JSON_STAMP.match(line)
    if found is None:
        return None
    day, time, fraction, zone = found.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time}.{(fraction or '0'):0<6}{zone}").timestamp()
    except ValueError:
        return None


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return a short label for each log: the number alone for workers of one program, nothing for a single log."""
    if len(names) == 1:
        return {names[0]: ""}
    programs = {name.rpartition("-")[0] for name in names}
    numbers = {name: name.rpartition("-")[2] for name in names}
    if len(programs) == 1 and all(number.isdigit() for number in numbers.values()):
        return numbers
    return {name: name for name in names}
