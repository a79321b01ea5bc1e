"""Find the frames of an ADTS stream (ISO/IEC 13818-7, 6.2) that arrives cut anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HEADER_BYTES: Final = 7
_LAST_RATE_INDEX: Final = 11  # 8 kHz; 12 is 7350 Hz, below what the protocol allows, the rest is reserved
_LAST_CHANNEL_CONFIGURATION: Final = 2  # 0: the frame itself says, 1: mono, 2: stereo
# Twelve ones, either MPEG version, layer 0, with or without CRC.
_SYNC_WORD: Final = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")


@dataclass(frozen=True, slots=True)
class _Header:
    """What an ADTS header says.

    Attributes:
        kind: version, protection, profile, rate and channels: equal in all frames of one stream.
        frame_bytes: length of the frame, header included.
    """

    kind: bytes
    frame_bytes: int


class AdtsFramer:
    """Cut bytes into ADTS frames; what is not a frame is skipped and counted.

    A frame that is not of the kind of the one before it is believed only when another of its own
    kind follows directly, because twelve ones also occur inside frames. The frames depend only on the bytes, not on
    how they were cut. At most one frame (8191 bytes) and a header are kept between calls.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._kind: bytes | None = None
        self._skipped_bytes = 0

    @property
    def skipped_bytes(self) -> int:
        """Bytes so far that belong to no frame."""
        return self._skipped_bytes

    def push(self, data: bytes) -> Iterator[bytes]:
        """Take more of the stream; yield the frames that are complete, headers included."""
        self._buffer += data
        while frame := self._next_frame():
            yield frame

    def finish(self) -> Iterator[bytes]:
        """Yield the frame that no other one follows, if there is one; drop the rest."""
        while self._buffer:
            if frame := self._next_frame(at_end=True):
                yield frame
            else:
                self._skip(1)

    def _next_frame(self, *, at_end: bool = False) -> bytes | None:
        """Return the next frame; None when more bytes are needed to find or to believe it."""
        while self._seek_sync_word():
            header = _parse_header(self._buffer)
            if header is None:
                self._skip(1)
                continue
            if header.kind != self._kind:
                confirmed = self._is_followed(header, at_end=at_end)
                if confirmed is None:
                    return None
                if not confirmed:
                    self._skip(1)
                    continue
            if len(self._buffer) < header.frame_bytes:
                return None
            frame = bytes(self._buffer[: header.frame_bytes])
            del self._buffer[: header.frame_bytes]
            self._kind = header.kind
            return frame
        return None

    def _seek_sync_word(self) -> bool:
        """Drop what precedes the next sync word; return whether a whole header is there."""
        found = _SYNC_WORD.search(self._buffer)
        if found is not None:
            self._skip(found.start())
            return len(self._buffer) >= _HEADER_BYTES
        self._skip(len(self._buffer) - self._buffer.endswith(b"\xff"))
        return False

    def _is_followed(self, header: _Header, *, at_end: bool) -> bool | None:
        """Tell whether a frame of the same kind, or the end, follows; None when that is not known yet."""
        if len(self._buffer) < header.frame_bytes + _HEADER_BYTES:
            return True if at_end and len(self._buffer) == header.frame_bytes else None
        following = _parse_header(self._buffer[header.frame_bytes : header.frame_bytes + _HEADER_BYTES])
        return following is not None and following.kind == header.kind

    def _skip(self, byte_count: int) -> None:
        del self._buffer[:byte_count]
        self._skipped_bytes += byte_count


def _parse_header(data: bytearray) -> _Header | None:
    """Return the header in the first seven bytes; None when it is none, or of a stream we do not take."""
    if _SYNC_WORD.match(data) is None:
        return None
    rate_index = data[2] >> 2 & 0x0F
    channel_configuration = (data[2] & 0x01) << 2 | data[3] >> 6
    if rate_index > _LAST_RATE_INDEX or channel_configuration > _LAST_CHANNEL_CONFIGURATION:
        return None
    frame_bytes = (data[3] & 0x03) << 11 | data[4] << 3 | data[5] >> 5
    has_checksum = not data[1] & 0x01
    if frame_bytes <= _HEADER_BYTES + 2 * has_checksum:
        return None
    # The private, original and home bits mean nothing to a decoder.
    return _Header(bytes((data[1], data[2] & 0xFD, data[3] & 0xC0)), frame_bytes)
