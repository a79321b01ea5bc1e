"""Score a transcriber on recorded speech and on noise: word error rates, and what noise brought out.

Run as ``python -m tests.bench.score_speech`` with one of ``--engine`` (the embedded engine in this
process), ``--endpoint ws://host:port`` (a running gateway) or ``--stack`` (a stack of its own). Prints a
table; exits 1 when a limit is broken, 2 when there is no audio.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import jiwer
from websockets.asyncio.client import ClientConnection, connect

from services.asr.engines.base import Hypothesis, SpeechStarted, TurnEnd
from services.asr.engines.embedded.decoder import TurnDecoder
from services.asr.engines.embedded.detector import SileroDetector
from tests.support.embedded_engine import run_session, universal_spec
from tests.support.machine import machine_line
from tests.support.noise import noise_clips
from tests.support.private_stack import private_stack
from tests.support.speech_clips import DEFAULT_AUDIO, SAMPLE_RATE_HZ, load_clips, plain_text

WER_LIMITS_PERCENT = {"commands": 12.0, "ljspeech": 27.0, "read": 40.0, "libri-test-other": 62.0}
SILENT_GROUPS = ("noise", "silence")
GENERATED_GROUP = "generated noise"
FRAME_MS = 100
FRAME_BYTES = FRAME_MS * SAMPLE_RATE_HZ * 2 // 1000
SHORTEST_FRAME_BYTES = FRAME_BYTES // 2  # the protocol takes 50 ms and more: a shorter rest joins the frame before it
SPEECH_MODEL = "universal-streaming-english"
# SpeechStarted reaches clients of Pro models only.
NOISE_MODEL = "u3-rt-pro"


@dataclass(frozen=True, slots=True)
class Job:
    """One clip to transcribe; ``reference`` is "" for what is not speech."""

    group: str
    name: str
    reference: str
    pcm16: bytes

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.pcm16) / 2 / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one clip.

    Attributes:
        text: all final turns.
        partials: messages with words before the end of a turn.
        starts: reports that speech began.
    """

    text: str
    partials: int
    starts: int


@dataclass(frozen=True, slots=True)
class GroupScore:
    """One row of the table; ``wer_percent`` is None for groups without words."""

    group: str
    clips: int
    seconds: float
    reference_words: int
    wer_percent: float | None
    words: int
    partials: int
    starts: int

    @property
    def is_broken(self) -> bool:
        """A limit does not hold."""
        if self.wer_percent is None:
            return bool(self.words or self.partials or self.starts)
        return self.wer_percent > WER_LIMITS_PERCENT.get(self.group, 100.0)


def score(results: Iterable[tuple[Job, Heard]]) -> list[GroupScore]:
    """Return one row per group, in order of appearance; errors and words are summed over a group."""
    groups: dict[str, list[tuple[Job, Heard]]] = {}
    for job, heard in results:
        groups.setdefault(job.group, []).append((job, heard))
    return [_score_group(group, members) for group, members in groups.items()]


def _score_group(group: str, members: list[tuple[Job, Heard]]) -> GroupScore:
    references = [plain_text(job.reference) for job, _ in members]
    hypotheses = [plain_text(heard.text) for _, heard in members]
    return GroupScore(
        group=group,
        clips=len(members),
        seconds=sum(job.seconds for job, _ in members),
        reference_words=sum(len(text.split()) for text in references),
        wer_percent=100 * float(jiwer.wer(references, hypotheses)) if any(references) else None,
        words=sum(len(text.split()) for text in hypotheses),
        partials=sum(heard.partials for _, heard in members),
        starts=sum(heard.starts for _, heard in members),
    )


