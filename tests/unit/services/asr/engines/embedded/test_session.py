"""A session of the embedded engine: the same events however the audio is cut, and a turn as it should be."""

from __future__ import annotations

import itertools
import random

import jiwer
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.asr.engines.base import (
    Closed,
    Event,
    Hypothesis,
    ResumePoint,
    SessionChange,
    SpeechActivity,
    SpeechStarted,
    TurnEnd,
    TurnEndReason,
    TurnStyle,
    UtteranceEnd,
)
from services.asr.engines.embedded.session import EmbeddedSession
from tests.support.embedded_engine import run_session, universal_spec
from tests.support.noise import noise_clips
from tests.support.scripted_recognition import LoudnessDetector, ScriptedDecoder
from tests.support.speech_clips import plain_text

SPEC = universal_spec(max_turn_silence_ms=700)
BYTES_PER_MS = 32


def turn_ends(events: list[Event]) -> list[TurnEnd]:
    """Return the turn ends among events."""
    return [event for event in events if isinstance(event, TurnEnd)]


def told_of(turn_order: int, events: list[Event]) -> list[Event]:
    """Return what is told of one turn: its words, its utterances and its end."""
    kinds = Hypothesis | UtteranceEnd | TurnEnd
    return [event for event in events if isinstance(event, kinds) and event.turn_order == turn_order]


def words_of(turn: TurnEnd | Hypothesis) -> str:
    """Return the text of an event."""
    return " ".join(word.text for word in turn.words)


@pytest.fixture(scope="session")
def events(detector, decoder, conversation) -> list[Event]:
    """Return what the conversation yields in feeds of 100 ms."""
    return run_session(SPEC, detector, decoder, conversation)


def test_session_speech_is_transcribed(samples, events):
    """At most one word in ten is wrong."""
    said = plain_text(" ".join(text for _, text in samples))
    assert jiwer.wer(said, " ".join(words_of(turn) for turn in turn_ends(events))) <= 0.1


def test_session_turn_orders_are_consecutive(events):
    """Numbers count turn ends, and everything about a turn carries its number."""
    ends = turn_ends(events)
    assert [turn.turn_order for turn in ends] == list(range(len(ends)))
    ended = 0
    for event in events:
        if isinstance(event, SpeechStarted | Hypothesis | TurnEnd):
            assert event.turn_order == ended
        ended += isinstance(event, TurnEnd)


def test_session_final_words_stay_as_they_are(events):
    """Words are final from the front, each of a pause's at once, and every later event of the turn begins with them."""
    settled = ()
    for event in events:
        if isinstance(event, Hypothesis | TurnEnd):
            assert event.words[: len(settled)] == settled
            settled = tuple(word for word in event.words if word.is_final)
            assert event.words[: len(settled)] == settled
        if isinstance(event, UtteranceEnd):
            assert event.end_word == len(settled)
        if isinstance(event, TurnEnd):
            settled = ()


def test_session_turn_ends_with_final_words(events):
    """They have posteriors, times in order and no markers."""
    for event in events:
        if isinstance(event, TurnEnd):
            assert all(word.is_final and 0 <= word.confidence <= 1 for word in event.words)
            assert all(word.text.isascii() and word.text == word.text.lower() for word in event.words)
            assert not set("<>[]()") & set(words_of(event))
            assert all(word.start_ms < word.end_ms <= event.audio_ms for word in event.words)
            assert all(one.end_ms <= two.start_ms for one, two in itertools.pairwise(event.words))


def test_session_speech_started_precedes_its_turn(events):
    """Once per turn, with the onset and a probability."""
    starts = [event for event in events if isinstance(event, SpeechStarted)]
    ends = turn_ends(events)
    assert len(starts) == len(ends)
    for start, end in zip(starts, ends, strict=True):
        assert abs(start.start_ms - end.words[0].start_ms) <= 400
        assert 0.4 <= start.confidence <= 1
        assert events.index(start) < min(
            events.index(event)
            for event in events
            if isinstance(event, Hypothesis | TurnEnd) and event.turn_order == start.turn_order
        )


