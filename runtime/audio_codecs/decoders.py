"""Turn one session's audio, in any encoding of the protocol, into 16 kHz mono PCM16."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from protos.session_v3 import Encoding
from runtime.audio import MAX_RATE_HZ, MIN_RATE_HZ, TARGET_RATE_HZ, PcmDecoder, PcmEncoding, Samples
from runtime.audio_codecs.adts import AdtsFramer
from runtime.audio_codecs.ogg import (
    MAX_OPUS_PACKET_BYTES,
    OPUS_RATE_HZ,
    OggPage,
    OggPages,
    OpusLink,
    parse_opus_head,
)
from runtime.errors import AudioViolation, InvalidInput

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

# Two seconds of AAC at 64 kbit/s: enough to find a beginning in, soon enough to tell a client that it sends
# something else.
MAX_UNDECODABLE_START_BYTES: Final = 16_384
# Once audio was heard, this much may go by before the stream is given up.
MAX_UNDECODABLE_BYTES: Final = 262_144
# Each damaged page costs a search inside it, so a hostile stream must not hold any number of them.
MAX_DAMAGED_PAGES: Final = 1_000
# Comments come before the audio, and may hold a picture; without an end they would be a session without audio.
MAX_SOUNDLESS_BYTES: Final = 4 * 1024 * 1024
# A few bytes of compressed silence can stand for minutes.
MAX_DECODED_MS_PER_CALL: Final = 300_000
MAX_CHANNELS: Final = 2

_OPUS_EXPECTED = "one Opus packet per message"
_OGG_EXPECTED = "an Ogg stream of Opus packets"
_AAC_EXPECTED = "an ADTS stream of AAC frames, mono or stereo, 8 to 96 kHz"


class AudioDecoder(Protocol):
    """One session's audio on its way to the recogniser; used by one task at a time."""

    @property
    def received_ms(self) -> int:
        """Whole milliseconds of audio received so far."""
        ...

    def decode(self, data: bytes) -> bytes:
        """Take one binary message; return the 16 kHz mono PCM16 that is ready, maybe empty.

        Raises:
            ClientError: the data is not what was announced; nothing may be decoded afterwards.
        """
        ...

    def flush(self) -> bytes:
        """Return the rest of the stream; nothing may be decoded afterwards."""
        ...


def make_decoder(encoding: Encoding | str, sample_rate_hz: int) -> AudioDecoder:
    """Return a decoder for a new stream.

    Args:
        encoding: how the client sends its audio.
        sample_rate_hz: 8000 to 96000; compressed streams say their own and ignore this one.

    Raises:
        ValueError: an unknown encoding, or a rate out of range.
    """
    match Encoding(encoding):
        case Encoding.OPUS:
            return OpusDecoder()
        case Encoding.OGG_OPUS:
            return OggOpusDecoder()
        case Encoding.AAC:
            return AacDecoder()
        case uncompressed:
            return PcmDecoder(PcmEncoding(uncompressed), sample_rate_hz)


class _Codec:
    """One libavcodec decoder, fed with whole packets; gives mono samples."""

    def __init__(self, name: Literal["libopus", "aac"]) -> None:
        # Importing it takes a third of a second; most sessions never need it.
        import av

        self._new_packet = av.Packet
        self._error = av.FFmpegError
        self._context = av.AudioCodecContext.create(name, "r")
        self._context.thread_count = 1
        if name == "libopus":
            # Opus mixes stereo down inside its decoder, before it is samples.
            self._context.layout = "mono"
            self._context.sample_rate = OPUS_RATE_HZ

    def decode(self, packet: bytes) -> tuple[Samples, int] | None:
        """Return (samples, rate in Hz) of a packet; None when it is damaged."""
        try:
            frames = self._context.decode(self._new_packet(packet))
        except self._error:
            return None
        if not frames or not all(_is_usable(frame) for frame in frames):
            return None
        return np.concatenate([_to_mono(frame) for frame in frames]), frames[-1].sample_rate

    def reset(self) -> None:
        """Forget what was decoded: another stream follows."""
        self._context.flush_buffers()


def _is_usable(frame: AudioFrame) -> bool:
    """Tell whether a frame has a rate and channels we take.

    A damaged AAC frame can declare dozens of channels, and PyAV 18.1 counts the planes of a frame
    with eight or more by reading behind their table: such a frame's samples must not be touched.
    """
    return frame.layout.nb_channels <= MAX_CHANNELS and MIN_RATE_HZ <= frame.sample_rate <= MAX_RATE_HZ


