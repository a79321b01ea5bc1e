"""One test per rule of turn ends, and one that no sequence of inputs leaves the state table."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.asr.endpointing import (
    ALLOWED_MOVES,
    LONGEST_TURN_MS,
    OPEN_WORDS,
    PENDING_LIMIT_MS,
    PENDING_SILENCE_MS,
    Endpointer,
    FrameFacts,
    TurnClose,
    TurnPhase,
    end_of_turn_score,
    ends_sentence,
    leaves_open,
)
from services.asr.engines.base import TurnDetection, TurnEndReason, TurnStyle

FRAME_MS = 20


def detection(threshold: float = 0.4, min_ms: int = 400, max_ms: int = 1280) -> TurnDetection:
    """Return thresholds, the protocol's defaults where nothing is said."""
    return TurnDetection(
        vad_threshold=0.4,
        end_of_turn_confidence_threshold=threshold,
        min_turn_silence_ms=min_ms,
        max_turn_silence_ms=max_ms,
    )


@dataclass
class Rig:
    """An endpointer and the position of its audio."""

    endpointer: Endpointer
    at_ms: int = 0

    def hear(self, duration_ms: int, *, speech: bool, **facts) -> TurnClose | None:
        """Feed frames until the turn is over or the duration is."""
        for _ in range(0, duration_ms, FRAME_MS):
            self.at_ms += FRAME_MS
            close = self.endpointer.receive(FrameFacts(self.at_ms, FRAME_MS if speech else 0, **facts))
            if close is not None:
                return close
        return None

    def begin(self) -> None:
        self.at_ms += FRAME_MS
        self.endpointer.begin(self.at_ms - FRAME_MS, self.at_ms, FRAME_MS)


def rig(style: TurnStyle = TurnStyle.UNIVERSAL, speech_ms: int = 1000, **settings) -> Rig:
    """Return a rig with an open turn of ``speech_ms`` of speech."""
    made = Rig(Endpointer(style, detection(**settings)))
    made.begin()
    assert made.hear(speech_ms - FRAME_MS, speech=True) is None
    return made


def test_turn_reaching_max_silence_ends_by_silence():
    """The acoustic branch ends a turn at max_turn_silence and says how long it was silent."""
    close = rig(max_ms=1280).hear(5000, speech=False)
    assert close == TurnClose(TurnEndReason.SILENCE, start_ms=0, end_ms=2280, silence_ms=1280)


def test_turn_short_of_max_silence_goes_on():
    """Speech resets the silence."""
    made = rig(max_ms=1280)
    assert made.hear(1260, speech=False) is None
    assert made.hear(20, speech=True) is None
    assert made.hear(1260, speech=False) is None


def test_turn_with_score_above_threshold_ends_by_confidence_at_min_silence():
    """The semantic branch ends a turn early."""
    close = rig().hear(5000, speech=False, score=0.5)
    assert close is not None
    assert (close.reason, close.silence_ms) == (TurnEndReason.CONFIDENCE, 400)


def test_turn_with_score_at_threshold_waits_for_max_silence():
    """The score must exceed the threshold."""
    close = rig().hear(5000, speech=False, score=0.4)
    assert close is not None
    assert (close.reason, close.silence_ms) == (TurnEndReason.SILENCE, 1280)


def test_turn_without_score_or_text_waits_for_max_silence():
    """Where nothing is known of the text there is the acoustic branch only."""
    close = rig().hear(5000, speech=False)
    assert close is not None
    assert (close.reason, close.confidence) == (TurnEndReason.SILENCE, 0)


def ended_by(last_word: str, **settings) -> tuple[TurnEndReason | None, int]:
    """Return why and after how much silence a turn ends whose text ends in a word."""
    close = rig(**settings).hear(5000, speech=False, last_word=last_word)
    assert close is not None
    return close.reason, close.silence_ms


@pytest.mark.parametrize("word", ["Friday.", "really?", "Stop!", "好。"])
def test_turn_with_finished_sentence_ends_at_min_silence(word):
    """A terminal mark is enough at the default threshold."""
    assert ended_by(word) == (TurnEndReason.CONFIDENCE, 400)