def test_session_reports_activity_every_second(conversation, events):
    """Progress is told whether or not anybody speaks, and silences lie in the pauses."""
    reports = [event for event in events if isinstance(event, SpeechActivity)]
    steps = [two.audio_ms - one.audio_ms for one, two in itertools.pairwise(reports)]
    assert all(step <= 1024 for step in steps)
    assert reports[-1].audio_ms == len(conversation) // BYTES_PER_MS
    assert reports[0].silences[0][0] == 0
    assert all(event.replay_from_ms <= event.audio_ms for event in reports)


def test_session_ends_with_closed(conversation, events):
    """The last event counts the audio and the turns."""
    expected = Closed(audio_ms=len(conversation) // BYTES_PER_MS, turns=len(turn_ends(events)), engine_cpu_ms=0)
    assert events[-1] == expected


def test_session_silence_ends_turns_after_the_asked_time(events):
    """A turn ends one frame after max_turn_silence at most."""
    for turn in turn_ends(events):
        if turn.reason is TurnEndReason.SILENCE:
            assert 700 <= turn.silence_before_end_ms < 732


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cutting=st.tuples(st.integers(0, 2**32), st.sampled_from([7, 400, 20_000])))
def test_session_any_split_gives_the_same_events(detector, decoder, conversation, events, cutting):
    """Feeds of any sizes, in a process that has served sessions before."""
    seed, longest_ms = cutting
    cuts = random.Random(seed)
    session = EmbeddedSession(SPEC, detector, decoder)
    got: list[Event] = []
    offset = 0
    while offset < len(conversation):
        size = 2 * cuts.randint(1, longest_ms * BYTES_PER_MS // 2)
        got += session.feed(conversation[offset : offset + size])
        offset += size
    assert got + session.finish() == events


def test_session_resumed_at_replay_position_repeats_the_turn(detector, decoder, conversation, events):
    """From every position the reports name, a new session yields the next turn with all its hypotheses."""
    ends = turn_ends(events)
    tried = set()
    for at, event in enumerate(events):
        if not isinstance(event, SpeechActivity) or event.replay_from_ms in tried:
            continue
        tried.add(event.replay_from_ms)
        before = turn_ends(events[:at])
        resume = ResumePoint(
            audio_start_ms=event.replay_from_ms,
            suppress_before_ms=before[-1].audio_ms if before else 0,
            turn_order=len(before),
        )
        session = EmbeddedSession(universal_spec(max_turn_silence_ms=700, resume=resume), detector, decoder)
        expected = ends[len(before) :][:1]
        until_ms = expected[0].audio_ms if expected else len(conversation) // BYTES_PER_MS
        resumed = session.feed(conversation[event.replay_from_ms * BYTES_PER_MS : until_ms * BYTES_PER_MS])
        assert told_of(len(before), resumed) == told_of(len(before), events)
    assert len(tried) >= 3


def test_session_replay_position_is_recent(events):
    """A resume needs at most 6.5 s before what is open; in silence, 6.5 s in all."""
    open_from_ms = None
    for event in events:
        if isinstance(event, SpeechStarted):
            open_from_ms = event.start_ms
        elif isinstance(event, TurnEnd):
            open_from_ms = None
        elif isinstance(event, SpeechActivity):
            needed_ms = event.audio_ms if open_from_ms is None else open_from_ms
            assert event.replay_from_ms >= needed_ms - 6_500


def test_session_resume_after_forced_end_repeats_the_next_turn(detector, decoder, conversation):
    """Also where the replay starts before the forced end."""
    first = EmbeddedSession(SPEC, detector, decoder)
    forced_ms = 2_000
    cut = forced_ms * BYTES_PER_MS
    first.feed(conversation[:cut])
    forced = turn_ends(first.force_endpoint())
    assert [turn.reason for turn in forced] == [TurnEndReason.FORCED]
    end = cut + 4_000 * BYTES_PER_MS
    events = first.feed(conversation[cut:end]) + first.finish()
    resume = ResumePoint(audio_start_ms=0, suppress_before_ms=forced[0].audio_ms, turn_order=1)
    resumed = run_session(universal_spec(max_turn_silence_ms=700, resume=resume), detector, decoder, conversation[:end])
    assert len(turn_ends(events)) == 1
    assert turn_ends(resumed) == turn_ends(events)


def test_session_noise_gives_nothing(detector, decoder):
    """Every kind of noise, a few seconds each: reports of activity and nothing else."""
    for clip in noise_clips(3.5):
        heard = run_session(SPEC, detector, decoder, clip.pcm16)
        assert {type(event) for event in heard} == {SpeechActivity, Closed}, clip.name


def test_session_threshold_one_hears_nothing(detector, decoder, samples):
    """Frames below vad_threshold are silence, however clear the speech."""
    heard = run_session(universal_spec(vad_threshold=1.0), detector, decoder, samples[0][0])
    assert {type(event) for event in heard} == {SpeechActivity, Closed}


def loud(duration_ms: int) -> bytes:
    """Return a sound that LoudnessDetector and the speech gate take for speech."""
    t = np.arange(duration_ms * 16) / 16_000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 1.5 * t)) / 16_000
    formant_hz = 700 + 500 * np.sin(2 * np.pi * 3 * t)
    weights = [np.exp(-(((n * 130 - formant_hz) / 400) ** 2)) + 0.05 for n in range(1, 25)]
    buzz = sum(weight * np.sin(n * phase) for n, weight in enumerate(weights, 1))
    return np.clip(4000 * buzz * (0.6 - 0.4 * np.cos(2 * np.pi * 4 * t)), -32_000, 32_000).astype("<i2").tobytes()


