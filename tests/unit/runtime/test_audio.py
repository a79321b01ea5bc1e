"""Audio conversions: G.711, sample rates, WAV files."""

from __future__ import annotations

import itertools
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.audio import (
    AudioFileError,
    PcmDecoder,
    PcmEncoding,
    Samples,
    WavAudio,
    decode_mulaw,
    duration_ms,
    parse_wav,
    read_wav,
    to_mono_16k,
)

RATES_HZ = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000)
# ITU-T G.711 table 2a: the code word that begins each segment and its value in 14 bits.
G711_SEGMENT_STARTS = {0xFF: 0, 0xEF: 33, 0xDF: 99, 0xCF: 231, 0xBF: 495, 0xAF: 1023, 0x9F: 2079, 0x8F: 4191}


def tone(frequency_hz: float, sample_rate_hz: int, length_ms: int) -> Samples:
    """Return a sine of amplitude 10000."""
    time_s = np.arange(sample_rate_hz * length_ms // 1000) / sample_rate_hz
    samples: Samples = np.rint(10_000 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.int16)
    return samples


def decode_in_pieces(data: bytes, cuts: list[int], encoding: PcmEncoding, sample_rate_hz: int) -> bytes:
    """Return everything a fresh decoder makes of ``data`` cut at these positions."""
    decoder = PcmDecoder(encoding, sample_rate_hz)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [decoder.decode(data[start:end]) for start, end in itertools.pairwise(edges)]
    return b"".join(pieces) + decoder.flush()


def wav_bytes(
    audio: bytes, *, tag: int = 1, channels: int = 1, rate_hz: int = 16_000, bits: int = 16, size: int | None = None
) -> bytes:
    """Return a WAV file; ``size`` is what its header says about the audio."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits)
    if tag == 0xFFFE:
        form += struct.pack("<HHIH", 22, bits, 0, 1) + bytes.fromhex("000000001000800000aa00389b71")
    data = struct.pack("<4sI", b"data", len(audio) if size is None else size) + audio
    body = b"WAVE" + struct.pack("<4sI", b"fmt ", len(form)) + form + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_mulaw_segment_starts_match_the_standard() -> None:
    """Each segment begins at the standard's value, in both signs."""
    for code, value in G711_SEGMENT_STARTS.items():
        assert decode_mulaw(bytes([code, code & 0x7F])).tolist() == [value * 4, -value * 4]


def test_mulaw_extremes_are_full_scale() -> None:
    """The outermost codes are plus and minus 8031 in 14 bits."""
    assert decode_mulaw(b"\x80\x00").tolist() == [32_124, -32_124]


def test_mulaw_within_a_segment_steps_are_equal() -> None:
    """Sixteen values of a segment are evenly spaced, twice as far apart as in the segment below."""
    values = decode_mulaw(bytes(range(0x80, 0x100))).astype(int).reshape(8, 16)
    assert [set(np.diff(segment)) for segment in values] == [{-8 << exponent} for exponent in range(7, -1, -1)]


@pytest.mark.parametrize(
    ("byte_count", "encoding", "rate_hz", "expected_ms"),
    [
        (1_600, PcmEncoding.PCM_S16LE, 16_000, 50.0),
        (160, PcmEncoding.PCM_MULAW, 8_000, 20.0),
        (96_000 * 2, PcmEncoding.PCM_S16LE, 96_000, 1000.0),
        (1_706, PcmEncoding.PCM_S16LE, 16_000, 53.3125),
    ],
)
def test_duration_of_bytes_depends_on_encoding_and_rate(
    byte_count: int, encoding: PcmEncoding, rate_hz: int, expected_ms: float
) -> None:
    """The length of a frame follows from its bytes."""
    assert duration_ms(byte_count, encoding, rate_hz) == expected_ms


@settings(max_examples=60, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    encoding=st.sampled_from(PcmEncoding),
    seed=st.integers(0, 1000),
    byte_count=st.integers(0, 6_000),
    cuts=st.lists(st.integers(0, 6_000), max_size=12),
)
def test_decoder_any_cutting_gives_the_same_audio(
    rate_hz: int, encoding: PcmEncoding, seed: int, byte_count: int, cuts: list[int]
) -> None:
    """How bytes are cut into frames, odd counts included, never changes the audio."""
    data = np.random.default_rng(seed).bytes(byte_count)
    assert decode_in_pieces(data, cuts, encoding, rate_hz) == decode_in_pieces(data, [], encoding, rate_hz)


def test_decoder_pcm_at_target_rate_passes_bytes_through() -> None:
    """16 kHz PCM16 comes out at once and unchanged."""
    decoder = PcmDecoder("pcm_s16le", 16_000)
    assert decoder.decode(b"\x01\x02\xff\x7f") == b"\x01\x02\xff\x7f"
    assert decoder.flush() == b""


def test_decoder_stray_byte_waits_for_the_next_call() -> None:
    """Half a sample is kept, and is not counted before it is whole."""
    decoder = PcmDecoder(PcmEncoding.PCM_S16LE, 16_000)
    assert decoder.decode(bytes(31) + b"\x01") == bytes(31) + b"\x01"
    assert decoder.decode(b"\x05") == b""
    assert decoder.received_ms == 1
    assert decoder.decode(b"\x06" + bytes(30)) == b"\x05\x06" + bytes(30)
    assert decoder.received_ms == 2


def test_decoder_stray_byte_at_the_end_is_dropped() -> None:
    """Flushing leaves no half sample."""
    decoder = PcmDecoder(PcmEncoding.PCM_S16LE, 8_000)
    assert len(decoder.decode(bytes(801)) + decoder.flush()) == 1_600


def test_decoder_received_ms_counts_input_not_output() -> None:
    """The position is that of the audio received, whatever the resampler still holds."""
    decoder = PcmDecoder(PcmEncoding.PCM_MULAW, 8_000)
    out = decoder.decode(bytes([0xFF]) * 800)
    assert decoder.received_ms == 100
    assert len(out) < 100 * 32


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_decoder_sine_keeps_length_pitch_level_and_position(rate_hz: int) -> None:
    """A tone comes out as the same tone at 16 kHz, neither shifted nor stretched."""
    decoder = PcmDecoder(PcmEncoding.PCM_S16LE, rate_hz)
    out = decoder.decode(tone(440, rate_hz, 1000).tobytes()) + decoder.flush()
    heard = np.frombuffer(out, dtype="<i2")
    assert abs(len(heard) - 16_000) <= 1
    middle = slice(2_000, 14_000)  # away from the ringing at both ends
    expected = tone(440, 16_000, 1000)
    assert np.abs(heard[middle].astype(int) - expected[middle]).max() <= 30


def test_decoder_loud_signal_is_clipped_not_wrapped() -> None:
    """Overshoot of the filter at full scale stays at full scale."""
    square = np.repeat(np.array([32_767, -32_768] * 40, dtype=np.int16), 40)
    decoder = PcmDecoder(PcmEncoding.PCM_S16LE, 8_000)
    heard = np.frombuffer(decoder.decode(square.tobytes()) + decoder.flush(), dtype="<i2")
    assert heard[20:60].min() > 20_000
    assert heard.max() == 32_767


@pytest.mark.parametrize("rate_hz", [0, 7_999, 96_001])
def test_decoder_rate_out_of_range_is_refused(rate_hz: int) -> None:
    """Rates outside 8 to 96 kHz cannot be opened."""
    with pytest.raises(ValueError, match=f"{rate_hz} Hz"):
        PcmDecoder(PcmEncoding.PCM_S16LE, rate_hz)


def test_decoder_unknown_encoding_is_refused() -> None:
    """An encoding outside the table cannot be opened."""
    with pytest.raises(ValueError, match="opus"):
        PcmDecoder("opus", 16_000)


def test_read_wav_of_the_standard_library_gives_its_audio(tmp_path: Path) -> None:
    """Rate, channels, bytes and length are those written."""
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(range(200)))
    audio = read_wav(path)
    assert audio == WavAudio(bytes(range(200)), 44_100, 2)
    assert audio.frame_count == 50
    assert audio.duration_ms == pytest.approx(50 / 44.1)


