"""Sum up speech and silence for the report that goes out about once a second of audio."""

from __future__ import annotations

from services.asr.engines.base import SpeechActivity

REPORT_INTERVAL_MS = 1_000


class ActivityReport:
    """What the frames since the last report were; reports fall on whole seconds of session audio."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._reported_ms = 0
        self._heard_ms = 0
        self._max_probability = 0.0
        self._silences: list[tuple[int, int]] = []

    def receive(self, start_ms: int, end_ms: int, probability: float, is_speech: bool) -> bool:
        """Add one frame; return whether a report is due at its end."""
        self._max_probability = max(self._max_probability, probability)
        if not is_speech:
            if self._silences and self._silences[-1][1] == start_ms:
                start_ms = self._silences.pop()[0]
            self._silences.append((start_ms, end_ms))
        self._heard_ms = end_ms
        return end_ms // REPORT_INTERVAL_MS > self._reported_ms // REPORT_INTERVAL_MS

    @property
    def has_news(self) -> bool:
        """Anything was heard since the last report."""
        return self._heard_ms > self._reported_ms

    def take(self, audio_ms: int, replay_from_ms: int) -> SpeechActivity:
        """Return the report and start the next one."""
        report = SpeechActivity(
            audio_ms=audio_ms,
            max_speech_probability=self._max_probability,
            silences=tuple(self._silences),
            replay_from_ms=replay_from_ms,
        )
        self._reported_ms = audio_ms
        self._max_probability = 0.0
        self._silences = []
        return report

    def start_at(self, audio_ms: int) -> None:
        """Report nothing before a position."""
        self._reported_ms = self._heard_ms = audio_ms
