"""One turn after another through the real decoder."""

from __future__ import annotations

import numpy as np
import pytest

from services.asr.engines.base import Word
from services.asr.engines.embedded.decoder import BLOCK_MS, HOLD_MS, TurnDecoder, _frames_with_sound, _plain

BYTES_PER_MS = 32


def decode(decoder: TurnDecoder, audio: bytes) -> tuple[Word, ...]:
    """Return the final words of a turn that starts at 0."""
    decoder.begin(0)
    decoder.feed(audio)
    return decoder.finish()


@pytest.mark.parametrize(
    ("token", "word"),
    [("hello", "hello"), ("and(2)", "and"), ("<s>", ""), ("<sil>", ""), ("[SPEECH]", ""), ("++NOISE++", "")],
)
def test_plain_token_becomes_a_word_or_nothing(token, word):
    """No marker and no pronunciation number reaches a client."""
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
