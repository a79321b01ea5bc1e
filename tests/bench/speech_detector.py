"""Compare the two speech detectors the embedded engine could use, on the same clips and noises.

Both are combined with the engine's noise floor and speech gate. Run as
``python -m tests.bench.speech_detector``; prints Markdown and, with ``--write``, keeps it in
``tests/bench/results/speech_detector.md``.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pocketsphinx import Vad

from services.asr.engines.base import Event, Hypothesis, SpeechActivity, SpeechStarted, TurnEnd
from services.asr.engines.embedded.decoder import TurnDecoder
from services.asr.engines.embedded.detector import SileroDetector, SpeechDetector
from services.asr.engines.embedded.gate import Samples
from tests.bench.score_speech import GENERATED_GROUP, SILENT_GROUPS, WER_LIMITS_PERCENT, Heard, Job, collect_jobs, score
from tests.support.embedded_engine import run_session, universal_spec
from tests.support.machine import machine_line
from tests.support.speech_clips import DEFAULT_AUDIO, SpeechClip, load_clips

RESULTS = Path(__file__).parent / "results" / "speech_detector.md"
TURN_SILENCE_MS = 700
PAUSE_MS = 800
THRESHOLDS = (0.4,)  # the default of the English model
ENDPOINTING_GROUP = "endpointing-long"


class WebRtcDetector:
    """The detector of the pocketsphinx wheel: it has no probability, only yes and no, and no reset."""

    frame_samples = 320
    onset_frames = 3
    onset_window_frames = 5

    def __init__(self) -> None:
        """Use the strictest mode."""
        self.reset()

    def reset(self) -> None:
        """Forget every frame."""
        self._vad = Vad(3, 16_000, 0.02)

    def probability(self, frame: Samples) -> float:
        """Return 1 for speech, else 0."""
        return 1.0 if self._vad.is_speech(frame.tobytes()) else 0.0


@dataclass(frozen=True, slots=True)
class Endpointing:
    """How turn ends fell on the pauses of the long clips; delays in seconds."""

    pauses: int
    right: int
    cuts: int
    delays_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One detector at one threshold."""

    name: str
    results: list[tuple[Job, Heard]]
    loudest_noise: float
    endpointing: Endpointing
    cpu_share: float


def heard(events: list[Event]) -> Heard:
    """Return what a client would have seen."""
    return Heard(
        text=" ".join(word.text for event in events if isinstance(event, TurnEnd) for word in event.words),
        partials=sum(isinstance(event, Hypothesis) for event in events),
        starts=sum(isinstance(event, SpeechStarted) for event in events),
    )


def judge_turn_ends(clips: Iterable[tuple[SpeechClip, list[float]]]) -> Endpointing:
    """Match turn ends, in seconds of audio, with the pauses between a clip's segments."""
    pauses = right = cuts = 0
    delays: list[float] = []
    for clip, ends_s in clips:
        for one, two in itertools.pairwise(clip.segments):
            inside = [end_s for end_s in ends_s if one.speech_end <= end_s < two.speech_start]
            if two.speech_start - one.speech_end >= PAUSE_MS / 1000:
                pauses += 1
                right += bool(inside)
                delays += [end_s - one.speech_end for end_s in inside[:1]]
        cuts += sum(segment.speech_start < end_s < segment.speech_end for end_s in ends_s for segment in clip.segments)
    return Endpointing(pauses, right, cuts, tuple(delays))


def measure(name: str, detector: SpeechDetector, threshold: float, jobs: list[Job], clips: list[SpeechClip]) -> Row:
    """Run every job and every long clip through the engine with one detector."""
    decoder = TurnDecoder()
    spec = universal_spec(vad_threshold=threshold, max_turn_silence_ms=TURN_SILENCE_MS)
    results: list[tuple[Job, Heard]] = []
    loudest = 0.0
    cpu_s = 0.0
    for job in jobs:
        started_s = time.process_time()
        events = run_session(spec, detector, decoder, job.pcm16)
        if job.reference:
            cpu_s += time.process_time() - started_s
        else:
            loudest = max(loudest, *(e.max_speech_probability for e in events if isinstance(e, SpeechActivity)))
        results.append((job, heard(events)))
    ends = []
    for clip in clips:
        events = run_session(spec, detector, decoder, clip.pcm16())
        ends.append((clip, [e.audio_ms / 1000 for e in events if isinstance(e, TurnEnd)]))
    speech_s = sum(job.seconds for job in jobs if job.reference)
    return Row(name, results, loudest, judge_turn_ends(ends), cpu_s / speech_s)


