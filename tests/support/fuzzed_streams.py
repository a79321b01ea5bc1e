"""Hypothesis strategies for the bytes of whole connections: frames, captures and upgrade requests, right and wrong."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.support.compressed_streams import aac_frames, muxed
from tests.support.fuzzed_input import client_texts, queries
from tests.support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    client_frame,
    text_frame,
    upgrade_request,
)

UPDATE = text_frame({"type": "UpdateConfiguration", "min_turn_silence": 500, "keyterms_prompt": ["table"]})
FORCE_ENDPOINT = text_frame({"type": "ForceEndpoint"})
TERMINATE = text_frame({"type": "Terminate"})


@dataclass(frozen=True, slots=True, repr=False)
class Stream:
    """What one client sends: its request, and the rest once it was answered.

    Attributes:
        data: the rest.
        piece_bytes: of each write of the rest; 0 for all in one.
        is_upgraded: the request is a good one; otherwise the rest follows it at once.
    """

    request: bytes
    data: bytes
    piece_bytes: int = 0
    is_upgraded: bool = True

    @classmethod
    def unpacked(cls, text: str) -> Stream:
        """Return a stream from what a failed test printed."""
        request_bytes, piece_bytes, is_upgraded, packed = text.split(" ")
        data = zlib.decompress(base64.b85decode(packed))
        cut = int(request_bytes)
        return cls(data[:cut], data[cut:], int(piece_bytes), is_upgraded == "True")

    def __repr__(self) -> str:
        packed = base64.b85encode(zlib.compress(self.request + self.data)).decode()
        return f"Stream.unpacked({f'{len(self.request)} {self.piece_bytes} {self.is_upgraded} {packed}'!r})"

    @property
    def pieces(self) -> list[bytes]:
        """The bytes of each write after the request."""
        size = self.piece_bytes or len(self.data) or 1
        return [self.data[at : at + size] for at in range(0, len(self.data), size)]


# Small pieces of long streams would only be slow.
_piece_sizes = st.sampled_from((0, 0, 0, 61, 997))
_masks = st.sampled_from((b"\x37\xfa\x21\x3d", b"\0\0\0\0", b"\xff\x00\x80\x7f"))
_payloads = st.one_of(
    client_texts.map(str.encode),
    st.binary(max_size=130),
    st.integers(0, 33_000).map(bytes),
    st.sampled_from((b"", b"\xed\xa0\x80", b"\x00" * 126)),
)
_close_payloads = st.sampled_from(
    (b"", b"\x03\xe8", b"\x03\xe8bye", b"\x03", b"\x03\xed", b"\x03\xe8\xff", b"\0" * 126)
)
_opcodes = st.sampled_from((TEXT,) * 8 + (BINARY,) * 6 + (CONTINUATION, PING, PONG, CLOSE) * 2 + (3, 7, 11, 15))
_mostly_true = st.sampled_from((True,) * 15 + (False,))


@st.composite
def _frames(draw: st.DrawFn) -> bytes:
    opcode = draw(_opcodes)
    payload = draw(_close_payloads if opcode == CLOSE else _payloads)
    shape = draw(st.integers(0, 10))
    return client_frame(
        opcode,
        payload,
        fin=draw(_mostly_true),
        reserved=0 if draw(_mostly_true) else 1 + shape % 7,
        mask_key=draw(_masks) if draw(_mostly_true) else None,
        length_bits=64 if shape == 9 else None,
        announced_bytes=len(payload) + 3 if shape == 10 else None,
    )


@st.composite
def frame_streams(draw: st.DrawFn, port: int) -> Stream:
    """Return a good upgrade and then frames of any kind in any order."""
    frames = draw(st.lists(_frames(), min_size=1, max_size=5))
    return Stream(upgrade_request(port, "/v3/ws?sample_rate=16000"), b"".join(frames), draw(_piece_sizes))


def _split(message: bytes, opcode: int, cut: int) -> bytes:
    if not cut:
        return client_frame(opcode, message)
    at = cut % (len(message) + 1)
    return client_frame(opcode, message[:at], fin=False) + client_frame(CONTINUATION, message[at:])


class Batch:
    """Streams of clients that come at once; the test that finds one amiss shows it, and not the whole batch."""

    def __init__(self, streams: tuple[Stream, ...]) -> None:
        self.streams = streams

    def __repr__(self) -> str:
        return f"<Batch of {len(self.streams)}>"


@st.composite
def batches(draw: st.DrawFn, streams: st.SearchStrategy[Stream], size: int) -> Batch:
    """Return a number of streams."""
    return Batch(tuple(draw(streams) for _ in range(size)))


_messages = st.builds(_split, client_texts.map(str.encode), st.just(TEXT), st.integers(0, 50))
_audio = st.builds(_split, st.integers(1, 32_000).map(bytes), st.just(BINARY), st.integers(0, 50))
_good_names = st.sampled_from(("", "&speech_model=u3-rt-pro", "&encoding=opus", "&encoding=aac&format_turns=true"))


@st.composite
def message_streams(draw: st.DrawFn, port: int) -> Stream:
    """Return a good upgrade, messages of any content in good frames, and Terminate."""
    request = upgrade_request(port, "/v3/ws?sample_rate=16000" + draw(_good_names))
    parts = draw(st.lists(_messages | _audio, min_size=1, max_size=5))
    return Stream(request, b"".join(parts) + TERMINATE, draw(_piece_sizes))


_raw = st.binary(max_size=12).filter(lambda data: not set(data) & set(b"\r\n "))
_paths = st.sampled_from((b"/v3/ws?",) * 4 + (b"/?", b"/v3/ws/?", b"/v3/token?", b"/v3/ws#", b"http://x/v3/ws?", b""))
_header_names = (b"User-Agent", b"AssemblyAI-Version", b"Authorization", b"Origin", b"Cookie", b"X-" + b"y" * 200)
_headers = st.builds(
    lambda name, value: name + b": " + value,
    st.sampled_from(_header_names),
    _raw | st.sampled_from((b"\xff" * 9_000, b"\xc3\xa9\x00", b"a" * 300)),
)


@st.composite
def upgrade_streams(draw: st.DrawFn, port: int) -> Stream:
    """Return an upgrade with any query string and odd headers, then a session."""
    target = draw(_paths) + draw(queries).encode() + draw(st.one_of(*[st.just(b"")] * 6, _raw))
    request = upgrade_request(port, target, *draw(st.lists(_headers, max_size=2)))
    return Stream(request, client_frame(BINARY, bytes(3_200)) + TERMINATE, draw(_piece_sizes), is_upgraded=False)


def captures(port: int) -> tuple[bytes, ...]:
    """Return all that sound clients of four encodings send in a session."""
    ogg, aac = muxed("ogg", rate_hz=48_000, length_ms=1_000), b"".join(aac_frames(length_ms=1_000))
    audio = {
        "sample_rate=16000&encoding=pcm_s16le": [bytes(6_400)] * 5,
        "sample_rate=8000&encoding=pcm_mulaw&format_turns=true": [b"\xff\x2a" * 400] * 10,
        "encoding=ogg_opus&speech_model=universal-3-6-pro": [ogg[at : at + 1_000] for at in range(0, len(ogg), 1_000)],
        "encoding=aac&keyterms_prompt=%5B%22table%22%5D": [aac[at : at + 1_500] for at in range(0, len(aac), 1_500)],
    }
    return tuple(
        upgrade_request(port, f"/v3/ws?{query}")
        + UPDATE
        + b"".join(client_frame(BINARY, message) for message in messages)
        + client_frame(PING, b"still there")
        + FORCE_ENDPOINT
        + TERMINATE
        for query, messages in audio.items()
    )


def _flip(data: bytes, at: int, count: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1 << count % 8,)) + data[at + 1 :] if at < len(data) else data


_MUTATIONS: tuple[Callable[[bytes, int, int], bytes], ...] = (
    _flip,
    _flip,
    _flip,
    lambda data, at, count: data[:at] + data[at + count :],
    lambda data, at, count: data[: at + count] + data[at:],
    lambda data, at, count: data[:at] + bytes(count) + data[at + count :],
    lambda data, at, count: data[:at] + b"\xff" * count + data[at:],
    lambda data, at, count: data[:at],
    lambda data, at, count: data[:at] + data[: 40 * count] + data[at:],
)


@st.composite
def damaged_captures(draw: st.DrawFn, sound: tuple[bytes, ...]) -> Stream:
    """Return a capture with some bytes changed, lost, doubled or put in; half of the damage is near its start."""
    data = draw(st.sampled_from(sound))
    start = data.index(b"\r\n\r\n") + 4
    keeps_upgrade = draw(_mostly_true)
    low = start if keeps_upgrade else 0
    for _ in range(draw(st.integers(1, 3))):
        reach = 300 if draw(st.booleans()) else max(0, len(data) - low)
        at = low + draw(st.integers(0, reach))
        data = draw(st.sampled_from(_MUTATIONS))(data, at, draw(st.integers(1, 40)))
    return Stream(data[:low], data[low:], draw(_piece_sizes), keeps_upgrade)
