"""Keyterms of a session: from its start, changed on the way, and the same again after a resume."""

from __future__ import annotations

import msgspec
import pytest

from services.asr.engines.base import Event, ResumePoint, SessionChange, SessionSpec, SpeechActivity, TurnEnd
from services.asr.engines.embedded.session import EmbeddedSession
from tests.support.embedded_engine import FEED_BYTES, universal_spec
from tests.support.speech_clips import KEYTERM_CLIP
from tests.unit.services.asr.engines.embedded.conftest import read_pcm16

BYTES_PER_MS = 32
PAUSE_MS = 1_500
FIRST_SPEECH_MS = 500
TERMS = ("Kubernetes", "Zephyr QX-9")
SAID = "the Zephyr QX-9 runs Kubernetes"


@pytest.fixture(scope="module")
def clip() -> bytes:
    """Return one sentence."""
    return read_pcm16(KEYTERM_CLIP)


@pytest.fixture(scope="module")
def audio(clip) -> bytes:
    """Return the sentence twice, in two turns."""
    pause = bytes(PAUSE_MS * BYTES_PER_MS)
    return bytes(FIRST_SPEECH_MS * BYTES_PER_MS) + clip + pause + clip + pause


def spec_of(terms: tuple[str, ...], resume: ResumePoint | None = None) -> SessionSpec:
    """Return the settings of a session with keyterms."""
    return msgspec.structs.replace(universal_spec(max_turn_silence_ms=700, resume=resume), keyterms=terms)


def run(
    session: EmbeddedSession, audio: bytes, changes: dict[int, tuple[str, ...] | None] | None = None
) -> list[Event]:
    """Return the events of a session; ``changes`` are keyterms by the position, in ms, before which they come."""
    events: list[Event] = []
    waiting = sorted((changes or {}).items())
    for offset in range(0, len(audio), FEED_BYTES):
        while waiting and waiting[0][0] * BYTES_PER_MS <= offset:
            session.update(SessionChange(keyterms=waiting.pop(0)[1]))
        events += session.feed(audio[offset : offset + FEED_BYTES])
    return events + session.finish()


def turns(events: list[Event]) -> list[str]:
    """Return the text of each turn."""
    return [" ".join(word.text for word in event.words) for event in events if isinstance(event, TurnEnd)]


def has_terms(text: str) -> bool:
    """Say whether a text has a word that only keyterms bring."""
    return not {"Kubernetes", "Zephyr"}.isdisjoint(text.split())


def test_session_keyterms_count_from_the_first_turn(detector, decoder, audio):
    """They are there before the first audio, and stay."""
    assert turns(run(EmbeddedSession(spec_of(TERMS), detector, decoder), audio)) == [SAID, SAID]


def test_session_without_keyterms_has_none_of_the_session_before(detector, decoder, audio):
    """A new session starts with what its own settings say."""
    run(EmbeddedSession(spec_of(TERMS), detector, decoder), audio[: 2_000 * BYTES_PER_MS])
    assert not any(map(has_terms, turns(run(EmbeddedSession(spec_of(()), detector, decoder), audio))))


@pytest.mark.parametrize("at_ms", [FIRST_SPEECH_MS + 1_500, FIRST_SPEECH_MS + 3_700])
def test_session_new_keyterms_count_from_the_next_turn(detector, decoder, clip, audio, at_ms):
    """Whether they come inside a turn or after it; a later change of other things leaves them."""
    assert at_ms < len(clip) // BYTES_PER_MS + FIRST_SPEECH_MS + PAUSE_MS
    changes = {at_ms: TERMS, at_ms + 100: None}
    first, second = turns(run(EmbeddedSession(spec_of(()), detector, decoder), audio, changes))
    assert not has_terms(first)
    assert second == SAID


def test_session_empty_keyterms_clear_them(detector, decoder, audio):
    """An empty list, unlike none at all, takes the terms away."""
    first, second = turns(run(EmbeddedSession(spec_of(TERMS), detector, decoder), audio, {1_500: ()}))
    assert first == SAID
    assert not has_terms(second)


def test_session_resumed_after_a_change_repeats_the_turn(detector, decoder, audio):
    """A session opened with the terms in force repeats the turn of one that had others before."""
    changed = run(EmbeddedSession(spec_of(("Cooper Nettie",)), detector, decoder), audio, {1_500: TERMS})
    ends = [event for event in changed if isinstance(event, TurnEnd)]
    reports = [event for event in changed[: changed.index(ends[1])] if isinstance(event, SpeechActivity)]
    start_ms = reports[-1].replay_from_ms
    resume = ResumePoint(audio_start_ms=start_ms, suppress_before_ms=ends[0].audio_ms, turn_order=1)
    resumed = run(EmbeddedSession(spec_of(TERMS, resume), detector, decoder), audio[start_ms * BYTES_PER_MS :])
    assert [event for event in resumed if isinstance(event, TurnEnd)] == ends[1:]
