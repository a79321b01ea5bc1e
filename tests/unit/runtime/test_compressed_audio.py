"""Opus, Ogg Opus and AAC streams become 16 kHz mono PCM16, however they are cut and damaged."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.session_v3 import Encoding
from runtime.audio import PcmDecoder, Samples
from runtime.audio_codecs.adts import AdtsFramer
from runtime.audio_codecs.decoders import (
    MAX_DAMAGED_PAGES,
    MAX_SOUNDLESS_BYTES,
    MAX_UNDECODABLE_BYTES,
    MAX_UNDECODABLE_START_BYTES,
    AacDecoder,
    AudioDecoder,
    OggOpusDecoder,
    OpusDecoder,
    make_decoder,
)
from runtime.audio_codecs.ogg import MAX_OPUS_PACKET_BYTES, OggPages, checksum
from runtime.errors import AudioViolation, ClientError, InvalidInput
from tests.support.compressed_streams import (
    aac_frame_of_thirty_channels,
    aac_frames,
    adts_header,
    muxed,
    ogg_opus_pages,
    ogg_page,
    opus_head,
    opus_packets,
    speech_16k,
)

MESSAGE_BYTES = 4_000
STREAM_ENCODINGS = (Encoding.OGG_OPUS, Encoding.AAC)
# Silence as Opus stores it: no payload, 60 ms (SILK) or three frames of 40 ms.
OPUS_60_MS = b"\x18"
OPUS_120_MS = b"\x13\x03"


def samples_of(decoder: AudioDecoder, messages: list[bytes]) -> Samples:
    """Return everything a decoder makes of these messages."""
    pcm = b"".join(decoder.decode(message) for message in messages) + decoder.flush()
    return np.frombuffer(pcm, dtype="<i2")


def decode_cut(encoding: Encoding, data: bytes, cuts: list[int]) -> Samples:
    """Return everything a fresh decoder makes of ``data`` cut at these positions."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return samples_of(make_decoder(encoding, 16_000), [data[start:end] for start, end in itertools.pairwise(edges)])


def in_messages(data: bytes) -> list[bytes]:
    """Return a stream cut as a client would."""
    return [data[start : start + MESSAGE_BYTES] for start in range(0, len(data), MESSAGE_BYTES)]


def likeness(heard: Samples, expected: Samples, delays: range) -> tuple[int, float]:
    """Return (delay in samples, correlation) where two recordings fit best."""
    length = min(len(heard), len(expected))
    candidates = (
        (delay, float(np.corrcoef(heard[delay:length], expected[: length - delay])[0, 1])) for delay in delays
    )
    return max(candidates, key=lambda candidate: candidate[1])


def level(samples: Samples) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def stream(encoding: Encoding, *, length_ms: int = 400) -> bytes:
    """Return a short stream of speech."""
    if encoding is Encoding.AAC:
        return b"".join(aac_frames(length_ms=length_ms))
    return b"".join(ogg_opus_pages(opus_packets(length_ms=length_ms), packets_per_page=5))


def long_packets() -> tuple[bytes, ...]:
    """Return packets of 60 ms that take three pieces each."""
    packets = tuple(packet for packet in opus_packets(frame_ms=60, bit_rate=128_000) if len(packet) > 510)
    assert len(packets) > 8
    return packets


# --- which decoder ---


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("pcm_s16le", PcmDecoder),
        ("pcm_mulaw", PcmDecoder),
        ("opus", OpusDecoder),
        ("ogg_opus", OggOpusDecoder),
        ("aac", AacDecoder),
    ],
)
def test_factory_every_encoding_has_its_decoder(encoding: str, expected: type) -> None:
    """Each name of the protocol makes a decoder of its kind, with nothing received."""
    decoder = make_decoder(encoding, 16_000)
    assert isinstance(decoder, expected)
    assert decoder.received_ms == 0
    assert decoder.flush() == b""


def test_factory_unknown_encoding_is_refused() -> None:
    """A name outside the protocol is an error of the caller."""
    with pytest.raises(ValueError, match="flac"):
        make_decoder("flac", 16_000)