def test_parse_wav_other_chunks_are_skipped() -> None:
    """Chunks nobody asked for, of odd length too, may stand before the audio."""
    plain = wav_bytes(b"\x01\x02")
    content = plain[:12] + struct.pack("<4sI", b"LIST", 3) + b"abc\0" + plain[12:]
    assert parse_wav(content).pcm16 == b"\x01\x02"


def test_parse_wav_extensible_pcm_is_accepted() -> None:
    """The extensible header that some programs write is understood."""
    assert parse_wav(wav_bytes(bytes(8), tag=0xFFFE)) == WavAudio(bytes(8), 16_000, 1)


def test_parse_wav_written_to_a_pipe_goes_to_the_end_of_the_file() -> None:
    """A length the writer could not know is taken as everything that is there."""
    assert len(parse_wav(wav_bytes(bytes(10), size=0xFFFFFFFF)).pcm16) == 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"ID3\x04" + bytes(100), "not a WAV"),
        (wav_bytes(b""), "no audio"),
        (wav_bytes(bytes(8), bits=8), "16-bit PCM, found format 1 with 8 bits"),
        (wav_bytes(bytes(8), tag=7, bits=8), "found format 7"),
        (wav_bytes(bytes(8), tag=3, bits=32), "found format 3 with 32 bits"),
        (wav_bytes(bytes(8), channels=0), "0 channels"),
        (wav_bytes(bytes(8), size=80), "80 bytes of audio announced, 8 found"),
        (wav_bytes(bytes(8))[:30], "cut off"),
        (wav_bytes(bytes(8))[:38], "cut off"),
        (b"RIFF\x10\0\0\0WAVEdata\x02\0\0\0ab", "before its format"),
    ],
)
def test_parse_wav_unusable_content_is_explained(content: bytes, reason: str) -> None:
    """Every kind of unusable file gets its own reason."""
    with pytest.raises(AudioFileError, match=reason):
        parse_wav(content)


