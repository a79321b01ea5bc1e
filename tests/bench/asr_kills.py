"""Kill the ASR server twenty times under four sessions: how soon they go on, and whether a word was changed.

Run as ``python -m tests.bench.asr_kills``; exits 1 when the 95th percentile is above the goal or a transcript
differs from the undisturbed one.
"""

from __future__ import annotations

import asyncio
import statistics
import sys

from tests.support.asr_kills import recordings, transcribe_through_kills
from tests.support.machine import machine_line
from tests.support.private_stack import private_stack
from tests.support.streaming import transcribe

KILLS = 20
SESSIONS = 4
RECORDINGS = 24
GOAL_P95_S = 3.0


def main() -> int:
    """Measure, print, judge."""
    print(machine_line())
    audio = recordings(RECORDINGS)
    with private_stack() as stack:
        calm = asyncio.run(transcribe(stack.endpoint, audio, "sample_rate=16000&format_turns=true", speed=6))
        heard, kills = asyncio.run(transcribe_through_kills(stack, audio, KILLS, SESSIONS))
    print(f"{'kill':>4}  {'ASR server ready':>16}  sessions resumed after that")
    for number, kill in enumerate(kills, start=1):
        resumed = "  ".join(f"{seconds:5.2f} s" for seconds in kill.resumed_after_s)
        print(f"{number:>4}  {kill.healthy_after_s:>14.2f} s  {resumed}")
    resumed_s = [seconds for kill in kills for seconds in kill.resumed_after_s]
    p95_s = statistics.quantiles(resumed_s, n=20)[-1]
    print(f"resumed after: p50 {statistics.median(resumed_s):.2f} s, p95 {p95_s:.2f} s, goal {GOAL_P95_S:.0f} s")
    expected = [turn["transcript"] for turn in calm.finals]
    changed = sum([turn["transcript"] for turn in one.finals] != expected for one in heard)
    print(f"{len(expected)} turns each; {changed} of {SESSIONS} sessions differ from the undisturbed one")
    failed = p95_s > GOAL_P95_S or changed > 0
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
