"""One turn after another through the real decoder."""

from __future__ import annotations

import numpy as np
import pytest

from services.asr.engines.base import Word
from services.asr.engines.embedded.decoder import BLOCK_MS, HOLD_MS, TurnDecoder, _frames_with_sound, _plain
from tests.support.speech_clips import KEYTERM_CLIP
from tests.unit.services.asr.engines.embedded.conftest import read_pcm16

BYTES_PER_MS = 32
TERMS = ("Kubernetes", "Zephyr QX-9")


def decode(decoder: TurnDecoder, audio: bytes) -> tuple[Word, ...]:
    """Return the final words of a turn that starts at 0."""
    decoder.begin(0)
    decoder.feed(audio)
    return decoder.finish()


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("hello", "hello"), ("and(2)", "and"), ("x.(2)", "x"), ("mr.", "mr"), ("<s>", ""), ("<sil>", ""),
        ("[SPEECH]", ""), ("++NOISE++", ""),
    ],
)  # fmt: skip
def test_plain_token_becomes_a_word_or_nothing(token, word):
    """No marker, no pronunciation number and no full stop reaches a client."""
    assert _plain(token) == word


def test_frames_with_sound_digital_silence_is_not_counted():
    """Frames the decoder leaves out of its mean are not counted either."""
    silence, sound = np.zeros(1600, "<i2"), np.full(1600, 5, "<i2")
    assert _frames_with_sound(silence.tobytes()) == 0
    assert _frames_with_sound(sound.tobytes(), overlapping=True) == 10
    assert _frames_with_sound(np.concatenate((silence, sound)).tobytes(), overlapping=True) == 10
    assert _frames_with_sound(sound.tobytes()) == 8
    assert _frames_with_sound(b"") == 0


def test_decoder_words_depend_on_the_turn_alone(decoder, samples):
    """Words, times and posteriors are the same after other turns, finished or abandoned."""
    audio = samples[0][0][: 2_500 * BYTES_PER_MS]
    first = decode(decoder, audio)
    decode(decoder, samples[1][0][: 2_000 * BYTES_PER_MS])
    decoder.begin(0)
    decoder.feed(samples[1][0][: 1_700 * BYTES_PER_MS])
    decoder.abandon()
    assert first
    assert decode(decoder, audio) == first


def test_decoder_partials_begin_when_enough_is_held(decoder, samples):
    """The first second is searched at once, the rest in blocks."""
    audio = samples[0][0]
    decoder.begin(0)
    assert not decoder.feed(audio[: (HOLD_MS - 10) * BYTES_PER_MS])
    assert decoder.words() == ()
    assert decoder.feed(audio[(HOLD_MS - 10) * BYTES_PER_MS : HOLD_MS * BYTES_PER_MS])
    assert not decoder.feed(bytes((BLOCK_MS - 10) * BYTES_PER_MS))
    assert decoder.feed(bytes(10 * BYTES_PER_MS))
    decoder.abandon()


def test_decoder_times_count_from_the_session_start(decoder, samples):
    """A turn's words carry positions of the session."""
    audio = samples[0][0][: 2_000 * BYTES_PER_MS]
    here = decode(decoder, audio)
    decoder.begin(10_000)
    decoder.feed(audio)
    there = decoder.finish()
    assert [word.start_ms + 10_000 for word in here] == [word.start_ms for word in there]


def test_decoder_turn_without_audio_has_no_words(decoder):
    """Nothing in, nothing out."""
    assert decode(decoder, b"") == ()


def test_decoder_digital_silence_has_no_words(decoder):
    """Not even a mean can be taken of it."""
    assert decode(decoder, bytes(2_000 * BYTES_PER_MS)) == ()


def text(words: tuple[Word, ...]) -> str:
    """Return what words read."""
    return " ".join(word.text for word in words)


@pytest.fixture(scope="module")
def keyterm_audio() -> bytes:
    """Return "the Zephyr QX nine runs Kubernetes" between silences."""
    silence = bytes(300 * BYTES_PER_MS)
    return silence + read_pcm16(KEYTERM_CLIP) + silence


