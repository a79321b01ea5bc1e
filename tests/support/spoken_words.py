"""Words of a turn, as an engine would say them, for tests of pure text modules."""

from __future__ import annotations

from collections.abc import Sequence

from protos.session_v3 import TurnWord

WORD_MS = 250
STEP_MS = 300


def spoken(line: str | Sequence[str], *, confidence: float = 0.9) -> tuple[TurnWord, ...]:
    """Return words of 250 ms, 50 ms apart."""
    texts = line.split() if isinstance(line, str) else line
    return tuple(
        TurnWord(text=text, start=at * STEP_MS, end=at * STEP_MS + WORD_MS, confidence=confidence, word_is_final=True)
        for at, text in enumerate(texts)
    )


def joined(words: Sequence[TurnWord]) -> str:
    """Return the transcript of words."""
    return " ".join(word.text for word in words)
