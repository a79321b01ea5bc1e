"""What the gateway counts for Prometheus, merged over the workers of a host.

The workers share memory-mapped files (multi-process mode of the client library), so a worker that ends
takes nothing back and any worker can answer for all. The library looks for ``PROMETHEUS_MULTIPROC_DIR``
when it is imported, so the program sets it before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from protos.session_v3 import CloseCode
from runtime.catalog import Model
from services.gateway.admission import Admission
from services.gateway.latency import Measurement, PartialSent

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GONE = 1006  # the connection ended without a close frame
OTHER_CODE = 4999  # whatever else a client may close with; each label costs memory for ever
CLOSE_CODES = (*(int(code) for code in CloseCode), 1002, 1003, GONE, 1007, OTHER_CODE)
LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """Counters of one worker, and the exposition of all."""

    def __init__(self, directory: Path, admission: Admission) -> None:
        """Count in a directory that all workers of this host share.

        Args:
            admission: knows how many sessions are open on the host.
        """
        self._directory = directory
        own = CollectorRegistry()
        self._sessions = Counter("aai_sessions", "Sessions that got Begin.", ("model",), registry=own)
        self._closes = Counter(
            "aai_session_closes", "Ends of sessions by WebSocket close code.", ("model", "code"), registry=own
        )
        self._refusals = Counter("aai_sessions_refused", "Sessions refused before Begin.", ("code",), registry=own)
        self._turns = Counter("aai_turns", "Turns that ended.", ("model",), registry=own)
        self._words = Counter("aai_words", "Words of turns that ended.", ("model",), registry=own)
        self._audio = Counter("aai_audio_seconds", "Audio received from clients.", ("model",), registry=own)
        self._reconnects = Counter(
            "aai_recognizer_reconnects", "Recogniser streams opened in place of lost ones.", ("model",), registry=own
        )
        self._partial = self._histogram("partial", "Newest audio of a partial received to partial sent.", own)
        self._first_partial = self._histogram(
            "first_partial", "Onset of a turn received to its first partial sent.", own
        )
        self._turn = self._histogram("turn_end", "End of a turn's last word received to its final sent.", own)
        self._waiting = Gauge(
            "aai_waiting_audio_seconds",
            "Audio that waits for recognisers.",
            multiprocess_mode="livesum",
            registry=own,
        )
        self._sockets = Gauge("aai_sockets", "Open client connections.", multiprocess_mode="livesum", registry=own)
        self._make_children()
        self._merged = CollectorRegistry()
        MultiProcessCollector(self._merged, str(directory))  # type: ignore[no-untyped-call]
        self._merged.register(_HostCollector(admission))

    def _make_children(self) -> None:
        """Have every file and every value in it made now: later there may be no descriptor or disk left for them.

        Raises:
            OSError: the files cannot be made.
        """
        of_models = (
            self._sessions, self._turns, self._words, self._audio, self._reconnects,
            self._partial, self._first_partial, self._turn,
        )  # fmt: skip
        for model in Model:
            for metric in of_models:
                metric.labels(model)
            for code in CLOSE_CODES:
                self._closes.labels(model, str(code))
        for code in CloseCode:
            self._refusals.labels(str(int(code)))
        self.depths(0, 0)

    def session_begun(self, model: Model) -> None:
        """Count a session."""
        self._sessions.labels(model).inc()

    def session_refused(self, close_code: int) -> None:
        """Count a refusal."""
        self._refusals.labels(str(close_code)).inc()

    def session_ended(self, model: Model, close_code: int | None, reconnects: int) -> None:
        """Count the end of a session; None stands for a connection that was simply gone."""
        code = GONE if close_code is None else close_code
        self._closes.labels(model, str(code if code in CLOSE_CODES else OTHER_CODE)).inc()
        self._reconnects.labels(model).inc(reconnects)

    def audio_received(self, model: Model, audio_ms: float) -> None:
        """Count audio."""
        self._audio.labels(model).inc(audio_ms / 1000)

    def measured(self, model: Model, measurement: Measurement) -> None:
        """Take a measurement of a session."""
        if isinstance(measurement, PartialSent):
            self._partial.labels(model).observe(measurement.latency_ms / 1000)
            if measurement.first_latency_ms is not None:
                self._first_partial.labels(model).observe(measurement.first_latency_ms / 1000)
            return
        self._turns.labels(model).inc()
        self._words.labels(model).inc(measurement.words)
        self._turn.labels(model).observe(measurement.latency_ms / 1000)

    def depths(self, waiting_audio_s: float, sockets: int) -> None:
        """Take how much waits in this worker now."""
        self._waiting.set(waiting_audio_s)
        self._sockets.set(sockets)

    def exposition(self) -> bytes:
        """Return everything all workers counted, in the text format."""
        self._forget_dead_workers()
        return generate_latest(self._merged)

    def _forget_dead_workers(self) -> None:
        """Take gauges of processes that are gone out of the sum; their counters stay."""
        for file in self._directory.glob("gauge_live*_*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not psutil.pid_exists(pid):
                mark_process_dead(pid, str(self._directory))  # type: ignore[no-untyped-call]

    @staticmethod
    def _histogram(name: str, text: str, registry: CollectorRegistry) -> Histogram:
        return Histogram(f"aai_{name}_latency_seconds", text, ("model",), registry=registry, buckets=LATENCY_BUCKETS_S)


class _HostCollector(Collector):
    """What is known of the whole host at the moment of asking."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def collect(self) -> Iterator[GaugeMetricFamily]:
        open_sessions = GaugeMetricFamily("aai_open_sessions", "Sessions open on this host.", labels=("model",))
        capacity = GaugeMetricFamily("aai_session_capacity", "Sessions a backend takes at once.", labels=("model",))
        for model in Model:
            open_sessions.add_metric((model,), self._admission.used(model))
        for model, limit in self._admission.limits.backends.items():
            capacity.add_metric((model,), limit)
        yield open_sessions
        yield capacity
        yield GaugeMetricFamily(
            "aai_capacity_used_ratio",
            "Share of the session capacity in use, of the fullest of license and backends; scale on it.",
            value=self._admission.used_ratio(),
        )
