"""Latencies of one session, from positions of audio and times of frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protos import asr_v1_pb2 as asr
from services.gateway.latency import MAX_OFFSETS, LatencyWatch, PartialSent, TurnEnded
from tests.support.asr_events import hypothesis, words

START_MS = 1_000_000


def spoken(seconds: int, *, late_from_ms: int = 1 << 40, late_ms: int = 0) -> LatencyWatch:
    """Return the watch of a client in real time, 100 ms a frame, whose later frames all come late."""
    watch = LatencyWatch()
    for start_ms in range(0, seconds * 1_000, 100):
        delay_ms = late_ms if start_ms >= late_from_ms else 0
        watch.receive_audio(start_ms, start_ms + 100, START_MS + start_ms + 100 + delay_ms)
    return watch


def partial(audio_ms: int, turn_order: int = 0) -> asr.Hypothesis:
    """Return a hypothesis whose first word begins at once."""
    return hypothesis("one two", turn_order, audio_ms=audio_ms).hypothesis


def test_partial_is_as_late_as_its_newest_audio() -> None:
    """Audio at 2,000 ms came at 2,000 ms; the text goes out 150 ms later."""
    watch = spoken(3)
    watch.receive_onset(1_200)
    assert watch.send_partial(partial(2_000), START_MS + 2_150) == PartialSent(150, 950)


def test_first_partial_counts_once_a_turn() -> None:
    """From the onset of that turn."""
    watch = spoken(6)
    watch.receive_onset(500)
    watch.send_partial(partial(1_000), START_MS + 1_100)
    assert watch.send_partial(partial(1_500), START_MS + 1_600).first_latency_ms is None
    watch.send_final(words("one"), START_MS + 3_000)
    watch.receive_onset(4_000)
    assert watch.send_partial(partial(4_500, 1), START_MS + 4_700).first_latency_ms == 700
    assert watch.first_partial_ms == 700


def test_first_partial_without_an_onset_counts_from_the_first_word() -> None:
    """An engine need not report onsets."""
    assert spoken(3).send_partial(partial(1_000), START_MS + 1_100).first_latency_ms == 1_100


def test_turn_is_as_late_as_its_last_word() -> None:
    """Silence waited for included; how many words it has is told as well."""
    watch = spoken(3)
    # Two words, the second one ends at 450 ms.
    assert watch.send_final(words("one two"), START_MS + 1_750) == TurnEnded(1_300, 2)
    assert watch.turn_ms == 1_300


def test_frames_that_come_late_count_from_when_they_came() -> None:
    """A network that stalls for two seconds is not our latency."""
    watch = spoken(5, late_from_ms=2_000, late_ms=2_000)
    assert watch.send_partial(partial(3_000), START_MS + 5_100).latency_ms == 100
    assert watch.send_partial(partial(1_000), START_MS + 1_100).latency_ms == 100


@given(st.lists(st.tuples(st.integers(1, 1_000), st.integers(0, 5_000)), max_size=300), st.integers(0, 400_000))
def test_latency_is_never_negative_and_memory_is_bounded(frames: list[tuple[int, int]], position_ms: int) -> None:
    """However frames come, and whatever position is asked for."""
    watch = LatencyWatch()
    audio_ms, now_ms = 0, START_MS
    for length_ms, pause_ms in frames:
        now_ms += pause_ms
        watch.receive_audio(audio_ms, audio_ms + length_ms, now_ms)
        audio_ms += length_ms
    assert watch.send_partial(partial(position_ms), now_ms).latency_ms >= 0
    assert len(watch._offsets) <= MAX_OFFSETS