@pytest.mark.parametrize("word", ["friday", "twelve", "thanks", "you"])
def test_turn_with_unpunctuated_word_ends_after_some_more_silence(word):
    """An engine that writes no punctuation waits a little longer, and not for max_turn_silence."""
    reason, silence_ms = ended_by(word)
    assert reason is TurnEndReason.CONFIDENCE
    assert 700 <= silence_ms <= 750


@pytest.mark.parametrize("word", ["the", "of", "and", "would", "I", "we're", "um", "Tuesday,", "好，"])
def test_turn_with_open_end_waits_for_max_silence(word):
    """After a function word or a comma somebody is still talking."""
    assert ended_by(word) == (TurnEndReason.SILENCE, 1280)


@pytest.mark.parametrize("word", ["friday", "Friday.", "the"])
@pytest.mark.parametrize(
    ("threshold", "reason", "silence_ms"), [(0.0, TurnEndReason.CONFIDENCE, 400), (1.0, TurnEndReason.SILENCE, 1280)]
)
def test_turn_threshold_zero_or_one_leaves_one_branch(word, threshold, reason, silence_ms):
    """0 ends every pause of min_turn_silence, 1 none before max_turn_silence, whatever was said."""
    assert ended_by(word, threshold=threshold) == (reason, silence_ms)


@pytest.mark.parametrize("last_word", ["friday", "the", "Friday."])
@pytest.mark.parametrize("threshold", [0.2, 0.4, 0.7])
def test_turn_end_confidence_tells_the_branch(last_word, threshold):
    """Above the threshold the semantic branch ended the turn, else the silence."""
    close = rig(threshold=threshold).hear(5000, speech=False, last_word=last_word)
    assert close is not None
    assert (close.confidence > threshold) is (close.reason is TurnEndReason.CONFIDENCE)


def test_turn_speech_after_a_pause_starts_the_silence_again():
    """The score counts the silence since the last speech only."""
    made = rig()
    assert made.hear(700, speech=False, last_word="friday") is None
    assert made.hear(20, speech=True, last_word="friday") is None
    assert made.hear(700, speech=False, last_word="friday") is None


def test_own_score_of_an_engine_replaces_ours():
    """The text does not matter then."""
    close = rig().hear(5000, speech=False, last_word="Friday.", score=0.1)
    assert close is not None
    assert (close.reason, close.confidence) == (TurnEndReason.SILENCE, 0.1)


def test_confidence_of_the_open_turn_rises_with_silence():
    """Hypotheses carry it; a new turn starts without one."""
    made = rig()
    assert made.endpointer.confidence(made.at_ms) == 0
    seen = []
    for _ in range(3):
        made.hear(200, speech=False, last_word="friday")
        seen.append(made.endpointer.confidence(made.at_ms))
    assert 0 < seen[0] < seen[1] < seen[2] < 0.4
    made.endpointer.force(made.at_ms)
    made.begin()
    assert made.endpointer.confidence(made.at_ms) == 0


def test_score_doubt_about_silence_lowers_it():
    """An engine that is sure to hear nothing adds nothing, one that is not takes away."""
    sure, unsure = (end_of_turn_score("friday", 700, 400, probability) for probability in (1.0, 0.5))
    assert unsure < sure == end_of_turn_score("friday", 700, 400)


@given(st.text(max_size=12), st.integers(0, 100_000), st.integers(1, 10_000), st.none() | st.floats(0, 1))
def test_score_any_input_is_a_probability_that_grows_with_silence(text, silence_ms, min_silence_ms, blank):
    """Never below 0, never above 1, never less sure after more silence."""
    first, later = (end_of_turn_score(text, at_ms, min_silence_ms, blank) for at_ms in (silence_ms, silence_ms + 500))
    assert 0 <= first <= later <= 1


def test_open_words_are_plain_lower_case():
    """A list that is compared in lower case holds nothing else."""
    assert all(word == word.lower().strip() and not ends_sentence(word) for word in OPEN_WORDS)


@pytest.mark.parametrize("text", ["and THE", "well,", "いや、", "لكن،", "I'm"])
def test_leaves_open_text_that_asks_for_more(text):
    """Function words in any case, and commas of every supported script."""
    assert leaves_open(text)