@pytest.fixture
def term_decoder(decoder):
    """Return the decoder of all tests, and take its keyterms away afterwards."""
    yield decoder
    decoder.set_keyterms(())


def test_decoder_keyterms_are_recognised_in_their_spelling(term_decoder, keyterm_audio):
    """Words it does not know come out as the client writes them, and only with keyterms."""
    assert not {"Kubernetes", "Zephyr", "QX-9"} & set(text(decode(term_decoder, keyterm_audio)).split())
    term_decoder.set_keyterms(TERMS)
    assert text(decode(term_decoder, keyterm_audio)) == "the Zephyr QX-9 runs Kubernetes"


def test_decoder_words_of_a_keyterm_share_its_time(term_decoder, keyterm_audio):
    """The words of a term follow each other without a gap, each as long as its share of the phones."""
    term_decoder.set_keyterms(TERMS)
    words = decode(term_decoder, keyterm_audio)
    zephyr, code, runs = words[1:4]
    assert zephyr.start_ms < zephyr.end_ms == code.start_ms < code.end_ms <= runs.start_ms
    assert zephyr.confidence == code.confidence
    part = (zephyr.end_ms - zephyr.start_ms) / (code.end_ms - zephyr.start_ms)
    assert part == pytest.approx(4 / 13, abs=0.05)


def test_decoder_partials_have_the_spelling_too(term_decoder, keyterm_audio):
    """What a partial shows is what the final text says."""
    term_decoder.set_keyterms(TERMS)
    term_decoder.begin(0)
    term_decoder.feed(keyterm_audio)
    assert "Zephyr QX-9" in text(term_decoder.words())
    term_decoder.abandon()


def test_decoder_known_word_gets_the_client_s_case(term_decoder, samples):
    """A word that is recognised anyway is written as the client writes it."""
    audio = samples[0][0][: 3_700 * BYTES_PER_MS]
    term_decoder.set_keyterms(("Friday",))
    assert "Friday" in text(decode(term_decoder, audio)).split()
    term_decoder.set_keyterms(())
    assert "friday" in text(decode(term_decoder, audio)).split()


def test_decoder_keyterms_of_the_past_leave_no_trace(term_decoder, keyterm_audio):
    """Replaced or cleared, however often: words, times and posteriors of a decoder that never had the others."""
    fresh = TurnDecoder()
    before = decode(fresh, keyterm_audio)
    fresh.set_keyterms(TERMS)
    with_terms = decode(fresh, keyterm_audio)
    for terms, words in (
        (("Zephyr QX", "Kubernetes"), None),
        (TERMS, with_terms),
        ((), before),
        (TERMS[::-1], None),
        (TERMS, with_terms),
    ):
        term_decoder.set_keyterms(terms)
        got = decode(term_decoder, keyterm_audio)
        assert words is None or got == words


def test_decoder_keyterms_wait_for_the_next_turn(term_decoder, keyterm_audio):
    """Nothing changes inside a turn, not in a pause either."""
    without = decode(term_decoder, keyterm_audio)
    term_decoder.begin(0)
    term_decoder.set_keyterms(TERMS)
    term_decoder.feed(keyterm_audio)
    assert term_decoder.finish() == without
    term_decoder.resume(0)
    term_decoder.feed(keyterm_audio)
    assert not set(text(term_decoder.finish()).split()) & {"Kubernetes", "Zephyr"}
    assert "Kubernetes" in text(decode(term_decoder, keyterm_audio))


def test_decoder_terms_nobody_can_say_change_nothing(term_decoder, keyterm_audio):
    """They are left out, and the rest of the list still counts."""
    term_decoder.set_keyterms(("東京", "747", "🎉", "", "a" * 50, *TERMS))
    assert "Zephyr QX-9 runs Kubernetes" in text(decode(term_decoder, keyterm_audio))
