"""Kill each program of a running stack in turn: seconds until the words of a recording come back.

Run as ``python -m tests.bench.recovery``; prints a table and exits 1 when a program takes longer than the
limit or another one was restarted with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time

from websockets.exceptions import WebSocketException

from tests.support.machine import machine_line
from tests.support.private_stack import PrivateStack, private_stack
from tests.support.streaming import sample_pcm, sample_text, transcribe, words_wrong

LIMIT_S = 10.0
SAMPLE = "weather.wav"
SPEED = 4.0
BYTES_PER_SECOND = 32_000
ROUNDS = 2


def pids(stack: PrivateStack) -> dict[str, int]:
    """Return the pid of every running process."""
    report = json.loads(stack.console("status", "--json").stdout)
    return {service["name"]: service["pid"] for service in report["data"]["services"] if service["pid"]}


async def seconds_to_recover(stack: PrivateStack, name: str) -> tuple[float, bool]:
    """Kill one program; return the seconds to a right transcript and whether the others kept their pids.

    The time the recording itself takes at the speed it is sent is not counted.
    """
    before = pids(stack)
    model = "multilingual" if name.endswith("multilang") else "english"
    pcm = sample_pcm(SAMPLE)
    os.kill(before[name], signal.SIGKILL)
    killed = time.monotonic()
    while True:
        try:
            heard = await transcribe(stack.endpoint, pcm, f"speech_model=universal-streaming-{model}", speed=SPEED)
        except (OSError, WebSocketException):
            continue  # not back yet
        if heard.close_code == 1000 and words_wrong(sample_text(SAMPLE), heard.text) <= 0.1:
            break
        if time.monotonic() - killed > 60:
            return float("inf"), False
    back_s = max(time.monotonic() - killed - len(pcm) / BYTES_PER_SECOND / SPEED, 0)
    after = await asyncio.to_thread(pids, stack)
    while after.get(name) in (None, before[name]):
        after = await asyncio.to_thread(pids, stack)
    return back_s, all(after[other] == pid for other, pid in before.items() if other != name)


def main() -> int:
    """Measure, print, judge."""
    failures = 0
    print(machine_line())
    print(f"{'killed program':28}{'transcribing again after':>26}  others untouched")
    with private_stack() as stack:
        for name in sorted(pids(stack)) * ROUNDS:
            if name == "supervisord":
                continue
            back_s, untouched = asyncio.run(seconds_to_recover(stack, name))
            failures += back_s > LIMIT_S or not untouched
            print(f"{name:28}{back_s:>24.1f} s  {'yes' if untouched else 'NO'}", flush=True)
    print(f"limit {LIMIT_S:.0f} s: {'passed' if not failures else f'{failures} FAILED'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