def table(scores: Iterable[GroupScore]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| group | clips | audio s | words | WER % | limit | heard on noise: words a minute, partials, starts | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in scores:
        verdict = "BROKEN" if row.is_broken else "ok"
        if row.wer_percent is None:
            noise = f"{60 * row.words / row.seconds:.1f}, {row.partials}, {row.starts}"
            cells = ["", "", "0", noise]
        else:
            limit = WER_LIMITS_PERCENT.get(row.group)
            cells = [str(row.reference_words), f"{row.wer_percent:.1f}", "" if limit is None else f"{limit:.0f}", ""]
        lines.append(f"| {row.group} | {row.clips} | {row.seconds:.0f} | {' | '.join(cells)} | {verdict} |")
    return "\n".join(lines)


def collect_jobs(folder: Path, groups: Iterable[str]) -> list[Job]:
    """Return every clip of the groups; the generated noise too when it is among them."""
    wanted = tuple(groups)
    clips = load_clips(folder, frozenset(wanted)) if set(wanted) - {GENERATED_GROUP} else []
    clips.sort(key=lambda clip: wanted.index(clip.group))
    jobs = [Job(clip.group, clip.clip_id, clip.text, clip.pcm16()) for clip in clips]
    if GENERATED_GROUP in wanted:
        jobs += [Job(GENERATED_GROUP, clip.name, "", clip.pcm16) for clip in noise_clips()]
    return jobs


def engine_transcriber(max_turn_silence_ms: int) -> Callable[[Job], Heard]:
    """Return a function that runs the embedded engine in this process."""
    detector, decoder = SileroDetector(), TurnDecoder()
    spec = universal_spec(max_turn_silence_ms=max_turn_silence_ms)

    def transcribe(job: Job) -> Heard:
        events = run_session(spec, detector, decoder, job.pcm16)
        return Heard(
            text=" ".join(word.text for event in events if isinstance(event, TurnEnd) for word in event.words),
            partials=sum(isinstance(event, Hypothesis) for event in events),
            starts=sum(isinstance(event, SpeechStarted) for event in events),
        )

    return transcribe


def client_transcriber(endpoint: str, speed: float) -> Callable[[Job], Awaitable[Heard]]:
    """Return a function that streams a clip to a gateway, ``speed`` times as fast as it was spoken."""

    async def transcribe(job: Job) -> Heard:
        model = SPEECH_MODEL if job.reference else NOISE_MODEL
        uri = f"{endpoint}?sample_rate={SAMPLE_RATE_HZ}&speech_model={model}"
        async with connect(uri, additional_headers={"Authorization": "self-hosted"}, compression=None) as socket:
            sending = asyncio.create_task(_send(socket, job.pcm16, speed))
            finals: dict[int, str] = {}
            partials = starts = 0
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "Error":
                    raise RuntimeError(f"{job.name}: {message}")
                if message["type"] == "SpeechStarted":
                    starts += 1
                elif message["type"] == "Turn" and message["end_of_turn"]:
                    finals[message["turn_order"]] = message["transcript"]
                elif message["type"] == "Turn":
                    partials += 1
            await sending
        return Heard(" ".join(finals.values()), partials, starts)

    return transcribe


async def _send(socket: ClientConnection, pcm16: bytes, speed: float) -> None:
    start_s = time.monotonic()
    offsets = [*range(0, max(1, len(pcm16) - SHORTEST_FRAME_BYTES), FRAME_BYTES), len(pcm16)]
    for number, (offset, end) in enumerate(itertools.pairwise(offsets)):
        due_s = start_s + number * FRAME_MS / 1000 / speed
        await asyncio.sleep(max(due_s - time.monotonic(), 0))
        await socket.send(pcm16[offset:end])
    await socket.send('{"type":"Terminate"}')


async def transcribe_all(
    jobs: list[Job], transcribe: Callable[[Job], Awaitable[Heard]], sessions: int
) -> list[tuple[Job, Heard]]:
    """Transcribe every clip, so many at once; results in the clips' order."""
    free = asyncio.Semaphore(sessions)

    async def run(job: Job) -> tuple[Job, Heard]:
        async with free:
            return job, await transcribe(job)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(job)) for job in jobs]
    return [task.result() for task in tasks]


def main() -> int:
    """Score, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--engine", action="store_true", help="the embedded engine in this process")
    target.add_argument("--endpoint", help="WebSocket URL of a running gateway")
    target.add_argument("--stack", action="store_true", help="start a stack, score it, stop it")
    parser.add_argument("--audio", type=Path, default=DEFAULT_AUDIO, help="folder with manifest.jsonl")
    parser.add_argument("--groups", default=",".join((*WER_LIMITS_PERCENT, *SILENT_GROUPS, GENERATED_GROUP)))
    parser.add_argument("--speed", type=float, default=1.0, help="times real time, over the wire")
    parser.add_argument("--sessions", type=int, default=4, help="clips at once, over the wire")
    parser.add_argument("--max-turn-silence", type=int, default=1280, help="ms, for --engine")
    arguments = parser.parse_args()
    if not (arguments.audio / "manifest.jsonl").is_file():
        print(f"no manifest.jsonl in {arguments.audio}; name the folder with --audio", file=sys.stderr)
        return 2
    jobs = collect_jobs(arguments.audio, arguments.groups.split(","))
    if arguments.engine:
        transcribe = engine_transcriber(arguments.max_turn_silence)
        results = [(job, transcribe(job)) for job in jobs]
    else:
        with ExitStack() as stack:
            endpoint = arguments.endpoint or stack.enter_context(private_stack()).endpoint
            client = client_transcriber(endpoint, arguments.speed)
            results = asyncio.run(transcribe_all(jobs, client, arguments.sessions))
    scores = score(results)
    print(machine_line())
    print(table(scores))
    for job, heard in results:
        if not job.reference and (heard.text or heard.partials or heard.starts):
            print(f"not silent on {job.group} {job.name!r}: {heard}")
    return 1 if any(row.is_broken for row in scores) else 0


if __name__ == "__main__":
    sys.exit(main())
