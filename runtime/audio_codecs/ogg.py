"""Read Opus packets out of an Ogg stream (RFC 3533, RFC 7845) that arrives cut anywhere."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from runtime.audio import Samples

OPUS_RATE_HZ: Final = 48_000
# The longest packet of one stereo stream: 48 frames of 1275 bytes and their lengths (RFC 6716, 3.2; RFC 7845, 6).
MAX_OPUS_PACKET_BYTES: Final = 61_440
# Longer holes in the granule positions are taken as another clock, not as lost audio.
MAX_LOST_SAMPLES: Final = 5 * OPUS_RATE_HZ

_CAPTURE = b"OggS"
_HEADER = struct.Struct("<4sBBqIIIB")  # capture, version, flags, granule, serial, sequence, checksum, segments
_CHECKSUM = slice(22, 26)
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_OPUS_HEAD = struct.Struct("<8sBBHIhB")  # magic, version, channels, pre-skip, input rate, gain, mapping family
_TAGS_MAGIC = b"OpusTags"
_REVERSED_BITS: Final = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True, slots=True)
class OggPage:
    """One page with a right checksum.

    Attributes:
        granule: position of the last sample of the last packet that ends here, -1 when none ends here.
        is_continued: the page begins inside a packet.
        is_first, is_last: it begins, or ends, its logical stream.
        lacing: lengths of the pieces of ``body``; one of 255 goes on in the next piece.
    """

    granule: int
    serial: int
    sequence: int
    is_continued: bool
    is_first: bool
    is_last: bool
    lacing: bytes
    body: bytes

    @property
    def byte_count(self) -> int:
        """Length of the page in the stream."""
        return _HEADER.size + len(self.lacing) + len(self.body)


class OggPages:
    """Cut bytes into Ogg pages; what is no page, or a damaged one, is skipped and counted.

    The pages depend only on the bytes, not on how they were cut. At most one page (65307 bytes) is
    kept between calls.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped_bytes = 0
        self._damaged_pages = 0

    @property
    def skipped_bytes(self) -> int:
        """Bytes so far that belong to no page."""
        return self._skipped_bytes

    @property
    def damaged_pages(self) -> int:
        """Pages so far with a wrong checksum."""
        return self._damaged_pages

    def push(self, data: bytes) -> Iterator[OggPage | None]:
        """Take more of the stream; yield the pages that are complete, and None for each damaged one."""
        self._buffer += data
        while self._seek_page():
            size_bytes = self._page_bytes()
            if size_bytes is None or len(self._buffer) < size_bytes:
                return
            page = _parse_page(bytes(self._buffer[:size_bytes]))
            if page is None:
                # The length may be what is damaged: the next page can begin inside this one.
                self._damaged_pages += 1
                self._skip(len(_CAPTURE))
            else:
                del self._buffer[:size_bytes]
            yield page

    def _seek_page(self) -> bool:
        """Drop what precedes the next capture pattern; return whether there is one."""
        start = self._buffer.find(_CAPTURE)
        if start >= 0:
            self._skip(start)
            return True
        kept = next((n for n in (3, 2, 1) if self._buffer.endswith(_CAPTURE[:n])), 0)
        self._skip(len(self._buffer) - kept)
        return False

    def _page_bytes(self) -> int | None:
        """Return the length of the page at the start of the buffer; None while its header is incomplete."""
        if len(self._buffer) < _HEADER.size:
            return None
        lacing_end = _HEADER.size + self._buffer[_HEADER.size - 1]
        if len(self._buffer) < lacing_end:
            return None
        return lacing_end + sum(self._buffer[_HEADER.size : lacing_end])

    def _skip(self, byte_count: int) -> None:
        del self._buffer[:byte_count]
        self._skipped_bytes += byte_count


@dataclass(frozen=True, slots=True)
class OpusHead:
    """What an Ogg Opus stream says about itself.

    Attributes:
        pre_skip_samples: decoded samples at the start that are no audio, at 48 kHz.
        gain: factor the decoded samples are to be multiplied with.
    """

    channels: int
    pre_skip_samples: int
    gain: float


