"""Hypothesis strategies for the ways a client may cut the same session into messages, frames and writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from tests.support.raw_websocket import BINARY, CONTINUATION, PING, PONG, TEXT, client_frame

# The protocol refuses more than 40 short messages in a row; two cuts may follow each other, each with a short rest.
MAX_SHORT_IN_A_ROW = 19
# Messages that change nothing, as often as clients like to send them.
NEUTRAL = (
    client_frame(TEXT, b'{"type": "KeepAlive"}'),
    client_frame(TEXT, b'{"type":', fin=False) + client_frame(PING) + client_frame(CONTINUATION, b'"KeepAlive"}'),
    client_frame(TEXT, json.dumps({"type": "UpdateConfiguration", "vad_threshold": None, "unknown": "ü"}).encode()),
    client_frame(BINARY),
    client_frame(PING, b"are you there"),
    client_frame(PONG),
)
MAX_NEUTRAL = 60  # empty frames, pings and pongs are limited in number


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a message may hold, in bytes.

    Attributes:
        short: messages below it count as short.
        most: no message may be longer.
    """

    short: int
    most: int


@st.composite
def cuts(draw: st.DrawFn, audio_bytes: int, sizes: Sizes, *, at_most: int = 40) -> tuple[int, ...]:
    """Return lengths of messages that together make the audio: from one byte to the longest, a third of them short.

    Args:
        at_most: messages of drawn lengths; the rest of the audio follows in long ones.
    """
    length = st.integers(1, sizes.most) | st.integers(1, sizes.short)
    drawn = iter(draw(st.lists(length | st.sampled_from((1, 2, 3, sizes.short, sizes.most)), max_size=at_most)))
    last = draw(st.integers(sizes.most // 3, sizes.most))
    lengths: list[int] = []
    short, left = 0, audio_bytes
    while left:
        wanted = next(drawn, last)
        short = short + 1 if wanted < sizes.short else 0
        lengths.append(min(last if short > MAX_SHORT_IN_A_ROW else wanted, left))
        left -= lengths[-1]
    return tuple(lengths)


def pieces(audio: bytes, lengths: Sequence[int]) -> Iterator[bytes]:
    """Yield the audio in pieces of these lengths."""
    at = 0
    for length in lengths:
        yield audio[at : at + length]
        at += length


def spoken(messages: Iterable[bytes], chance: Random) -> Iterator[bytes]:
    """Yield the writes of a client that fragments some messages, masks as it likes, and says neutral things between.

    A fragment may end anywhere, and so may a write.
    """
    neutral_left = MAX_NEUTRAL
    stream = bytearray()
    for message in messages:
        stream += _fragmented(message, chance)
        if neutral_left and chance.random() < 0.2:
            neutral_left -= 1
            stream += chance.choice(NEUTRAL)
    writes = chance.choice((1, 1, 3, 20))
    cuts = sorted(chance.randrange(len(stream) + 1) for _ in range(writes - 1))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        yield bytes(stream[start:end])


def _fragmented(message: bytes, chance: Random) -> bytes:
    opcode = BINARY
    frames = b""
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        cut = chance.randrange(len(message) + 1)
        frames += client_frame(opcode, message[:cut], fin=False, mask_key=chance.randbytes(4))
        frames += client_frame(PING, b"within") if chance.random() < 0.05 else b""
        message, opcode = message[cut:], CONTINUATION
    return frames + client_frame(opcode, message, mask_key=chance.randbytes(4))