def test_module_import_leaves_libav_alone() -> None:
    """Programs that never decode compressed audio do not pay for loading libav."""
    code = "import sys, runtime.audio_codecs.decoders; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- raw Opus ---


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frame_ms", [2.5, 5, 10, 20, 40, 60, 120])
def test_opus_every_frame_length_gives_the_speech(frame_ms: float, channels: int) -> None:
    """Packets of 2.5 to 120 ms, mono and stereo, keep wave form, level and length."""
    packets = opus_packets(frame_ms=frame_ms, channels=channels, bit_rate=96_000)
    decoder = OpusDecoder()
    heard = samples_of(decoder, list(packets))
    delay, correlation = likeness(heard, speech_16k(), range(161))
    assert correlation > 0.98
    assert delay <= 104  # the encoder's lead-in, which raw packets do not announce
    assert level(heard) == pytest.approx(level(speech_16k()), rel=0.05)
    assert len(heard) == len(packets) * frame_ms * 16
    assert decoder.received_ms == int(len(packets) * frame_ms)


def test_opus_received_ms_counts_decoded_audio() -> None:
    """The clock follows the packets' own lengths."""
    decoder = OpusDecoder()
    for packet in opus_packets()[:10]:
        decoder.decode(packet)
    assert decoder.received_ms == 200
    decoder.decode(OPUS_60_MS)
    assert decoder.received_ms == 260


def test_opus_empty_message_is_ignored() -> None:
    """An empty message changes nothing."""
    packets = opus_packets(length_ms=400)
    with_empty = samples_of(OpusDecoder(), [part for packet in packets for part in (b"", packet)])
    assert np.array_equal(with_empty, samples_of(OpusDecoder(), list(packets)))


def test_opus_damaged_packets_become_silence_of_their_length() -> None:
    """Bad packets in a good stream are counted, and later words keep their times."""
    packets = list(opus_packets())
    clean = samples_of(OpusDecoder(), packets)
    packets[40:45] = [b"\x03", b"\xff" * 5, b"\x4b\x41", b"\x03", b"\x03"]
    decoder = OpusDecoder()
    heard = samples_of(decoder, packets)
    assert decoder.damaged_packets == 5
    assert len(heard) == len(clean)
    assert level(heard[41 * 320 : 44 * 320]) < 50
    assert np.corrcoef(heard[60 * 320 :], clean[60 * 320 :])[0, 1] > 0.99


def test_opus_ogg_page_is_refused_with_its_name() -> None:
    """A client that sends Ogg as raw packets is told which encoding it wants."""
    with pytest.raises(InvalidInput, match="encoding=ogg_opus"):
        OpusDecoder().decode(stream(Encoding.OGG_OPUS))


def test_opus_oversize_message_is_refused() -> None:
    """More bytes than any packet can have are an error at once."""
    with pytest.raises(InvalidInput, match=f"{MAX_OPUS_PACKET_BYTES + 1} bytes"):
        OpusDecoder().decode(bytes(MAX_OPUS_PACKET_BYTES + 1))


