"""When hypotheses are told, per turn style."""

from __future__ import annotations

import pytest

from services.asr.engines.base import TurnDetection, TurnStyle
from services.asr.partials import PartialCadence


def cadence(style: TurnStyle, *, continuous: bool = True, delay_ms: int = 500, min_ms: int = 100) -> PartialCadence:
    """Return a cadence at the start of a turn."""
    made = PartialCadence(
        style,
        TurnDetection(
            vad_threshold=0.3,
            end_of_turn_confidence_threshold=0.4,
            min_turn_silence_ms=min_ms,
            max_turn_silence_ms=1000,
            interruption_delay_ms=delay_ms,
            continuous_partials=continuous,
        ),
    )
    made.begin(0)
    return made


def due_at(
    made: PartialCadence, until_ms: int, text=lambda at_ms: f"text {at_ms}", silence=lambda _at_ms: 0
) -> list[int]:
    """Return the positions, 10 ms apart, at which a partial was due."""
    return [at_ms for at_ms in range(10, until_ms, 10) if made.is_due(text(at_ms), at_ms, silence(at_ms))]


def test_universal_text_changed_is_told_at_once():
    """Word by word, and nothing twice."""
    made = cadence(TurnStyle.UNIVERSAL)
    assert [made.is_due(text, 10, 0) for text in ("", "a", "a", "a b", "a")] == [False, True, False, True, True]


def test_universal_word_becoming_final_is_told():
    """Every finalisation counts, also when no text changes, and is told once."""
    made = cadence(TurnStyle.UNIVERSAL)
    assert [made.is_due("a b", 10, 0, final_words=number) for number in (0, 1, 1, 2)] == [True, True, False, True]


def test_universal_new_turn_same_text_is_told():
    """A turn starts without a memory of the one before."""
    made = cadence(TurnStyle.UNIVERSAL)
    assert made.is_due("yes", 10, 0, final_words=1)
    made.begin(1000)
    assert made.is_due("yes", 1010, 0)


def test_pro_first_partial_waits_for_the_delay():
    """interruption_delay and the service's own 256 ms."""
    assert due_at(cadence(TurnStyle.PRO), 1000) == [760]
    assert due_at(cadence(TurnStyle.PRO, delay_ms=0), 1000) == [260]


@pytest.mark.parametrize("words_at_ms", [900, 1200, 1490, 2000])
def test_pro_first_partial_without_words_is_tried_again(words_at_ms):
    """It comes with the first words, so never after the next of the documented tries every 750 ms."""
    due = due_at(cadence(TurnStyle.PRO), 2300, text=lambda at_ms: "" if at_ms < words_at_ms else "a")
    assert due == [words_at_ms]
    assert due[0] <= -(-words_at_ms // 750) * 750


def test_pro_first_partial_comes_once_a_turn():
    """A try that found words is not repeated; the next turn has its own."""
    made = cadence(TurnStyle.PRO)
    assert due_at(made, 3000, text=lambda _at_ms: "same") == [760]
    made.begin(3000)
    assert [at_ms for at_ms in range(3000, 6000, 10) if made.is_due("same", at_ms, 0)] == [3760]


def test_pro_continuous_partials_come_every_second():
    """About one a second while the text changes."""
    assert due_at(cadence(TurnStyle.PRO), 3000) == [760, 1760, 2760]


def test_pro_without_continuous_partials_come_every_three_seconds():
    """The slower cadence."""
    assert due_at(cadence(TurnStyle.PRO, continuous=False), 7000) == [760, 3760, 6760]


def test_pro_unchanged_text_is_not_repeated():
    """The interval alone is no reason."""
    assert due_at(cadence(TurnStyle.PRO), 5000, text=lambda _at_ms: "same") == [760]


def test_pro_silence_is_told_once():
    """One partial when the silence reaches min_turn_silence, the next only after more speech."""
    silence = {at_ms: max(0, at_ms - 1000) for at_ms in range(1500)}
    silence |= dict.fromkeys(range(1500, 1600), 0)
    silence |= {at_ms: at_ms - 1600 for at_ms in range(1600, 2500)}
    assert due_at(cadence(TurnStyle.PRO), 2500, lambda _at_ms: "same", silence.__getitem__) == [760, 1100, 1700]


def test_pro_silence_after_a_finished_sentence_is_not_told():
    """The turn ends there; a partial would say what its final says."""
    assert due_at(cadence(TurnStyle.PRO), 1400, lambda _at_ms: "Done.", lambda at_ms: max(0, at_ms - 1000)) == [760]


def test_pro_silence_shorter_than_the_minimum_is_not_told():
    """Silence must reach min_turn_silence."""
    silence_ms = {at_ms: at_ms % 100 for at_ms in range(3000)}
    assert due_at(cadence(TurnStyle.PRO), 3000, lambda _at_ms: "same", silence_ms.__getitem__) == [760]


def test_pro_final_words_make_no_partial():
    """Nothing of a Pro turn is final before its end."""
    made = cadence(TurnStyle.PRO)
    assert made.is_due("a", 760, 0)
    assert not made.is_due("a", 5000, 0, final_words=1)


def test_configure_changes_the_open_turn():
    """New delays count at once."""
    made = cadence(TurnStyle.PRO)
    made.configure(
        TurnDetection(
            vad_threshold=0.3,
            end_of_turn_confidence_threshold=0.4,
            min_turn_silence_ms=100,
            max_turn_silence_ms=1000,
            interruption_delay_ms=0,
        )
    )
    assert due_at(made, 500) == [260]
