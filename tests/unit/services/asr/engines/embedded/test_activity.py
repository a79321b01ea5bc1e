"""The report of speech and silence."""

from __future__ import annotations

from services.asr.engines.base import SpeechActivity
from services.asr.engines.embedded.activity import ActivityReport


def test_report_is_due_at_whole_seconds():
    """The first frame that reaches a second makes a report due."""
    report = ActivityReport()
    due = [
        report.take(start_ms + 32, 0).audio_ms
        for start_ms in range(0, 3200, 32)
        if report.receive(start_ms, start_ms + 32, 0.1, is_speech=False)
    ]
    assert due == [1024, 2016, 3008]


def test_report_joins_neighbouring_silences():
    """Silent frames in a row are one range; the loudest probability is kept."""
    report = ActivityReport()
    for start_ms, is_speech in ((0, False), (32, False), (64, True), (96, False)):
        report.receive(start_ms, start_ms + 32, 0.9 if is_speech else 0.2, is_speech=is_speech)
    assert report.take(128, 7) == SpeechActivity(
        audio_ms=128, max_speech_probability=0.9, silences=((0, 64), (96, 128)), replay_from_ms=7
    )
    assert not report.has_news


def test_report_starts_where_told():
    """A resumed session reports only what is new."""
    report = ActivityReport()
    report.start_at(5024)
    assert not report.has_news
    assert not report.receive(5024, 5056, 0.0, is_speech=False)
    assert report.receive(5984, 6016, 0.0, is_speech=False)
