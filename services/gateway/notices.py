"""Messages a client may ask for beside its turns: Heartbeat and Silence. Sans-I/O."""

from __future__ import annotations

from protos import asr_v1_pb2 as asr
from protos.session_v3 import Heartbeat, Silence

HEARTBEAT_INTERVAL_MS = 5_000
FACTOR_DIGITS = 3


class Notices:
    """Keeps what the next Heartbeat will say.

    Times are milliseconds of the session's monotonic clock, except ``received_ms``, which is audio.
    """

    def __init__(self, *, heartbeat: bool, silence: bool) -> None:
        """Start before Begin; nothing is due until ``begin``."""
        self.silence = silence
        self._heartbeat = heartbeat
        self._begun_ms = 0
        self._window_ms: int | None = None  # start of the running interval
        self._window_received_ms = 0.0
        self._max_probability = 0.0

    def begin(self, now_ms: int) -> None:
        """Start the clock at Begin."""
        self._begun_ms = now_ms
        self._window_ms = now_ms

    def switch_heartbeat(self, *, on: bool, now_ms: int, received_ms: float) -> None:
        """Obey a change in mid-session; the first one follows a whole interval later."""
        if on and not self._heartbeat:
            self._window_ms, self._window_received_ms = now_ms, received_ms
        self._heartbeat = on

    def next_deadline_ms(self) -> int | None:
        """Return when the next Heartbeat is due."""
        return self._window_ms + HEARTBEAT_INTERVAL_MS if self._heartbeat and self._window_ms is not None else None

    def receive_activity(self, activity: asr.SpeechActivity) -> list[Silence]:
        """Take a progress report; return its silent ranges when they are asked for."""
        if activity.max_speech_probability > self._max_probability:  # not true for NaN
            self._max_probability = min(1.0, activity.max_speech_probability)
        if not self.silence:
            return []
        return [Silence(start_ms=silent.start_ms, end_ms=silent.end_ms) for silent in activity.silences]

    def tick(self, now_ms: int, received_ms: float) -> Heartbeat | None:
        """Return the Heartbeat that is due."""
        due_ms = self.next_deadline_ms()
        if due_ms is None or now_ms < due_ms or self._window_ms is None:
            return None
        message = Heartbeat(
            total_audio_received_ms=round(received_ms),
            total_duration_ms=now_ms - self._begun_ms,
            realtime_factor=round((received_ms - self._window_received_ms) / (now_ms - self._window_ms), FACTOR_DIGITS),
            max_speech_probability=round(self._max_probability, FACTOR_DIGITS),
        )
        self._window_ms, self._window_received_ms, self._max_probability = now_ms, received_ms, 0.0
        return message