@pytest.mark.parametrize("text", ["", " ", "friday", "the.", "theatre"])
def test_leaves_open_other_text_does_not(text):
    """Neither content words nor finished sentences."""
    assert not leaves_open(text)


def test_threshold_zero_ends_every_min_silence_pause_without_score():
    """Threshold 0 makes any pause of min_turn_silence an end."""
    close = rig(threshold=0.0).hear(5000, speech=False, score=None)
    assert close is not None
    assert (close.reason, close.silence_ms) == (TurnEndReason.CONFIDENCE, 400)


def test_threshold_one_leaves_only_silence():
    """No score can exceed 1."""
    close = rig(threshold=1.0).hear(5000, speech=False, score=1.0)
    assert close is not None
    assert (close.reason, close.silence_ms) == (TurnEndReason.SILENCE, 1280)


def test_turn_with_less_than_80_ms_of_speech_is_dropped():
    """A turn needs 80 ms of speech."""
    close = rig(speech_ms=60).hear(5000, speech=False, score=1.0)
    assert close is not None
    assert (close.reason, close.silence_ms) == (None, 1280)


def test_turn_with_80_ms_of_speech_ends():
    """80 ms are enough."""
    close = rig(speech_ms=80).hear(5000, speech=False)
    assert close is not None
    assert close.reason is TurnEndReason.SILENCE


def test_speech_of_the_turn_before_does_not_count():
    """The 80 ms are counted since the last end."""
    made = rig()
    made.hear(5000, speech=False)
    made.begin()
    close = made.hear(5000, speech=False)
    assert close is not None
    assert close.reason is None


@pytest.mark.parametrize("text", ["Yes.", "Really?", "No!", "はい。", "本当？", "好！", "کیا؟", "ہاں۔", "हाँ।", "Yes. "])
def test_ends_sentence_terminal_mark_is_recognised(text):
    """Terminal marks of every supported script end a sentence."""
    assert ends_sentence(text)


@pytest.mark.parametrize("text", ["", " ", "well,", "and", "one: "])
def test_ends_sentence_other_text_is_not(text):
    """Nothing else does."""
    assert not ends_sentence(text)


def test_pro_turn_with_terminal_mark_ends_by_punctuation_at_min_silence():
    """Pro turns end at min_turn_silence when the text is a finished sentence."""
    close = rig(TurnStyle.PRO, min_ms=100, max_ms=1000).hear(5000, speech=False, last_word="done.")
    assert close is not None
    assert (close.reason, close.silence_ms) == (TurnEndReason.PUNCTUATION, 100)


def test_pro_turn_without_terminal_mark_ends_at_max_silence():
    """Otherwise they wait, and then end regardless."""
    close = rig(TurnStyle.PRO, min_ms=100, max_ms=1000).hear(5000, speech=False, last_word="and")
    assert close is not None
    assert (close.reason, close.silence_ms) == (TurnEndReason.SILENCE, 1000)


def test_pro_turn_ignores_score_and_threshold():
    """The confidence threshold has no effect on Pro sessions."""
    close = rig(TurnStyle.PRO, threshold=0.0, min_ms=100, max_ms=1000).hear(5000, speech=False, score=1.0)
    assert close is not None
    assert close.reason is TurnEndReason.SILENCE


def test_min_silence_above_max_raises_max():
    """A minimum above the maximum is used for both."""
    close = rig(min_ms=2000, max_ms=1000).hear(5000, speech=False)
    assert close is not None
    assert close.silence_ms == 2000


@pytest.mark.parametrize("style", list(TurnStyle))
def test_equal_min_and_max_silence_end_any_such_pause(style):
    """100 and 100 mean that every pause of 100 ms ends the turn."""
    close = rig(style, min_ms=100, max_ms=100).hear(5000, speech=False)
    assert close is not None
    assert (close.reason, close.silence_ms) == (TurnEndReason.SILENCE, 100)


def test_turn_without_words_is_dropped_at_max_silence():
    """A turn in which nothing was said never becomes a turn end."""
    close = rig(threshold=0.0).hear(5000, speech=False, has_words=False)
    assert close is not None
    assert (close.reason, close.silence_ms) == (None, 1280)


