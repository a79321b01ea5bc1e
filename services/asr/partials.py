"""Decide when a hypothesis of the open turn is worth telling; pure, for every engine."""

from __future__ import annotations

from services.asr.endpointing import ends_sentence
from services.asr.engines.base import TurnDetection, TurnStyle

# The service adds this to the delay a client asks for (protocol description, turn partials).
PRO_EXTRA_DELAY_MS = 256
PRO_INTERVAL_MS = 1_000
PRO_SLOW_INTERVAL_MS = 3_000


class PartialCadence:
    """When the hypotheses of one turn after another are due.

    Universal sessions get every change of the text and every word that becomes final. Pro sessions
    get a first one after a delay, then one an interval while the text changes, and one in every
    silence that leaves the sentence unfinished. Where the delay finds no words, the first one comes
    with them: the service asks again every 750 ms only because each question costs it a transcription.
    """

    def __init__(self, style: TurnStyle, detection: TurnDetection) -> None:
        """Start before the first turn."""
        self._style = style
        self.configure(detection)
        self.begin(0)

    def configure(self, detection: TurnDetection) -> None:
        """Use other delays from now on."""
        self._first_delay_ms = detection.interruption_delay_ms + PRO_EXTRA_DELAY_MS
        self._interval_ms = PRO_INTERVAL_MS if detection.continuous_partials else PRO_SLOW_INTERVAL_MS
        self._min_silence_ms = detection.min_turn_silence_ms

    def begin(self, start_ms: int) -> None:
        """Start a turn whose speech began at a position."""
        self._start_ms = start_ms
        self._last_text = ""
        self._last_final_words = 0
        self._last_ms: int | None = None
        self._told_silence = False

    def is_due(self, text: str, at_ms: int, silence_ms: int, *, final_words: int = 0) -> bool:
        """Say whether to report ``text`` now, and count it as reported if so.

        Args:
            text: the turn so far; an empty one is never due.
            at_ms: position of the audio heard.
            silence_ms: silence up to that position.
            final_words: how many of its words cannot change any more.
        """
        if silence_ms == 0:
            self._told_silence = False
        # After a finished sentence the turn ends instead.
        in_pause = silence_ms >= self._min_silence_ms and not self._told_silence and not ends_sentence(text)
        if not text or not self._is_time(text, at_ms, final_words=final_words, in_pause=in_pause):
            return False
        self._told_silence = self._told_silence or in_pause
        self._last_text = text
        self._last_final_words = final_words
        self._last_ms = at_ms
        return True

    def _is_time(self, text: str, at_ms: int, *, final_words: int, in_pause: bool) -> bool:
        if self._style is TurnStyle.UNIVERSAL:
            return text != self._last_text or final_words != self._last_final_words
        if in_pause:
            return True
        if self._last_ms is None:
            return at_ms - self._start_ms >= self._first_delay_ms
        return text != self._last_text and at_ms - self._last_ms >= self._interval_ms