def _to_mono(frame: AudioFrame) -> Samples:
    """Return a frame's samples, channels averaged: int16 as they are, floats from +-1.0."""
    array = frame.to_ndarray()
    if array.dtype == np.int16:
        return np.asarray(array.reshape(-1), dtype=np.int16)
    # Damaged frames can hold values that are not numbers.
    channels = np.nan_to_num(np.clip(array, -1, 1))
    return _to_int16(channels.mean(axis=0, dtype=np.float32) * 32_768)


def _to_int16(samples: npt.NDArray[np.floating[Any]]) -> Samples:
    rounded: Samples = np.clip(np.rint(samples), -32_768, 32_767).astype(np.int16)
    return rounded


class _CompressedDecoder(ABC):
    """What the compressed encodings share: codec, resampling, and patience with bad data.

    A packet that cannot be decoded becomes silence as long as the one before it, so that later
    words keep their times. Data in which nothing can be decoded for too long ends the session.
    """

    def __init__(self, codec: Literal["libopus", "aac"], expected: str) -> None:
        self._codec = _Codec(codec)
        self._expected = expected
        self._resampler: PcmDecoder | None = None
        self._earlier_ms = 0
        self._usual_samples = 0
        self._undecodable_bytes = 0
        self._damaged_packets = 0

    @property
    def received_ms(self) -> int:
        """Whole milliseconds of audio decoded so far."""
        return self._earlier_ms + (0 if self._resampler is None else self._resampler.received_ms)

    @property
    def damaged_packets(self) -> int:
        """Packets so far that could not be decoded."""
        return self._damaged_packets

    def decode(self, data: bytes) -> bytes:
        """Take a binary message; return the PCM16 that is ready, often of another length, maybe empty.

        Raises:
            InvalidInput: not the announced encoding.
            AudioViolation: the message holds more audio than may wait.
        """
        before_ms = self.received_ms
        pieces: list[bytes] = []
        for piece in self._decode(data):
            pieces.append(piece)
            decoded_ms = self.received_ms - before_ms
            if decoded_ms > MAX_DECODED_MS_PER_CALL:
                raise AudioViolation(
                    f"Audio Transmission Rate Exceeded: one message holds {decoded_ms / 1000:.0f} sec. of audio, "
                    f"at most {MAX_DECODED_MS_PER_CALL // 1000} sec. are kept"
                )
        return b"".join(pieces)

    def flush(self) -> bytes:
        """Return the rest of the stream; an incomplete last packet is dropped. Nothing may be decoded afterwards."""
        return self._end_rate()

    @abstractmethod
    def _decode(self, data: bytes) -> Iterator[bytes]:
        """Yield the PCM16 of each piece of audio that is complete."""

    def _decode_packet(self, packet: bytes) -> tuple[Samples, int]:
        """Return (samples, rate in Hz) of a packet, silence for a damaged one."""
        decoded = self._codec.decode(packet) if len(packet) <= MAX_OPUS_PACKET_BYTES else None
        if decoded is None:
            self._damaged_packets += 1
            self._tolerate(len(packet))
            rate_hz = TARGET_RATE_HZ if self._resampler is None else self._resampler.sample_rate_hz
            return np.zeros(self._usual_samples, dtype=np.int16), rate_hz
        self._undecodable_bytes = 0
        self._usual_samples = len(decoded[0])
        return decoded

    def _resample(self, samples: Samples, rate_hz: int) -> bytes:
        """Return 16 kHz PCM16 of the next samples; the rate may change in the middle of a stream."""
        if not len(samples):
            return b""
        rest = b""
        if self._resampler is None or self._resampler.sample_rate_hz != rate_hz:
            rest = self._end_rate()
            self._resampler = PcmDecoder(PcmEncoding.PCM_S16LE, rate_hz)
        return rest + self._resampler.decode(samples.tobytes())

    def _end_rate(self) -> bytes:
        self._earlier_ms = self.received_ms
        resampler, self._resampler = self._resampler, None
        return b"" if resampler is None else resampler.flush()

    def _tolerate(self, byte_count: int) -> None:
        """Count bytes that are no audio, and refuse the stream when there are too many in a row."""
        self._undecodable_bytes += byte_count
        limit_bytes = MAX_UNDECODABLE_BYTES if self.received_ms else MAX_UNDECODABLE_START_BYTES
        if self._undecodable_bytes > limit_bytes:
            raise self._refusal(f"{self._undecodable_bytes} bytes in a row could not be decoded")

    def _refusal(self, reason: str) -> InvalidInput:
        return InvalidInput(f"Invalid Audio: {reason}. Expected {self._expected}")