@given(st.binary(max_size=120), st.integers(0, 60))
def test_parse_wav_any_bytes_give_audio_or_an_explanation(noise: bytes, kept: int) -> None:
    """Damaged files never cause any other error."""
    try:
        audio = parse_wav(wav_bytes(bytes(16))[:kept] + noise)
    except AudioFileError:
        return
    assert audio.frame_count > 0


def test_read_wav_missing_file_names_it(tmp_path: Path) -> None:
    """The message holds the path."""
    with pytest.raises(AudioFileError, match=r"nothing\.wav: no such file"):
        read_wav(tmp_path / "nothing.wav")


def test_read_wav_directory_is_refused(tmp_path: Path) -> None:
    """A directory is not a recording."""
    with pytest.raises(AudioFileError, match="cannot be read"):
        read_wav(tmp_path)


def test_to_mono_16k_averages_channels() -> None:
    """Two channels become their mean."""
    stereo = np.array([[100, 300], [-5, 5]], dtype="<i2").tobytes()
    assert np.frombuffer(to_mono_16k(WavAudio(stereo, 16_000, 2)), "<i2").tolist() == [200, 0]


def test_to_mono_16k_equals_the_streaming_decoder() -> None:
    """A file and a stream of the same audio sound alike."""
    audio = tone(1_000, 44_100, 500).tobytes()
    decoder = PcmDecoder(PcmEncoding.PCM_S16LE, 44_100)
    assert to_mono_16k(WavAudio(audio, 44_100, 1)) == decoder.decode(audio) + decoder.flush()
