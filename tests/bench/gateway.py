"""What one gateway worker costs: processor time per audio frame, sessions per core, memory, 10,000 idle sockets.

One real ``streaming-api`` worker has a core of its own; load, recogniser and license proxy share another. The
recogniser is a trivial one, so that nothing but the gateway is measured. A bare echo server on the same WebSocket
library takes turns with it under the same load: the ratio of the two holds on other machines, the figures do not.
Run as ``python -m tests.bench.gateway``. Exit code 1: a goal is missed; 2: it cannot be measured here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import uvloop

from tests.bench.gateway_subjects import NotMeasurableError, Subject, Surroundings, bare_echo, gateway, surroundings
from tests.bench.websocket_load import Pacer, open_clients
from tests.support.machine import machine_line

GOAL_SESSIONS_PER_CORE = 160
LATER_GOAL_SESSIONS_PER_CORE = 320
GOAL_IDLE_KIB = 25.0
GOAL_FIRST_PARTIAL_RATIO = 1.2
JUDGED_LOAD = (50, 160)
LOADS = ((50, 100), JUDGED_LOAD, (100, 160))  # frame length in ms, sessions
SUBJECTS = (gateway, bare_echo)
# A busier load generator sends late, and then measures itself.
MAX_LOAD_BUSY = 0.85
# Fewer answers than the audio is worth: the worker did not keep up, and its cost per frame means nothing.
MIN_ANSWERED = 0.98
WARM_UP_S = 2.0
ANSWER_LIMIT_S = 30.0
ANSWERS_PER_S = 5
PATH = "/v3/ws?sample_rate=16000&encoding=pcm_s16le&format_turns=true"
IDLE_DESCRIPTORS_BESIDE = 500
PROBES = 40
PROBE_FRAME_MS, FRAMES_OF_PROBE = 50, 4
EXIT_MISSED = 1
EXIT_NOT_MEASURABLE = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement.

    Attributes:
        frame_us: processor time per audio frame, everything included.
        busy: of the subject's core.
        others_busy: of the subject's core, by other processes; what they delay is done in larger, cheaper batches.
        load_busy: of the core that load, recogniser and proxy share.
        answered: Turns received, as a part of those the audio is worth.
        p50_ms: from sending the frame that completes 200 ms to its Turn, half of them.
        stalls: frames that could not be sent in time.
    """

    subject: str
    frame_ms: int
    sessions: int
    frame_us: float
    sessions_per_core: float
    busy: float
    others_busy: float
    session_kib: float
    p50_ms: float
    answered: float
    load_busy: float
    stalls: int

    @property
    def invalid_because(self) -> str:
        """Why it means nothing here; "" when it does."""
        if self.load_busy > MAX_LOAD_BUSY:
            return f"load generator busy {self.load_busy:.2f}, at most {MAX_LOAD_BUSY} counts"
        return f"{self.stalls} frames were sent late" if self.stalls else ""


@dataclass(frozen=True, slots=True)
class NewSession:
    """What one more session waits; medians.

    Attributes:
        begin_ms: from dialling to Begin.
        partial_ms: from sending the frame that completes 200 ms to the first partial.
    """

    begin_ms: float
    partial_ms: float


@dataclass(frozen=True, slots=True)
class Idle:
    """What sockets cost that say nothing.

    Attributes:
        open_us: processor time per socket opened.
        socket_kib: resident memory per socket, after Begin and before the first audio.
        busy: of the gateway's core while pings keep the sockets alive.
        alone: a new session with no other one.
        crowded: the same beside the idle sockets.
    """

    sockets: int
    open_s: float
    open_us: float
    socket_kib: float
    busy: float
    lost: int
    alone: NewSession
    crowded: NewSession


async def rehearse(subject: Subject) -> None:
    """Have one session say a turn, so that what is loaded once is not charged to the sessions measured."""
    [client] = await open_clients(subject.port, PATH, 1, frame_ms=50)
    pacer = Pacer([client], 50)
    pacer.start()
    try:
        await asyncio.wait_for(client.first_turn, ANSWER_LIMIT_S)
    finally:
        pacer.stop()
        client.drop()