def test_opus_nothing_decodable_is_refused() -> None:
    """A stream without one good packet ends with what is expected instead."""
    decoder = OpusDecoder()
    with pytest.raises(InvalidInput, match="one Opus packet per message"):
        samples_of(decoder, [b"\xff" * 100] * (MAX_UNDECODABLE_START_BYTES // 100 + 1))
    assert decoder.received_ms == 0


# --- Ogg Opus ---


def test_ogg_opus_speech_starts_and_ends_where_it_was_recorded() -> None:
    """Lead-in and padding are cut: the decoded speech lies exactly over the original."""
    packets = opus_packets()
    padding = len(packets) * 960 - 312 - len(speech_16k()) * 3
    heard = samples_of(OggOpusDecoder(), in_messages(b"".join(ogg_opus_pages(packets, padding_samples=padding))))
    delay, correlation = likeness(heard, speech_16k(), range(41))
    assert (delay, len(heard)) == (0, len(speech_16k()))
    assert correlation > 0.98
    assert level(heard) == pytest.approx(level(speech_16k()), rel=0.05)


def test_ogg_opus_of_libavformat_gives_the_speech() -> None:
    """Another writer's pages are read: checksums, lengths and header as it made them."""
    heard = samples_of(OggOpusDecoder(), in_messages(muxed("ogg", rate_hz=48_000)))
    delay, correlation = likeness(heard, speech_16k(), range(41))
    assert delay == 0
    assert correlation > 0.98
    assert abs(len(heard) - len(speech_16k())) <= 320


def test_ogg_opus_received_ms_counts_what_is_heard() -> None:
    """The lead-in is no received audio."""
    decoder = OggOpusDecoder()
    for page in ogg_opus_pages(opus_packets()[:50]):
        decoder.decode(page)
    assert decoder.received_ms == 1000 - 7  # 312 samples at 48 kHz are 6.5 ms


def test_ogg_opus_packet_over_three_pages_is_joined() -> None:
    """A packet may begin, go on and end on different pages."""
    packets = long_packets()
    whole = samples_of(OggOpusDecoder(), ogg_opus_pages(packets, packet_samples=2_880, packets_per_page=1))
    pages = ogg_opus_pages((), packet_samples=2_880)
    for index, packet in enumerate(packets, 1):
        pieces = (packet[:255], packet[255:510], packet[510:])
        pages.append(ogg_page([pieces[0]], granule=-1, sequence=len(pages), is_open=True))
        pages.append(ogg_page([pieces[1]], granule=-1, sequence=len(pages), flags=1, is_open=True))
        pages.append(ogg_page([pieces[2]], granule=index * 2_880, sequence=len(pages), flags=1))
    assert np.array_equal(samples_of(OggOpusDecoder(), pages), whole)


def test_ogg_opus_lost_page_becomes_silence() -> None:
    """What a page said that never came is silent, and what follows keeps its time."""
    pages = ogg_opus_pages(opus_packets())
    clean = samples_of(OggOpusDecoder(), pages)
    del pages[6]  # packets 40 to 49
    heard = samples_of(OggOpusDecoder(), pages)
    assert len(heard) == len(clean)
    assert level(heard[13_000:15_500]) < 50
    assert np.corrcoef(heard[18_000:], clean[18_000:])[0, 1] > 0.99


def test_ogg_opus_damaged_page_is_skipped() -> None:
    """A page whose checksum is wrong is left out; the stream goes on."""
    pages = ogg_opus_pages(opus_packets())
    expected = samples_of(OggOpusDecoder(), pages[:6] + pages[7:])
    pages[6] = pages[6][:100] + bytes([pages[6][100] ^ 1]) + pages[6][101:]
    assert np.array_equal(samples_of(OggOpusDecoder(), pages), expected)


def test_ogg_opus_damaged_packet_piece_is_not_glued() -> None:
    """A packet whose second half was lost is left out, and so is a half without its beginning."""
    packets = long_packets()
    pages = ogg_opus_pages(packets[:5], packet_samples=2_880)
    pages.append(ogg_page([packets[5][:255]], granule=-1, sequence=3, is_open=True))
    pages.append(ogg_page([packets[6][255:], packets[7]], granule=8 * 2_880, sequence=5, flags=1))
    decoder = OggOpusDecoder()
    samples_of(decoder, pages)
    assert decoder.damaged_packets == 0
    assert decoder.received_ms == int((8 * 2_880 - 312) / 48)


def test_ogg_opus_far_jump_of_the_clock_adds_no_silence() -> None:
    """A granule position hours ahead is another clock, not lost audio."""
    packets = opus_packets(length_ms=800)
    pages = ogg_opus_pages(packets[:20])[:-1]
    pages.append(ogg_page(list(packets[20:30]), granule=10**12, sequence=len(pages)))
    pages.append(ogg_page(list(packets[30:40]), granule=10**12 + 9_600, sequence=len(pages)))
    decoder = OggOpusDecoder()
    samples_of(decoder, pages)
    assert decoder.received_ms == 593


def test_ogg_opus_pages_without_position_are_heard() -> None:
    """Pages that fail to say where they end are decoded, and counted for the ones that do."""
    packets = opus_packets(length_ms=800)
    pages = ogg_opus_pages(packets[:10])[:2]
    for start, granule in ((0, 9_600), (10, -1), (20, 28_800)):
        pages.append(ogg_page(list(packets[start : start + 10]), granule=granule, sequence=len(pages)))
    decoder = OggOpusDecoder()
    samples_of(decoder, pages)
    assert decoder.received_ms == 593


def test_ogg_opus_chained_streams_follow_each_other() -> None:
    """A second stream behind the first is decoded from its own header on."""
    first = ogg_opus_pages(opus_packets(), serial=1)
    second = ogg_opus_pages(opus_packets(rate_hz=16_000), serial=2)
    parts = [samples_of(OggOpusDecoder(), pages) for pages in (first, second)]
    heard = samples_of(OggOpusDecoder(), first + second)
    assert abs(len(heard) - len(parts[0]) - len(parts[1])) <= 1
    start = len(parts[0])
    assert np.corrcoef(heard[start + 100 : start + 30_000], parts[1][100:30_000])[0, 1] > 0.99


def test_ogg_opus_gain_of_the_header_is_applied() -> None:
    """A header that asks for -6.02 dB halves the level."""
    packets = opus_packets()
    plain = samples_of(OggOpusDecoder(), ogg_opus_pages(packets))
    quiet = samples_of(OggOpusDecoder(), ogg_opus_pages(packets, head=opus_head(gain_q8_db=-1_541)))
    assert level(quiet) == pytest.approx(level(plain) / 2, rel=0.01)


def test_ogg_opus_gain_beyond_full_scale_is_clipped() -> None:
    """The largest gain gives full scale, not wrapped samples."""
    loud = samples_of(OggOpusDecoder(), ogg_opus_pages(opus_packets(), head=opus_head(gain_q8_db=32_767)))
    assert level(loud) > 20_000


def test_ogg_opus_large_comments_are_passed_over() -> None:
    """A picture in the comments, longer than any packet and over many pages, costs nothing but its bytes."""
    packets = opus_packets(length_ms=400)
    picture = b"OpusTags" + random.Random(1).randbytes(255 * 255 * 4 - 8)
    audio = ogg_opus_pages(packets)
    pages = [audio[0]]
    for start in range(0, len(picture), 255 * 255):
        piece = picture[start : start + 255 * 255]
        pages.append(ogg_page([piece], granule=-1, sequence=len(pages), flags=bool(start), is_open=True))
    pages.append(ogg_page([b"end"], granule=0, sequence=len(pages), flags=1))
    pages.append(ogg_page(list(packets), granule=len(packets) * 960, sequence=len(pages), flags=4))
    decoder = OggOpusDecoder()
    heard = samples_of(decoder, pages)
    assert decoder.damaged_packets == 0
    assert np.array_equal(heard, samples_of(OggOpusDecoder(), audio))


def test_ogg_opus_endless_comments_are_refused() -> None:
    """A packet that never ends ends the session instead, and is not kept."""
    pages = [ogg_page([opus_head()], granule=0, sequence=0, flags=2)]
    pages += [
        ogg_page([bytes(65_025)], granule=-1, sequence=sequence, flags=1, is_open=True)
        for sequence in range(1, MAX_SOUNDLESS_BYTES // 65_025 + 2)
    ]
    with pytest.raises(InvalidInput, match="without an audio packet"):
        samples_of(OggOpusDecoder(), pages)


def test_ogg_opus_other_streams_pages_are_passed_over() -> None:
    """Pages of a stream that is not Opus, before or between, leave the audio as it is."""
    pages = ogg_opus_pages(opus_packets(length_ms=800))
    other = [ogg_page([b"fishead\x00" + bytes(56)], granule=0, sequence=0, serial=99, flags=2)]
    other += [ogg_page([bytes(300)], granule=0, sequence=n, serial=99) for n in (1, 2, 3)]
    other[3] = ogg_page([b"short"], granule=0, sequence=0, serial=98, flags=2)
    mixed = [other[0], *pages[:4], other[1], pages[4], other[2], *pages[5:], other[3]]
    assert np.array_equal(samples_of(OggOpusDecoder(), mixed), samples_of(OggOpusDecoder(), pages))


def test_ogg_opus_more_than_two_channels_are_refused() -> None:
    """Surround sound is named as what is wrong."""
    with pytest.raises(InvalidInput, match="6 channels"):
        OggOpusDecoder().decode(ogg_page([opus_head(channels=6)], granule=0, sequence=0, flags=2))


def test_ogg_opus_stream_of_another_codec_is_refused() -> None:
    """An Ogg stream without Opus ends with what is expected."""
    pages = [ogg_page([b"\x01vorbis" + bytes(23)], granule=0, sequence=0, flags=2)]
    pages += [ogg_page([bytes(4_000)], granule=sequence, sequence=sequence) for sequence in range(1, 10)]
    with pytest.raises(InvalidInput, match="Ogg stream of Opus packets"):
        samples_of(OggOpusDecoder(), pages)


def test_ogg_opus_many_damaged_pages_are_refused() -> None:
    """Searching inside damaged pages is not done without end."""
    good = ogg_opus_pages(opus_packets(length_ms=400))
    bad = b"OggS" + bytes(24)
    decoder = OggOpusDecoder()
    decoder.decode(b"".join(good[:-1]))
    with pytest.raises(InvalidInput, match="damaged pages"):
        decoder.decode(bad * (MAX_DAMAGED_PAGES + 2))


def test_ogg_opus_message_with_hours_of_silence_is_refused() -> None:
    """A few kilobytes that unpack to more audio than may wait are refused before they are all unpacked."""
    pages = [ogg_page([opus_head()], granule=0, sequence=0, flags=2)]
    pages += [ogg_page([OPUS_120_MS] * 200, granule=n * 200 * 5_760, sequence=n) for n in range(1, 100)]
    decoder = OggOpusDecoder()
    with pytest.raises(AudioViolation, match="at most 300 sec"):
        decoder.decode(b"".join(pages))
    assert decoder.received_ms < 330_000


def test_ogg_checksum_of_a_known_page_matches() -> None:
    """Ogg's CRC of the digits is the published check value of CRC-32 without inversion or reflection."""
    assert checksum(b"123456789") == 0x89A1897F


def test_ogg_pages_keep_at_most_one_page() -> None:
    """A page that never ends holds one page's bytes; garbage holds three."""
    pages = OggPages()
    assert not list(pages.push(b"OggS" + bytes(22) + b"\xff" * 256 + bytes(65_024)))
    assert len(pages._buffer) == 65_306
    assert list(pages.push(bytes(100_000))) == [None]
    assert len(pages._buffer) <= 3


# --- AAC ---


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000])
def test_aac_every_rate_gives_the_speech(rate_hz: int, channels: int) -> None:
    """Streams of 8 to 96 kHz, mono and stereo, keep wave form, level and length."""
    frames = aac_frames(rate_hz=rate_hz, channels=channels, bit_rate=64_000)
    decoder = AacDecoder()
    heard = samples_of(decoder, in_messages(b"".join(frames)))
    lead_in = 1024 * 16_000 // rate_hz  # of the encoder; ADTS does not announce it
    delay, correlation = likeness(heard, speech_16k(), range(lead_in - 20, lead_in + 21))
    assert correlation > 0.94
    assert abs(delay - lead_in) <= 1
    assert level(heard) == pytest.approx(level(speech_16k()), rel=0.1)
    assert abs(len(heard) - len(frames) * 1024 * 16_000 / rate_hz) <= 1


def test_aac_of_libavformat_gives_the_speech() -> None:
    """Another writer's headers are read."""
    heard = samples_of(AacDecoder(), in_messages(muxed("adts", rate_hz=16_000)))
    _, correlation = likeness(heard, speech_16k(), range(1_000, 1_050))
    assert correlation > 0.99


def test_aac_received_ms_counts_decoded_audio() -> None:
    """The clock counts frames as soon as they are decoded."""
    decoder = AacDecoder()
    frames = aac_frames()
    decoder.decode(frames[0])
    assert decoder.received_ms == 0  # believed when a second one begins
    decoder.decode(b"".join(frames[1:10]))
    assert decoder.received_ms == 640


def test_aac_single_frame_is_decoded_at_the_end() -> None:
    """A stream of one frame has no second one to confirm it."""
    assert len(samples_of(AacDecoder(), [aac_frames()[5]])) == 1024


def test_aac_rate_change_goes_on_in_time() -> None:
    """A stream that changes its rate keeps its total length."""
    slow, fast = aac_frames(rate_hz=16_000, length_ms=800), aac_frames(rate_hz=48_000, length_ms=800)
    decoder = AacDecoder()
    heard = samples_of(decoder, in_messages(b"".join(slow + fast + slow)))
    expected = 2 * len(slow) * 1024 + len(fast) * 1024 // 3
    assert abs(len(heard) - expected) <= 2


def test_aac_joined_in_the_middle_starts_at_the_next_frame() -> None:
    """Bytes before the first whole frame are passed over, false sync words among them included."""
    frames = aac_frames()
    false_header = adts_header(50, 16_000, 1)
    messages = in_messages(frames[3][20:] + false_header + b"".join(frames[4:]))
    assert np.array_equal(samples_of(AacDecoder(), messages), samples_of(AacDecoder(), list(frames[4:])))


def test_aac_damaged_frame_becomes_silence() -> None:
    """A frame that cannot be decoded is counted, and what follows keeps its time."""
    frames = list(aac_frames())
    clean = samples_of(AacDecoder(), frames)
    frames[20] = frames[20][:7] + b"\xff" * (len(frames[20]) - 7)
    decoder = AacDecoder()
    heard = samples_of(decoder, frames)
    assert decoder.damaged_packets == 1
    assert len(heard) == len(clean)
    assert np.array_equal(heard[24 * 1024 :], clean[24 * 1024 :])


def test_aac_frame_without_audio_is_counted() -> None:
    """A frame that holds nothing but its end is no audio."""
    decoder = AacDecoder()
    assert len(samples_of(decoder, [(adts_header(1, 16_000, 1) + b"\xe0") * 3])) == 0
    assert decoder.damaged_packets == 3


def test_aac_frame_of_thirty_channels_is_not_touched() -> None:
    """A frame that declares thirty channels, which libav believes, is damage; the next frames are heard."""
    frames = list(aac_frames(rate_hz=44_100, channels=2, length_ms=400))
    frames[5:5] = [aac_frame_of_thirty_channels()] * 2
    decoder = AacDecoder()
    heard = samples_of(decoder, frames)
    assert decoder.damaged_packets == 2
    assert abs(len(heard) - len(frames) * 1024 * 16_000 / 44_100) <= 1


def test_aac_garbage_between_frames_is_passed_over() -> None:
    """Bytes that are no frame in the middle of a stream change nothing."""
    frames = list(aac_frames())
    clean = samples_of(AacDecoder(), frames)
    frames.insert(15, random.Random(3).randbytes(500))
    assert np.array_equal(samples_of(AacDecoder(), frames), clean)


def test_aac_mp4_file_is_refused() -> None:
    """AAC in a container that cannot be streamed ends with what is expected."""
    content = b"\x00\x00\x00\x20ftypM4A " + random.Random(5).randbytes(MAX_UNDECODABLE_START_BYTES + 8_000)
    with pytest.raises(InvalidInput, match="ADTS stream of AAC frames"):
        samples_of(AacDecoder(), in_messages(content))


def test_aac_surround_sound_is_refused() -> None:
    """A stream with six channels has no frame we take."""
    frame = adts_header(100, 48_000, 6) + bytes(100)
    with pytest.raises(InvalidInput, match="mono or stereo"):
        samples_of(AacDecoder(), in_messages(frame * 200))


def test_aac_endless_garbage_after_speech_is_refused() -> None:
    """A stream that stops being AAC is given up after a bounded number of bytes."""
    decoder = AacDecoder()
    decoder.decode(stream(Encoding.AAC))
    with pytest.raises(InvalidInput, match="bytes in a row"):
        samples_of(decoder, [bytes(MESSAGE_BYTES)] * (MAX_UNDECODABLE_BYTES // MESSAGE_BYTES + 1))


def test_adts_framer_keeps_at_most_one_frame() -> None:
    """However long the garbage, no more than the longest frame and a header are kept."""
    framer = AdtsFramer()
    random_bytes = random.Random(7)
    for _ in range(20):
        list(framer.push(random_bytes.randbytes(50_000) + b"\xff\xf1" * 500))
        assert len(framer._buffer) < 8_191 + 7
    assert framer.skipped_bytes > 900_000


# --- any cut, any damage ---


@pytest.mark.parametrize("encoding", STREAM_ENCODINGS)
def test_stream_in_single_bytes_gives_the_same_samples(encoding: Encoding) -> None:
    """One byte a message is as good as one message."""
    data = stream(encoding)
    assert np.array_equal(decode_cut(encoding, data, list(range(len(data)))), decode_cut(encoding, data, []))


@pytest.mark.parametrize("encoding", STREAM_ENCODINGS)
@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, 1 << 20), max_size=40), damage=st.lists(st.integers(0, 1 << 20), max_size=3))
def test_stream_any_cut_gives_the_same_samples(encoding: Encoding, cuts: list[int], damage: list[int]) -> None:
    """The samples depend on the bytes alone, in damaged streams too."""
    data = bytearray(stream(encoding))
    for position in damage:
        data[position % len(data)] ^= 0x55
    assert np.array_equal(decode_cut(encoding, bytes(data), cuts), decode_cut(encoding, bytes(data), []))