class OpusDecoder(_CompressedDecoder):
    """Decode messages that hold one raw Opus packet each (RFC 6716)."""

    def __init__(self) -> None:
        super().__init__("libopus", _OPUS_EXPECTED)

    def _decode(self, data: bytes) -> Iterator[bytes]:
        if not data:
            return
        if data.startswith(b"OggS"):
            # Never the start of a packet: it would announce 39 frames of 20 ms, and 120 ms is the limit.
            raise self._refusal("the message holds an Ogg page, which is encoding=ogg_opus")
        if len(data) > MAX_OPUS_PACKET_BYTES:
            raise self._refusal(f"a message of {len(data)} bytes; no Opus packet exceeds {MAX_OPUS_PACKET_BYTES}")
        yield self._resample(*self._decode_packet(data))


class OggOpusDecoder(_CompressedDecoder):
    """Decode an Ogg Opus stream (RFC 7845) cut anywhere; chained streams follow each other."""

    def __init__(self) -> None:
        super().__init__("libopus", _OGG_EXPECTED)
        self._pages = OggPages()
        self._link: OpusLink | None = None
        self._tolerated_bytes = 0
        self._soundless_bytes = 0

    def _decode(self, data: bytes) -> Iterator[bytes]:
        for page in self._pages.push(data):
            self._tolerate_skipped()
            samples = None if page is None else self._decode_page(page)
            if samples is not None:
                yield self._resample(samples, OPUS_RATE_HZ)
        self._tolerate_skipped()

    def _decode_page(self, page: OggPage) -> Samples | None:
        """Return what is to be heard of a page; None for a page without audio."""
        if page.is_first and self._start_link(page):
            return None
        link = self._link
        if link is None or link.serial != page.serial:
            self._tolerate(page.byte_count)
            return None
        decoded = [self._decode_packet(packet)[0] for packet in link.packets(page)]
        self._soundless_bytes = 0 if decoded else self._soundless_bytes + page.byte_count
        if self._soundless_bytes > MAX_SOUNDLESS_BYTES:
            raise self._refusal(f"{self._soundless_bytes} bytes in a row without an audio packet")
        samples = np.concatenate(decoded) if decoded else np.zeros(0, dtype=np.int16)
        if link.head.gain != 1:
            samples = _to_int16(samples * link.head.gain)
        return link.align(page, samples)

    def _start_link(self, page: OggPage) -> bool:
        """Begin a new logical stream; return whether the page does."""
        head = parse_opus_head(page)
        if head is None:
            return False
        if head.channels > MAX_CHANNELS:
            raise self._refusal(f"the stream has {head.channels} channels, at most {MAX_CHANNELS} are taken")
        self._link = OpusLink(page, head)
        self._codec.reset()
        return True

    def _tolerate_skipped(self) -> None:
        if self._pages.damaged_pages > MAX_DAMAGED_PAGES:
            raise self._refusal(f"{self._pages.damaged_pages} damaged pages")
        new_bytes = self._pages.skipped_bytes - self._tolerated_bytes
        self._tolerated_bytes += new_bytes
        self._tolerate(new_bytes)


class AacDecoder(_CompressedDecoder):
    """Decode an ADTS stream of AAC frames cut anywhere; the first frame is heard when the second begins."""

    def __init__(self) -> None:
        super().__init__("aac", _AAC_EXPECTED)
        self._framer = AdtsFramer()
        self._tolerated_bytes = 0

    def flush(self) -> bytes:
        """Return the rest of the stream; an incomplete last frame is dropped. Nothing may be decoded afterwards."""
        decoded = [self._codec.decode(frame) for frame in self._framer.finish()]
        return b"".join(self._resample(*frame) for frame in decoded if frame is not None) + super().flush()

    def _decode(self, data: bytes) -> Iterator[bytes]:
        for frame in self._framer.push(data):
            self._tolerate_skipped()
            yield self._resample(*self._decode_packet(frame))
        self._tolerate_skipped()

    def _tolerate_skipped(self) -> None:
        new_bytes = self._framer.skipped_bytes - self._tolerated_bytes
        self._tolerated_bytes += new_bytes
        self._tolerate(new_bytes)
