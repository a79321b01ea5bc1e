"""Several logs as one."""

from __future__ import annotations

import pytest

from runtime.supervise.log_merge import LogMerger, line_time_s, short_names


def test_lines_of_two_logs_come_in_the_order_of_their_times() -> None:
    """Times decide, equal times keep the order of the logs."""
    batch = {
        "a": ["2026-11-20T10:00:01Z first", "2026-11-20T10:00:03Z third"],
        "b": ["2026-11-20T10:00:02Z second", "2026-11-20T10:00:03Z fourth"],
    }
    assert [line.split()[1] for _, line in LogMerger().merge(batch)] == ["first", "second", "third", "fourth"]


def test_line_without_a_time_stays_with_the_one_before_it() -> None:
    """A traceback is not torn apart, not even across two batches."""
    merger = LogMerger()
    first = merger.merge({"a": ["2026-11-20T10:00:01Z failed", "Traceback"], "b": ["2026-11-20T10:00:02Z later"]})
    second = merger.merge({"a": ["  ValueError"], "b": ["2026-11-20T10:00:03Z last"]})
    assert [line for _, line in first + second] == [
        "2026-11-20T10:00:01Z failed", "Traceback", "2026-11-20T10:00:02Z later",
        "  ValueError", "2026-11-20T10:00:03Z last",
    ]  # fmt: skip


def test_lines_before_the_first_time_stay_before_it() -> None:
    """The rest of a cut traceback is not taken for the oldest line of all."""
    batch = {"a": ["rest", "2026-11-20T10:00:05Z a"], "b": ["2026-11-20T10:00:01Z b"]}
    assert [name for name, _ in LogMerger().merge(batch)] == ["b", "a", "a"]


@pytest.mark.parametrize(
    ("line", "time_s"),
    [
        ("2026-11-20T14:02:11.250000Z [info     ] x", 1_795_183_331.25),
        ('{"event": "x", "timestamp": "2026-11-20T14:02:11.25Z"}', 1_795_183_331.25),
        ("2026-13-20T14:02:11Z no such month", None),
        ("Traceback (most recent call last):", None),
        ("", None),
    ],
)
def test_time_of_a_line_is_read_from_its_beginning(line: str, time_s: float | None) -> None:
    """Plain and JSON lines carry it, others have none."""
    assert line_time_s(line) == time_s


def test_supervisords_local_times_are_understood() -> None:
    """Without a zone it is this machine's, and the comma is a point."""
    early, late = line_time_s("2026-11-20 14:02:11,100 INFO x"), line_time_s("2026-11-20 14:02:11,200 INFO x")
    assert early is not None
    assert late is not None
    assert 0.09 < late - early < 0.11


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["streaming-asr-lb"], [""]),
        (["streaming-api-00", "streaming-api-01"], ["00", "01"]),
        (["streaming-api-00", "streaming-asr-lb"], ["streaming-api-00", "streaming-asr-lb"]),
        (["streaming-asr-english", "streaming-asr-lb"], ["streaming-asr-english", "streaming-asr-lb"]),
    ],
)
def test_labels_are_as_short_as_they_can_be(names: list[str], labels: list[str]) -> None:
    """Numbers tell workers of one program apart."""
    assert list(short_names(names).values()) == labels
