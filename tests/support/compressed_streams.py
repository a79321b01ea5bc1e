"""Compressed streams made of the sample recordings, as clients would send them."""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr

from runtime.audio import Samples, read_wav
from runtime.audio_codecs.ogg import checksum

SAMPLES_DIR = Path(__file__).parents[2] / "samples"
OPUS_RATE_HZ = 48_000
ADTS_RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


@functools.cache
def speech_16k(length_ms: int = 2_500) -> Samples:
    """Return the beginning of a sample recording, 16 kHz mono."""
    recording = np.frombuffer(read_wav(SAMPLES_DIR / "weather.wav").pcm16, dtype="<i2")
    return recording[: length_ms * 16].astype(np.int16)


@functools.cache
def opus_packets(
    *, rate_hz: int = 48_000, channels: int = 1, frame_ms: float = 20, bit_rate: int = 32_000, length_ms: int = 2_500
) -> tuple[bytes, ...]:
    """Return the speech as Opus packets."""
    wanted = _Format("libopus", "s16", rate_hz, channels, bit_rate, {"frame_duration": f"{frame_ms:g}"})
    return _encode(wanted, speech_16k(length_ms))


@functools.cache
def aac_frames(
    *, rate_hz: int = 16_000, channels: int = 1, bit_rate: int = 48_000, length_ms: int = 2_500
) -> tuple[bytes, ...]:
    """Return the speech as ADTS frames, headers included."""
    raw = _encode(_Format("aac", "fltp", rate_hz, channels, bit_rate), speech_16k(length_ms))
    return tuple(adts_header(len(frame), rate_hz, channels) + frame for frame in raw)


def adts_header(payload_bytes: int, rate_hz: int, channels: int) -> bytes:
    """Return the seven bytes before an AAC-LC frame."""
    length = payload_bytes + 7
    rate_index = ADTS_RATES_HZ.index(rate_hz)
    return bytes(
        (
            0xFF,
            0xF1,
            1 << 6 | rate_index << 2 | channels >> 2,
            (channels & 3) << 6 | length >> 11,
            length >> 3 & 0xFF,
            (length & 7) << 5 | 0x1F,
            0xFC,
        )
    )


def aac_frame_of_thirty_channels() -> bytes:
    """Return a frame whose header says stereo and whose program configuration says fifteen pairs."""
    # ISO/IEC 13818-7, 8.5: element 5, AAC-LC at 44.1 kHz, fifteen front elements, each a pair; no comment.
    configuration = bytes.fromhex("a0a78000042329d2b6be33adf3be00")
    payload = configuration + aac_frames(rate_hz=44_100, channels=2, length_ms=100)[0][7:]
    return adts_header(len(payload), 44_100, 2) + payload


def opus_head(*, channels: int = 1, pre_skip: int = 312, gain_q8_db: int = 0) -> bytes:
    """Return an identification header."""
    return struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, pre_skip, 16_000, gain_q8_db, 0)


def ogg_page(
    pieces: list[bytes],
    *,
    granule: int,
    sequence: int,
    serial: int = 7,
    flags: int = 0,
    is_open: bool = False,
) -> bytes:
    """Return one page; ``is_open`` leaves its last packet (a multiple of 255 bytes) to be continued."""
    lacing = bytearray()
    for piece in pieces:
        lacing += b"\xff" * (len(piece) // 255) + bytes((len(piece) % 255,))
    if is_open:
        del lacing[-1]
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, serial, sequence, 0, len(lacing))
    page = bytearray(header + lacing + b"".join(pieces))
    page[22:26] = struct.pack("<I", checksum(bytes(page)))
    return bytes(page)


def ogg_opus_pages(
    packets: tuple[bytes, ...],
    *,
    packet_samples: int = 960,
    packets_per_page: int = 10,
    pre_skip: int = 312,
    padding_samples: int = 0,
    serial: int = 7,
    head: bytes | None = None,
    tags: bytes = b"OpusTags\x00\x00\x00\x00\x00\x00\x00\x00",
) -> list[bytes]:
    """Return an Ogg Opus stream page by page; the last page says that ``padding_samples`` are no audio."""
    pages = [
        ogg_page([head or opus_head(pre_skip=pre_skip)], granule=0, sequence=0, serial=serial, flags=2),
        ogg_page([tags], granule=0, sequence=1, serial=serial),
    ]
    for start in range(0, len(packets), packets_per_page):
        group = list(packets[start : start + packets_per_page])
        end = start + len(group)
        is_last = end == len(packets)
        granule = end * packet_samples - (padding_samples if is_last else 0)
        pages.append(ogg_page(group, granule=granule, sequence=len(pages), serial=serial, flags=4 if is_last else 0))
    return pages


@dataclass(frozen=True, slots=True)
class _Format:
    """What an encoder is asked for."""

    codec: str
    sample_format: str
    rate_hz: int
    channels: int
    bit_rate: int
    options: dict[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> str:
        """Name of the channel layout."""
        return "mono" if self.channels == 1 else "stereo"


def _frames(wanted: _Format, speech: Samples, frame_samples: int) -> Iterator[av.AudioFrame]:
    samples = soxr.resample(speech.astype(np.float32) / 32_768, 16_000, wanted.rate_hz)
    for start in range(0, len(samples), frame_samples):
        chunk = samples[start : start + frame_samples]
        planes = np.tile(np.pad(chunk, (0, frame_samples - len(chunk))), (wanted.channels, 1)).astype(np.float32)
        if wanted.sample_format == "s16":
            planes = np.clip(planes.T.reshape(1, -1) * 32_768, -32_768, 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(planes), format=wanted.sample_format, layout=wanted.layout
        )
        frame.sample_rate, frame.pts, frame.time_base = wanted.rate_hz, start, Fraction(1, wanted.rate_hz)
        yield frame


def _encode(wanted: _Format, speech: Samples) -> tuple[bytes, ...]:
    encoder = av.AudioCodecContext.create(wanted.codec, "w")
    _set_up(encoder, wanted)
    encoder.open()
    frames = [*_frames(wanted, speech, encoder.frame_size), None]
    return tuple(bytes(packet) for frame in frames for packet in encoder.encode(frame))


def _set_up(encoder: av.AudioCodecContext, wanted: _Format) -> None:
    encoder.sample_rate, encoder.layout, encoder.format = wanted.rate_hz, wanted.layout, wanted.sample_format
    encoder.bit_rate, encoder.time_base = wanted.bit_rate, Fraction(1, wanted.rate_hz)
    encoder.options = wanted.options


def muxed(container_name: str, *, rate_hz: int, length_ms: int = 2_500) -> bytes:
    """Return the speech as libavformat writes it: ``ogg`` with Opus or ``adts`` with AAC."""
    codec, sample_format = ("libopus", "s16") if container_name == "ogg" else ("aac", "fltp")
    wanted = _Format(codec, sample_format, rate_hz, 1, 32_000)
    target = io.BytesIO()
    with av.open(target, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        _set_up(stream.codec_context, wanted)
        stream.codec_context.open()
        for frame in [*_frames(wanted, speech_16k(length_ms), stream.codec_context.frame_size), None]:
            container.mux(stream.encode(frame))
    return target.getvalue()
