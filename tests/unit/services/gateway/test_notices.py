"""Heartbeat and Silence."""

from __future__ import annotations

import json

from protos import asr_v1_pb2 as asr
from services.gateway.notices import HEARTBEAT_INTERVAL_MS, Notices


def activity(probability: float, *silences: tuple[int, int]) -> asr.SpeechActivity:
    """Return a progress report."""
    return asr.SpeechActivity(
        max_speech_probability=probability,
        silences=[asr.TimeRange(start_ms=start_ms, end_ms=end_ms) for start_ms, end_ms in silences],
    )


def test_heartbeat_is_due_every_five_seconds_from_begin() -> None:
    """It tells the audio so far, the wall time, the rate and the highest probability of the interval."""
    notices = Notices(heartbeat=True, silence=False)
    assert notices.next_deadline_ms() is None
    notices.begin(1_000)
    assert notices.next_deadline_ms() == 1_000 + HEARTBEAT_INTERVAL_MS
    notices.receive_activity(activity(0.25))
    notices.receive_activity(activity(0.75))
    assert notices.tick(5_999, 0) is None
    message = notices.tick(6_000, 4_900.0)
    assert message is not None
    assert json.loads(message.encode()) == {
        "type": "Heartbeat",
        "total_audio_received_ms": 4_900,
        "total_duration_ms": 5_000,
        "realtime_factor": 0.98,
        "max_speech_probability": 0.75,
    }


def test_second_heartbeat_tells_of_its_own_interval() -> None:
    """Rate and probability start anew."""
    notices = Notices(heartbeat=True, silence=False)
    notices.begin(0)
    notices.receive_activity(activity(0.9))
    notices.tick(5_000, 5_000)
    message = notices.tick(10_000, 15_000)
    assert message is not None
    assert (message.realtime_factor, message.max_speech_probability) == (2.0, 0.0)


def test_heartbeat_nobody_asked_for_is_never_due() -> None:
    """Some clients take unknown messages for errors."""
    notices = Notices(heartbeat=False, silence=False)
    notices.begin(0)
    assert notices.next_deadline_ms() is None
    assert notices.tick(60_000, 0) is None


def test_heartbeat_switched_on_comes_a_whole_interval_later() -> None:
    """And not for the time before."""
    notices = Notices(heartbeat=False, silence=False)
    notices.begin(0)
    notices.switch_heartbeat(on=True, now_ms=60_000, received_ms=1_000)
    assert notices.next_deadline_ms() == 65_000
    notices.switch_heartbeat(on=True, now_ms=64_000, received_ms=1_000)
    assert notices.next_deadline_ms() == 65_000
    notices.switch_heartbeat(on=False, now_ms=64_000, received_ms=1_000)
    assert notices.next_deadline_ms() is None


def test_silences_are_told_only_when_asked_for() -> None:
    """Each range is one message."""
    report = activity(0.1, (1_000, 2_000), (2_500, 3_000))
    assert Notices(heartbeat=False, silence=False).receive_activity(report) == []
    told = Notices(heartbeat=False, silence=True).receive_activity(report)
    assert [(silence.start_ms, silence.end_ms) for silence in told] == [(1_000, 2_000), (2_500, 3_000)]