async def measure(around: Surroundings, subject: Subject, frame_ms: int, sessions: int, window_s: float) -> Cell:
    """Load a subject with sessions in real time, and account a window of it."""
    await rehearse(subject)
    empty_kib = subject.resident_kib()
    clients = await open_clients(subject.port, PATH, sessions, frame_ms=frame_ms)
    pacer = Pacer(clients, frame_ms)
    pacer.start()
    await asyncio.sleep(WARM_UP_S)
    pacer.reset()
    cpu_s, load_s, core_s, started_s = subject.cpu_s(), around.load_cpu_s(), around.core_s(), time.monotonic()
    await asyncio.sleep(window_s)
    tally, passed_s = pacer.tally(), time.monotonic() - started_s
    cpu_s, load_s, core_s = subject.cpu_s() - cpu_s, around.load_cpu_s() - load_s, around.core_s() - core_s
    full_kib = subject.resident_kib()
    pacer.stop()
    causes = [client.cause for client in clients if client.ended]
    for client in clients:
        client.drop()
    if causes:
        raise ConnectionError(f"{len(causes)} of {sessions} sessions ended early: {causes[0]}")
    return Cell(
        subject=subject.name,
        frame_ms=frame_ms,
        sessions=sessions,
        frame_us=cpu_s / tally.sent * 1e6,
        sessions_per_core=sessions / (cpu_s / passed_s),
        busy=cpu_s / passed_s,
        others_busy=max(0.0, core_s - cpu_s) / passed_s,
        session_kib=(full_kib - empty_kib) / sessions,
        p50_ms=statistics.median(tally.latencies_s or [float("inf")]) * 1000,
        answered=tally.turns / (sessions * ANSWERS_PER_S * passed_s),
        load_busy=load_s / passed_s,
        stalls=tally.stalls,
    )


async def measure_idle(around: Surroundings, sockets: int, idle_s: float) -> Idle:
    """Open sockets that stay silent, and stay with them for a while.

    Raises:
        NotMeasurableError: this process may not have so many open files.
    """
    async with gateway(around) as subject:
        raise_descriptor_limit(sockets + IDLE_DESCRIPTORS_BESIDE)  # our own: the gateway raises its own
        await rehearse(subject)
        alone = await new_session(subject)
        empty_kib, cpu_s, started_s = subject.resident_kib(), subject.cpu_s(), time.monotonic()
        clients = await open_clients(subject.port, PATH, sockets, frame_ms=PROBE_FRAME_MS)
        await asyncio.wait_for(asyncio.gather(*(client.begun for client in clients)), ANSWER_LIMIT_S)
        open_s = time.monotonic() - started_s
        open_us = (subject.cpu_s() - cpu_s) / sockets * 1e6
        cpu_s, started_s = subject.cpu_s(), time.monotonic()
        await asyncio.sleep(idle_s)
        busy = (subject.cpu_s() - cpu_s) / (time.monotonic() - started_s)
        socket_kib = (subject.resident_kib() - empty_kib) / sockets
        crowded = await new_session(subject)
        lost = sum(client.ended for client in clients)
        for client in clients:
            client.drop()
        return Idle(sockets, open_s, open_us, socket_kib, busy, lost, alone, crowded)


async def new_session(subject: Subject) -> NewSession:
    """Have sessions begin and speak one after the other."""
    begins_ms, partials_ms = [], []
    for _ in range(PROBES):
        started_s = time.monotonic()
        [client] = await open_clients(subject.port, PATH, 1, frame_ms=PROBE_FRAME_MS)
        await asyncio.wait_for(client.begun, ANSWER_LIMIT_S)
        begins_ms.append((time.monotonic() - started_s) * 1000)
        for _ in range(FRAMES_OF_PROBE):
            await asyncio.sleep(PROBE_FRAME_MS / 1000)
            sent_s = time.monotonic()
            client.send_frame(sent_s)
        partials_ms.append((await asyncio.wait_for(client.first_turn, ANSWER_LIMIT_S) - sent_s) * 1000)
        client.drop()
    return NewSession(statistics.median(begins_ms), statistics.median(partials_ms))


