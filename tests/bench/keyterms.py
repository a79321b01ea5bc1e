"""Measure what keyterms do for the embedded engine on recorded speech: words found, and words heard that nobody said.

Run as ``python -m tests.bench.keyterms``; prints Markdown and, with ``--write``, keeps it in
``tests/bench/results/keyterms.md``. Every pass transcribes all clips with the same terms in every session, as a client
with one list for all calls has it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import msgspec

from services.asr.engines.base import TurnEnd
from services.asr.engines.embedded.decoder import TurnDecoder
from services.asr.engines.embedded.detector import SileroDetector
from tests.bench.score_speech import SILENT_GROUPS, WER_LIMITS_PERCENT, Job, collect_jobs
from tests.support.embedded_engine import run_session, universal_spec
from tests.support.machine import machine_line
from tests.support.speech_clips import DEFAULT_AUDIO, plain_text

RESULTS = Path(__file__).parent / "results" / "keyterms.md"
GROUPS = (*WER_LIMITS_PERCENT, "conversational", "phone-mulaw", "noisy", "digits", *SILENT_GROUPS)
MAX_TERMS = 100
RARE_WORDS = 60
RARE_MIN_LETTERS = 5
# Names of products, people, places and drugs, none of which is said in the clips.
UNRELATED = (
    "Kubernetes", "Zephyr QX-9", "Siobhan", "Ljubljana", "Metformin", "PostgreSQL", "Nguyen", "Reykjavik", "COVID-19",
    "GPUs", "iPhone 17", "Terraform", "Atorvastatin", "Okonkwo", "Vladivostok", "OpenAI", "LiveKit", "HIPAA",
    "Node.js", "Raspberry Pi",
    "Istio", "Grafana", "Prometheus", "Ansible", "MongoDB", "Elasticsearch", "GitHub", "GitLab", "Bitbucket", "Jenkins",
    "Anthropic", "Pipecat", "AssemblyAI", "Deepgram", "Twilio", "Datadog", "Snowflake", "Databricks", "Cloudflare",
    "Wireshark", "nginx", "HAProxy", "RabbitMQ", "Kafka", "Zookeeper", "Hadoop", "Tableau", "Looker", "Lisinopril",
    "Omeprazole", "Levothyroxine", "Amlodipine", "Gabapentin", "Hydrochlorothiazide", "Losartan", "Ozempic",
    "Semaglutide", "Tirzepatide", "Szymański", "Adebayo", "Xiaomi", "Huawei", "Krzysztof", "Bjornstad", "Yosemite",
    "Worcestershire", "Ouagadougou", "Antananarivo", "MacBook Pro", "GDPR", "IPv6", "OAuth", "SAML", "API gateway",
    "TypeScript", "JavaScript", "WebSocket", "gRPC", "Redis", "Celery", "Django", "PyTorch", "NumPy", "Pandas",
    "Jupyter", "Arduino", "Bluetooth", "Wi-Fi", "Blockchain", "Ethereum", "Bitcoin", "Solana", "Coinbase", "Robinhood",
    "Venmo", "DoorDash", "Instacart", "Featherstonhaugh", "Cholmondeley", "Kibana",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pass:
    """All clips transcribed with some terms.

    Attributes:
        texts: what was heard in each clip.
    """

    name: str
    terms: tuple[str, ...]
    texts: tuple[str, ...]


def said_words(jobs: Sequence[Job], decoder: TurnDecoder) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of the references that the recogniser does not know, and its rarest among the others."""
    words = {word for job in jobs for word in plain_text(job.reference).split()}
    unknown = sorted(word for word in words if not decoder._knows(word))
    known = [word for word in words if decoder._knows(word) and len(word) >= RARE_MIN_LETTERS]
    rare = sorted(known, key=lambda word: (decoder._model.prob([word]), word))[:RARE_WORDS]
    return tuple(unknown), tuple(sorted(rare))