def good_messages(encoding: Encoding) -> list[bytes]:
    """Return a stream's messages, as a start for damage."""
    if encoding is Encoding.OPUS:
        return list(opus_packets(length_ms=400))
    return in_messages(stream(encoding))


@pytest.mark.parametrize("encoding", [Encoding.OPUS, *STREAM_ENCODINGS])
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1 << 32), flips=st.integers(1, 200), kept=st.floats(0.1, 1))
def test_stream_flipped_and_cut_off_raises_only_client_errors(
    encoding: Encoding, seed: int, flips: int, kept: float
) -> None:
    """Bits flipped anywhere and an end anywhere give audio or the stated error, never another."""
    chance = random.Random(seed)
    messages = [bytearray(message) for message in good_messages(encoding)]
    for _ in range(flips):
        message = chance.choice(messages)
        message[chance.randrange(len(message))] ^= 1 << chance.randrange(8)
    messages = messages[: max(1, int(len(messages) * kept))]
    decode_hostile(encoding, [bytes(message) for message in messages])


@pytest.mark.parametrize("encoding", [Encoding.OPUS, *STREAM_ENCODINGS])
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1 << 32), sizes=st.lists(st.integers(0, 3_000), max_size=12), is_late=st.booleans())
def test_stream_of_random_bytes_raises_only_client_errors(
    encoding: Encoding, seed: int, sizes: list[int], *, is_late: bool
) -> None:
    """Garbage, from the start or behind good audio, gives audio or the stated error."""
    chance = random.Random(seed)
    start = good_messages(encoding) if is_late else []
    prefix = {Encoding.AAC: b"\xff\xf1", Encoding.OGG_OPUS: b"OggS\x00"}.get(encoding, b"")
    decode_hostile(encoding, start + [prefix + chance.randbytes(size) for size in sizes])


def decode_hostile(encoding: Encoding, messages: list[bytes]) -> None:
    """Decode; only the documented error may come out, and no more than a bounded amount of audio."""
    decoder = make_decoder(encoding, 16_000)
    heard_bytes = 0
    try:
        for message in messages:
            heard_bytes += len(decoder.decode(message))
    except ClientError:
        return
    heard_bytes += len(decoder.flush())
    assert heard_bytes <= 60 * 32_000