def report(rows: list[Row]) -> str:
    """Return the tables as Markdown."""
    noise_groups = (*SILENT_GROUPS, GENERATED_GROUP)
    noise_s = sum(job.seconds for job, _ in rows[0].results if not job.reference)
    return "\n".join(
        [
            "# Speech detectors of the embedded engine",
            "",
            f"{machine_line()}. Made by `python -m tests.bench.speech_detector --write`.",
            f"Every detector with the same noise floor and speech gate; turns end after {TURN_SILENCE_MS} ms.",
            "",
            "## Words: errors in percent, and CPU seconds per second of speech",
            "",
            f"| detector | {' | '.join(WER_LIMITS_PERCENT)} | CPU |",
            "|---" * (len(WER_LIMITS_PERCENT) + 2) + "|",
            *(_wer_line(row) for row in rows),
            "",
            f"## Noise and silence: what {noise_s / 60:.1f} minutes ({', '.join(noise_groups)}) brought out",
            "",
            "| detector | words | partials | speech started | highest probability |",
            "|---|---|---|---|---|",
            *(_noise_line(row) for row in rows),
            "",
            f"## Turn ends on `{ENDPOINTING_GROUP}`: pauses of {PAUSE_MS} ms or more",
            "",
            "| detector | pauses | right | missed | cuts inside a segment | delay p50 / p90 / max s |",
            "|---|---|---|---|---|---|",
            *(_endpointing_line(row) for row in rows),
            "",
        ]
    )


def _wer_line(row: Row) -> str:
    wer = {group.group: group.wer_percent for group in score(row.results)}
    cells = " | ".join(f"{wer[group]:.1f}" for group in WER_LIMITS_PERCENT)
    return f"| {row.name} | {cells} | {row.cpu_share:.2f} |"


def _noise_line(row: Row) -> str:
    noise = [outcome for job, outcome in row.results if not job.reference]
    words = sum(len(outcome.text.split()) for outcome in noise)
    partials, starts = sum(outcome.partials for outcome in noise), sum(outcome.starts for outcome in noise)
    return f"| {row.name} | {words} | {partials} | {starts} | {row.loudest_noise:.2f} |"


def _endpointing_line(row: Row) -> str:
    found = row.endpointing
    p50, p90 = statistics.median(found.delays_s), statistics.quantiles(found.delays_s, n=10)[-1]
    delays = f"{p50:.2f} / {p90:.2f} / {max(found.delays_s):.2f}"
    return f"| {row.name} | {found.pauses} | {found.right} | {found.pauses - found.right} | {found.cuts} | {delays} |"


def main() -> int:
    """Measure every detector and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, default=DEFAULT_AUDIO, help="folder with manifest.jsonl")
    parser.add_argument("--write", action="store_true", help=f"keep the tables in {RESULTS.name}")
    arguments = parser.parse_args()
    if not (arguments.audio / "manifest.jsonl").is_file():
        print(f"no manifest.jsonl in {arguments.audio}; name the folder with --audio", file=sys.stderr)
        return 2
    jobs = collect_jobs(arguments.audio, (*WER_LIMITS_PERCENT, *SILENT_GROUPS, GENERATED_GROUP))
    clips = load_clips(arguments.audio, frozenset({ENDPOINTING_GROUP}))
    candidates: list[tuple[str, Callable[[], SpeechDetector], float]] = [
        *((f"silero, threshold {threshold}", SileroDetector, threshold) for threshold in THRESHOLDS),
        ("webrtc, mode 3", WebRtcDetector, 0.5),
    ]
    rows = []
    for name, make, threshold in candidates:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        rows.append(measure(name, make(), threshold, jobs, clips))
    text = report(rows)
    print(text)
    if arguments.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