class OpusLink:
    """One logical Opus stream of a (possibly chained) Ogg stream: its packets and its clock."""

    def __init__(self, first_page: OggPage, head: OpusHead) -> None:
        self.serial = first_page.serial
        self.head = head
        self._next_sequence = first_page.sequence + 1
        self._pending = bytearray()
        self._pre_skip_left = head.pre_skip_samples
        self._position: int | None = None

    def packets(self, page: OggPage) -> Iterator[bytes]:
        """Yield the audio packets that end on this page; packets that lost a piece are left out.

        Of a packet longer than any Opus packet only the start is kept, one byte more than allowed:
        comments may hold pictures of any size.
        """
        if page.sequence != self._next_sequence or not page.is_continued:
            self._pending.clear()
        self._next_sequence = page.sequence + 1
        is_headless = page.is_continued and not self._pending
        at = 0
        for piece_bytes in page.lacing:
            room = MAX_OPUS_PACKET_BYTES + 1 - len(self._pending)
            self._pending += page.body[at : at + min(piece_bytes, room)]
            at += piece_bytes
            if piece_bytes == 255:
                continue
            packet = bytes(self._pending)
            self._pending.clear()
            if packet and not is_headless and not packet.startswith(_TAGS_MAGIC):
                yield packet
            is_headless = False

    def align(self, page: OggPage, samples: Samples) -> Samples:
        """Return what is to be heard of a page's decoded samples.

        Audio that was lost before this page becomes silence, so that later words keep their times;
        the encoder's lead-in and the padding after the end are left out.
        """
        if page.granule < 0:
            self._position = None if self._position is None else self._position + len(samples)
        else:
            if self._position is None:
                # A live recording may begin at any position; one that ends on its first page says its length.
                self._position = 0 if page.is_last else page.granule - len(samples)
            lost = page.granule - self._position - len(samples)
            if 0 < lost <= MAX_LOST_SAMPLES:
                samples = np.concatenate([np.zeros(lost, dtype=np.int16), samples])
            elif lost < 0 and page.is_last:
                samples = samples[: max(0, len(samples) + lost)]
            self._position = page.granule
        dropped = min(self._pre_skip_left, len(samples))
        self._pre_skip_left -= dropped
        return samples[dropped:]


def parse_opus_head(page: OggPage) -> OpusHead | None:
    """Return the identification header a logical stream begins with; None when it is not Opus."""
    if len(page.body) < _OPUS_HEAD.size:
        return None
    magic, version, channels, pre_skip, _, gain_q8_db, _ = _OPUS_HEAD.unpack_from(page.body)
    if magic != b"OpusHead" or version & 0xF0 or channels == 0:
        return None
    return OpusHead(channels, pre_skip, 10 ** (gain_q8_db / 256 / 20))


def checksum(data: bytes) -> int:
    """Return Ogg's CRC-32: the common polynomial, most significant bit first, starting at 0, not inverted."""
    # zlib works least significant bit first and inverts at both ends; both are undone, at the speed of C.
    reflected = zlib.crc32(data.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED_BITS), "big")


def _parse_page(data: bytes) -> OggPage | None:
    """Return the page these bytes are; None when they are damaged."""
    _, version, flags, granule, serial, sequence, expected, segment_count = _HEADER.unpack_from(data)
    cleared = data[: _CHECKSUM.start] + bytes(4) + data[_CHECKSUM.stop :]
    if version != 0 or checksum(cleared) != expected:
        return None
    body_start = _HEADER.size + segment_count
    return OggPage(
        granule=granule,
        serial=serial,
        sequence=sequence,
        is_continued=bool(flags & _CONTINUED),
        is_first=bool(flags & _FIRST),
        is_last=bool(flags & _LAST),
        lacing=data[_HEADER.size : body_start],
        body=data[body_start:],
    )