def transcribe(
    name: str, terms: tuple[str, ...], jobs: Sequence[Job], engine: tuple[SileroDetector, TurnDecoder]
) -> Pass:
    """Return what the engine makes of every clip."""
    spec = msgspec.structs.replace(universal_spec(), keyterms=terms)
    texts = []
    for job in jobs:
        ends = (event for event in run_session(spec, *engine, job.pcm16) if isinstance(event, TurnEnd))
        texts.append(plain_text(" ".join(word.text for end in ends for word in end.words)))
    return Pass(name, terms, tuple(texts))


def counted(terms: Sequence[str], jobs: Sequence[Job], texts: Sequence[str]) -> tuple[int, int, Counter[str]]:
    """Return how often terms were said, how often they were found there, and which were put in elsewhere."""
    said = found = 0
    inserted: Counter[str] = Counter()
    for job, text in zip(jobs, texts, strict=True):
        for term in {plain_text(term) for term in terms}:
            wanted, heard = (f" {one} ".count(f" {term} ") for one in (plain_text(job.reference), text))
            said += wanted
            found += min(wanted, heard)
            inserted[term] += max(0, heard - wanted)
    return said, found, +inserted


def table(passes: Sequence[Pass], jobs: Sequence[Job]) -> str:
    """Return one row a pass as a Markdown table; the first one has no terms."""
    spoken = [(plain_text(job.reference), place) for place, job in enumerate(jobs) if job.reference]
    lines = [
        "| terms | number | WER % | said | found without | found | put in without | put in | words on noise |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in passes:
        said, found, inserted = counted(one.terms, jobs, one.texts)
        _, found_without, inserted_without = counted(one.terms, jobs, passes[0].texts)
        wer = 100 * float(jiwer.wer([text for text, _ in spoken], [one.texts[place] for _, place in spoken]))
        on_noise = sum(len(text.split()) for job, text in zip(jobs, one.texts, strict=True) if not job.reference)
        lines.append(
            f"| {one.name} | {len(one.terms)} | {wer:.1f} | {said} | {found_without} | {found} "
            f"| {inserted_without.total()} | {inserted.total()} | {on_noise} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description="Measure keyterms of the embedded engine on recorded speech.")
    parser.add_argument("--audio", type=Path, default=DEFAULT_AUDIO, help="folder with manifest.jsonl")
    parser.add_argument("--groups", default=",".join(GROUPS))
    parser.add_argument("--write", action="store_true", help=f"keep the table in {RESULTS.name}")
    arguments = parser.parse_args()
    if not (arguments.audio / "manifest.jsonl").is_file():
        print(f"no manifest.jsonl in {arguments.audio}; name the folder with --audio", file=sys.stderr)
        return 2
    jobs = collect_jobs(arguments.audio, arguments.groups.split(","))
    engine = SileroDetector(), TurnDecoder()
    unknown, rare = said_words(jobs, engine[1])
    plans = {
        "none": (),
        "20 unrelated names": UNRELATED[:20],
        "100 unrelated names": UNRELATED,
        "unknown words of the clips, and unrelated names": (*unknown, *UNRELATED)[:MAX_TERMS],
        "rarest known words of the clips, and unrelated names": (*rare, *UNRELATED)[:MAX_TERMS],
    }
    passes = [transcribe(name, terms, jobs, engine) for name, terms in plans.items()]
    seconds = sum(job.seconds for job in jobs)
    text = (
        "# Keyterms of the embedded engine\n\n"
        f"{machine_line()}. Made by `python -m tests.bench.keyterms --write` on {len(jobs)} clips, {seconds / 60:.1f}"
        " minutes.\n\n"
        '"Said" and "found" count the occurrences of all terms of a row; "put in" counts terms heard that nobody said;'
        ' "without" is the first row.\n\n'
        f"{table(passes, jobs)}\n"
    )
    print(text)
    for one in passes:
        print(one.name, dict(counted(one.terms, jobs, one.texts)[2]), file=sys.stderr)
    if arguments.write:
        RESULTS.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