def quiet(duration_ms: int) -> bytes:
    """Return digital silence."""
    return bytes(duration_ms * BYTES_PER_MS)


def scripted(spec=SPEC, **script) -> EmbeddedSession:
    """Return a session without models; ``script`` is what its decoder says."""
    return EmbeddedSession(spec, LoudnessDetector(), ScriptedDecoder(**script))


def test_session_empty_final_keeps_the_last_partial():
    """What a client has read does not vanish with the last pass."""
    events = scripted(partial=("hello",), final=()).feed(loud(1500) + quiet(1000))
    assert [(words_of(turn), turn.words[0].is_final) for turn in turn_ends(events)] == [("hello", True)]


def test_session_turn_without_words_is_dropped():
    """No words, no turn; the next one takes its number."""
    session = scripted(partial=(), final=())
    assert turn_ends(session.feed(loud(1500) + quiet(1000))) == []
    assert session.finish()[-1] == Closed(audio_ms=2500, turns=0, engine_cpu_ms=0)


def test_session_pause_inside_a_turn_joins_its_utterances():
    """The decoder finishes an utterance in a pause: its words are final at once, the turn has the words of all."""
    session = scripted(universal_spec(), partial=("b",), final=("a",))
    events = session.feed(loud(1500) + quiet(600) + loud(1500) + quiet(1500))
    told = [event for event in events if isinstance(event, Hypothesis)]
    assert [words_of(event) for event in told] == ["b", "a", "a b", "a a"]
    assert [[word.is_final for word in event.words] for event in told] == [[False], [True], [True, False], [True, True]]
    (end,) = turn_ends(events)
    assert end.words == told[-1].words
    assert end.words[1].start_ms >= 1500


def test_session_pause_inside_a_turn_ends_an_utterance():
    """Each pause tells the words since the one before, right after the hypothesis that holds them as final."""
    session = scripted(universal_spec(), partial=("b",), final=("a",))
    events = session.feed(loud(1500) + quiet(600) + loud(1500) + quiet(1500))
    at = [number for number, event in enumerate(events) if isinstance(event, UtteranceEnd)]
    assert [(events[number].first_word, events[number].end_word) for number in at] == [(0, 1), (1, 2)]
    for number in at:
        assert isinstance(events[number - 1], Hypothesis)
        assert events[number - 1].audio_ms == events[number].audio_ms


def test_session_pause_without_words_ends_no_utterance():
    """The last pass over what was said may leave nothing of it."""
    events = scripted(universal_spec(), partial=("b",), final=()).feed(loud(1500) + quiet(600))
    assert [words_of(event) for event in events if isinstance(event, Hypothesis)] == ["b"]
    assert not any(isinstance(event, UtteranceEnd) for event in events)