def test_force_open_turn_ends_at_once():
    """ForceEndpoint ends the open turn where it stands."""
    made = rig()
    assert made.endpointer.force(1000) == TurnClose(TurnEndReason.FORCED, 0, 1000, 0)
    assert made.endpointer.phase is TurnPhase.IDLE


def test_force_without_open_turn_does_nothing():
    """Neither silence nor something that is not known to be speech can be forced."""
    made = Rig(Endpointer(TurnStyle.UNIVERSAL, detection()))
    assert made.endpointer.force(0) is None
    made.begin()
    assert made.endpointer.force(20) is None
    assert made.endpointer.phase is TurnPhase.PENDING


def test_finish_open_turn_ends_it():
    """The last turn of a session ends with the session."""
    close = rig().endpointer.finish(1010)
    assert close is not None
    assert (close.reason, close.end_ms) == (TurnEndReason.FINISH, 1010)


def test_finish_pending_turn_drops_it():
    """What was not known to be speech is not reported."""
    made = Rig(Endpointer(TurnStyle.UNIVERSAL, detection()))
    assert made.endpointer.finish(0) is None
    made.begin()
    close = made.endpointer.finish(20)
    assert close is not None
    assert close.reason is None


@pytest.mark.parametrize("style", list(TurnStyle))
def test_turn_of_60_s_ends_by_limit(style):
    """Nobody talks for ever in one turn."""
    close = rig(style).hear(100_000, speech=True, has_words=True, last_word="and")
    assert close is not None
    assert (close.reason, close.end_ms) == (TurnEndReason.LIMIT, LONGEST_TURN_MS)


def test_pending_turn_is_dropped_after_its_limit():
    """Noise that never pauses does not hold a turn open."""
    made = Rig(Endpointer(TurnStyle.UNIVERSAL, detection()))
    made.begin()
    close = made.hear(100_000, speech=True, is_confirmed=False)
    assert close is not None
    assert (close.reason, close.end_ms) == (None, PENDING_LIMIT_MS)


def test_pending_turn_is_dropped_in_silence():
    """A short noise is forgotten; the session's silences do not matter to it."""
    made = Rig(Endpointer(TurnStyle.UNIVERSAL, detection(min_ms=100, max_ms=100)))
    made.begin()
    close = made.hear(100_000, speech=False, is_confirmed=False)
    assert close is not None
    assert (close.reason, close.silence_ms) == (None, PENDING_SILENCE_MS)


def test_configure_applies_to_the_open_turn():
    """New thresholds count from the next frame on."""
    made = rig()
    assert made.hear(500, speech=False) is None
    made.endpointer.configure(detection(min_ms=100, max_ms=200))
    close = made.hear(20, speech=False)
    assert close is not None
    assert close.reason is TurnEndReason.SILENCE


INPUTS = st.lists(
    st.one_of(
        st.tuples(st.just("begin")),
        st.tuples(st.just("force")),
        st.tuples(st.just("finish")),
        st.tuples(st.just("frame"), st.booleans(), st.booleans(), st.sampled_from([None, True, False])),
    ),
    max_size=200,
)


@given(INPUTS, st.sampled_from(list(TurnStyle)))
def test_endpointer_any_inputs_stay_in_the_table(inputs, style):
    """Every change of phase is an allowed move, and a close always leaves the endpointer idle."""
    made = Rig(Endpointer(style, detection(min_ms=40, max_ms=80)))
    for kind, *facts in inputs:
        before = made.endpointer.phase
        close = None
        if kind == "begin" and before is TurnPhase.IDLE:
            made.begin()
        elif kind == "force":
            close = made.endpointer.force(made.at_ms)
        elif kind == "finish":
            close = made.endpointer.finish(made.at_ms)
        elif kind == "frame":
            speech, confirmed, words = facts
            close = made.hear(FRAME_MS, speech=speech, is_confirmed=confirmed, has_words=words)
        after = made.endpointer.phase
        # One input may confirm a turn and close it.
        reachable = ALLOWED_MOVES[before] | {phase for step in ALLOWED_MOVES[before] for phase in ALLOWED_MOVES[step]}
        assert after is before or after in reachable
        assert close is None or after is TurnPhase.IDLE
