"""Sessions that outlive their ASR server: what was said is neither lost nor told twice nor changed."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.asr_kills import recordings, transcribe_through_kills
from tests.support.private_stack import private_stack
from tests.support.streaming import Transcript, transcribe

KILLS = 20
RECORDINGS = 14


def finals(transcript: Transcript) -> list[tuple[int, str, list[tuple[str, int, int]]]]:
    """Return every turn with its words and their times."""
    return [
        (turn["turn_order"], turn["transcript"], [(word["text"], word["start"], word["end"]) for word in turn["words"]])
        for turn in transcript.finals
    ]


def final_words_of_partials(transcript: Transcript) -> list[tuple[int, dict[str, Any]]]:
    """Return what was told as final inside open turns."""
    return [
        (turn["turn_order"], word)
        for turn in transcript.of_type("Turn")
        if not turn["end_of_turn"]
        for word in turn["words"]
        if word["word_is_final"]
    ]


def test_twenty_kills_in_mid_turn_change_no_word() -> None:
    """The ASR server dies by kill -9 twenty times while a turn is open; the client reads what it would have read."""
    audio = recordings(RECORDINGS)
    with private_stack() as stack:
        calm = asyncio.run(transcribe(stack.endpoint, audio, "sample_rate=16000&format_turns=true", speed=6))
        (disturbed,), kills = asyncio.run(transcribe_through_kills(stack, audio, KILLS))
    assert len(kills) == KILLS
    assert (calm.close_code, disturbed.close_code) == (1000, 1000)
    assert finals(disturbed) == finals(calm)
    times = [word[1:] for _, _, words in finals(disturbed) for word in words]
    assert times == sorted(times)
    assert [turn["turn_order"] for turn in disturbed.finals] == list(range(len(disturbed.finals)))
    # A word the client once read as final stays as it is until its turn ends, across kills too.
    told: dict[tuple[int, int], tuple[str, int]] = {}
    for turn_order, word in final_words_of_partials(disturbed):
        assert told.setdefault((turn_order, word["start"]), (word["text"], word["end"])) == (word["text"], word["end"])
