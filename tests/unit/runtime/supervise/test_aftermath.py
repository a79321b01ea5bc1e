"""What an operator reads after Ctrl-C."""

from __future__ import annotations

from runtime.supervise.aftermath import aftermath_text
from runtime.supervise.states import ProcessState

STOPPING, RUNNING, STOPPED = ProcessState.STOPPING, ProcessState.RUNNING, ProcessState.STOPPED


def test_interrupted_down_says_what_is_left_and_both_ways_on() -> None:
    """What stops, what runs, how to finish, how to have it back."""
    states = {"streaming-api-00": STOPPING, "streaming-asr-lb": RUNNING, "streaming-asr-u3pro": STOPPED}
    assert aftermath_text("down", (), states, 1) == (
        "still stopping: streaming-api-00 (1 open session); still running: streaming-asr-lb. "
        "Finish with aai-console down (--drain 0 ends open sessions at once), "
        "or have everything back with aai-console up"
    )


def test_interrupted_restart_warns_that_nothing_comes_back_by_itself() -> None:
    """A worker that drains is not started again by anybody."""
    text = aftermath_text("restart", ["streaming-api"], {"streaming-api-00": STOPPING, "streaming-api-01": RUNNING}, 2)
    assert "still stopping: streaming-api-00 (2 open sessions); still running: streaming-api-01." in text
    assert "does not come back by itself: aai-console restart streaming-api (--drain 0" in text
    assert text.endswith("or aai-console start streaming-api-00")


def test_interrupted_stop_says_how_to_hurry_it() -> None:
    """The stop goes on by itself, unless it is hurried."""
    text = aftermath_text("stop", ["streaming-api-00"], {"streaming-api-00": STOPPING}, 1)
    assert "hurry it with aai-console stop streaming-api-00 --drain 0" in text


def test_interruption_before_anything_stopped_says_so() -> None:
    """Nothing to repair is a sentence, too."""
    text = aftermath_text("restart", ["streaming-asr-lb"], {"streaming-asr-lb": RUNNING}, 0)
    assert "Nothing is stopped" in text