def raise_descriptor_limit(needed: int) -> None:
    """Let this process have as many files open as the system allows it.

    Raises:
        NotMeasurableError: that is not enough.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise NotMeasurableError(f"{needed} open files are needed, this process may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def median_cell(cells: Sequence[Cell]) -> Cell:
    """Return the median of every figure of equal cells; the worst of what decides whether they count."""
    first = cells[0]
    figures = {
        field.name: statistics.median(getattr(cell, field.name) for cell in cells)
        for field in fields(Cell)
        if field.name not in {"subject", "frame_ms", "sessions", "load_busy", "stalls"}
    }
    worst = {"load_busy": max(cell.load_busy for cell in cells), "stalls": max(cell.stalls for cell in cells)}
    return Cell(first.subject, first.frame_ms, first.sessions, **figures, **worst)


def print_loads(rounds: Sequence[Sequence[Cell]]) -> None:
    """Print the medians of equal cells, and what the gateway costs compared with the echo."""
    titles = (
        "frames", "sessions", "", "us per frame (rounds)", "sessions per core", "KiB per session", "busy", "others",
        "load", "p50 ms", "",
    )  # fmt: skip
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    medians = {}
    for cells in rounds:
        cell = median_cell(cells)
        medians[cell.subject, cell.frame_ms, cell.sessions] = cell
        spread = f"{min(one.frame_us for one in cells):.0f}-{max(one.frame_us for one in cells):.0f}"
        remark = "" if cell.answered >= MIN_ANSWERED else f"overloaded: {cell.answered:.0%} answered"
        remark = f"invalid: {cell.invalid_because}" if cell.invalid_because else remark
        columns = (
            f"{cell.frame_ms} ms", cell.sessions, cell.subject, f"{cell.frame_us:.1f} ({spread})",
            f"{cell.sessions_per_core:.0f}", f"{cell.session_kib:.0f}", f"{cell.busy:.2f}",
            f"{cell.others_busy:.2f}", f"{cell.load_busy:.2f}", f"{cell.p50_ms:.1f}", remark,
        )  # fmt: skip
        print("| " + " | ".join(map(str, columns)) + " |")
    print()
    for frame_ms, sessions in LOADS:
        own, peer = medians["gateway", frame_ms, sessions], medians["echo", frame_ms, sessions]
        print(f"{sessions} sessions at {frame_ms} ms: {own.frame_us / peer.frame_us:.2f} times the bare echo")


def judge_loads(rounds: Sequence[Sequence[Cell]]) -> tuple[list[str], list[str]]:
    """Return the goals that were missed, and what does not count."""
    medians = [median_cell(cells) for cells in rounds]
    uncounted = [
        f"{cell.subject}, {cell.sessions} sessions at {cell.frame_ms} ms: {cell.invalid_because}"
        for cell in medians
        if cell.invalid_because
    ]
    [judged] = [cell for cell in medians if (cell.subject, cell.frame_ms, cell.sessions) == ("gateway", *JUDGED_LOAD)]
    per_core = judged.sessions_per_core
    print(
        f"goal {GOAL_SESSIONS_PER_CORE} sessions per core at {judged.frame_ms} ms: {per_core:.0f}, "
        f"{per_core / LATER_GOAL_SESSIONS_PER_CORE:.2f} of the later goal of {LATER_GOAL_SESSIONS_PER_CORE}"
    )
    missed = []
    if per_core < GOAL_SESSIONS_PER_CORE:
        missed.append(f"{per_core:.0f} sessions per core, the goal is {GOAL_SESSIONS_PER_CORE}")
    if judged.answered < MIN_ANSWERED:
        missed.append(f"{judged.sessions} sessions on one core got {judged.answered:.0%} of their answers")
    return missed, uncounted


def print_idle(idle: Idle) -> None:
    """Print what idle sockets cost."""
    alone, crowded = idle.alone, idle.crowded
    rows = {
        "idle sockets, after Begin and before any audio": f"{idle.sockets}, {idle.lost} lost",
        "opened in": f"{idle.open_s:.1f} s, {idle.open_us:.0f} us of processor time each",
        "resident memory": f"{idle.socket_kib:.1f} KiB each",
        "processor, with pings": f"{idle.busy:.1%} of a core",
        "a new session, dialling to Begin": f"{alone.begin_ms:.1f} ms alone, {crowded.begin_ms:.1f} ms beside them",
        "its first partial after 200 ms of audio": f"{alone.partial_ms:.2f} ms alone, {crowded.partial_ms:.2f} ms "
        f"beside them: {crowded.partial_ms / alone.partial_ms:.2f} times",
    }
    print("\n| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def judge_idle(idle: Idle) -> list[str]:
    """Return the goals that were missed."""
    missed = []
    if idle.socket_kib > GOAL_IDLE_KIB:
        missed.append(f"{idle.socket_kib:.1f} KiB per idle socket, the goal is {GOAL_IDLE_KIB:.0f}")
    ratio = idle.crowded.partial_ms / idle.alone.partial_ms
    if ratio > GOAL_FIRST_PARTIAL_RATIO:
        missed.append(f"first partial {ratio:.2f} times slower, the goal is {GOAL_FIRST_PARTIAL_RATIO}")
    if idle.lost:
        missed.append(f"{idle.lost} idle sockets were lost")
    return missed


async def run(arguments: argparse.Namespace) -> int:
    """Measure, print, judge; return the exit code."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise NotMeasurableError("two cores are needed: one for the gateway, one for its load")
    missed: list[str] = []
    uncounted: list[str] = []
    record: dict[str, object] = {"machine": machine_line()}
    print(f"{record['machine']}. Median of {arguments.rounds} rounds of {arguments.window_s:.0f} s.\n", flush=True)
    async with surroundings(cores[0], cores[1]) as around:
        if arguments.rounds:
            rounds: dict[tuple[str, int, int], list[Cell]] = {}
            for frame_ms, sessions in LOADS * arguments.rounds:
                for start in SUBJECTS:
                    async with start(around) as subject:
                        cell = await measure(around, subject, frame_ms, sessions, arguments.window_s)
                    rounds.setdefault((cell.subject, frame_ms, sessions), []).append(cell)
            record["loads"] = [asdict(median_cell(cells)) for cells in rounds.values()]
            print_loads(list(rounds.values()))
            missed, uncounted = judge_loads(list(rounds.values()))
        if arguments.idle_sockets:
            idle = await measure_idle(around, arguments.idle_sockets, arguments.idle_s)
            record["idle"] = asdict(idle)
            print_idle(idle)
            missed += judge_idle(idle)
    print(f"\n{json.dumps(record)}")
    for line in uncounted:
        print(f"NOT MEASURABLE HERE: {line}")
    for line in missed:
        print(f"MISSED: {line}")
    if uncounted:
        return EXIT_NOT_MEASURABLE
    return EXIT_MISSED if missed else 0


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of every load; 0 for none")
    parser.add_argument("--window-s", type=float, default=4.0, help="seconds measured in each")
    parser.add_argument("--idle-sockets", type=int, default=10_000, help="0 for none")
    parser.add_argument("--idle-s", type=float, default=60.0, help="seconds the idle sockets are watched")
    try:
        return uvloop.run(run(parser.parse_args()))
    except NotMeasurableError as error:
        print(f"NOT MEASURABLE HERE: {error}")
        return EXIT_NOT_MEASURABLE


if __name__ == "__main__":
    sys.exit(main())