def test_session_utterance_ending_with_its_turn_is_not_told_apart():
    """The turn's end says it all."""
    session = scripted(universal_spec(threshold=0.0), partial=("b",), final=("a",))
    events = session.feed(loud(1500) + quiet(1500))
    assert not any(isinstance(event, UtteranceEnd) for event in events)
    assert [turn.silence_before_end_ms for turn in turn_ends(events)] == [416]


def test_session_pro_has_no_utterances():
    """Pro turns are told whole."""
    session = scripted(universal_spec(style=TurnStyle.PRO), partial=("b",), final=("a",))
    events = session.feed(loud(1500) + quiet(600) + loud(1500) + quiet(1500))
    assert not any(isinstance(event, UtteranceEnd) for event in events)


def test_session_content_word_ends_the_turn_before_max_silence():
    """The semantic branch, on the words the pause decided; the confidence is above the threshold there only."""
    events = scripted(universal_spec(), partial=("the",), final=("friday",)).feed(loud(1500) + quiet(1500))
    (end,) = turn_ends(events)
    assert end.reason is TurnEndReason.CONFIDENCE
    assert 700 <= end.silence_before_end_ms <= 750
    assert 0.4 < end.end_of_turn_confidence < 1
    assert all(0 < event.end_of_turn_confidence <= 0.4 for event in events if isinstance(event, Hypothesis))


def test_session_function_word_waits_for_max_silence():
    """The sentence goes on, although the words before the pause had ended in another."""
    events = scripted(universal_spec(), partial=("friday",), final=("the",)).feed(loud(1500) + quiet(1500))
    (end,) = turn_ends(events)
    assert (end.reason, end.silence_before_end_ms) == (TurnEndReason.SILENCE, 1280)
    assert 0 < end.end_of_turn_confidence < 0.4


def test_session_pre_roll_reaches_back_but_not_into_the_turn_before():
    """300 ms before the onset are decoded, yet no sample twice."""
    decoder = ScriptedDecoder(final=("a",))
    session = EmbeddedSession(universal_spec(threshold=0.0, min_turn_silence_ms=96), LoudnessDetector(), decoder)
    session.feed(quiet(640) + loud(960))
    assert decoder.audio_start_ms == 640 - 288
    (end,) = turn_ends(session.feed(quiet(96)))
    session.feed(loud(960))
    assert decoder.audio_start_ms == end.audio_ms


def test_session_force_endpoint_without_turn_does_nothing():
    """In silence there is nothing to end."""
    session = scripted(final=("a",))
    session.feed(quiet(1000))
    assert session.force_endpoint() == []


def test_session_finish_decodes_the_rest_of_a_frame():
    """The last samples count although they fill no frame."""
    decoder = ScriptedDecoder(final=("a",))
    session = EmbeddedSession(SPEC, LoudnessDetector(), decoder)
    audio = loud(1003)
    session.feed(audio)
    ended = session.finish()
    assert bytes(decoder.heard) == audio
    assert [turn.reason for turn in turn_ends(ended)] == [TurnEndReason.FINISH]
    assert ended[-1] == Closed(audio_ms=1003, turns=1, engine_cpu_ms=0)


def test_session_update_changes_turn_detection_in_the_open_turn():
    """A shorter silence counts for the audio after it."""
    session = scripted(final=("a",))
    assert turn_ends(session.feed(loud(1500) + quiet(200))) == []
    change = SessionChange(turn_detection=universal_spec(min_turn_silence_ms=96, max_turn_silence_ms=96).turn_detection)
    session.update(change)
    assert len(turn_ends(session.feed(quiet(64)))) == 1


def test_session_pro_partials_keep_their_cadence():
    """The first after the delay, then one in the pause."""
    session = scripted(universal_spec(style=TurnStyle.PRO, min_turn_silence_ms=96), partial=("a",), final=("a",))
    partials = [event.audio_ms for event in session.feed(loud(1920) + quiet(640)) if isinstance(event, Hypothesis)]
    assert partials == [768, 1920 + 96]
