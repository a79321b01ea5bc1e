"""RFC 6455 as data: what a client sends to a v3 session, and how the session must end.

The groups are those of the Autobahn test suite, 1 to 7 and 10. An echo server proves by its echo that a
message arrived whole; here a message of an unknown type comes back in the Error that refuses it, audio is
what the recogniser heard, and a session that is still well answers Terminate with Termination and 1000.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from protos.session_v3 import CLOSE_REASON_MAX_BYTES, Text
from runtime.audio import PcmDecoder, PcmEncoding
from tests.support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NO_STATUS,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_frame,
    text_frame,
)

NORMAL, PROTOCOL_ERROR, INVALID_DATA, POLICY_VIOLATION, TOO_BIG = 1000, 1002, 1007, 1008, 1009
INVALID_INPUT, AUDIO_VIOLATION = 3006, 3007
MAX_MESSAGE_BYTES = 256 * 1024
MAX_FRAGMENTS = 4_096  # the library's own limit, see its WEBSOCKETS_MAX_FRAGMENTS
PCM_96_KHZ = "sample_rate=96000"
PCM_16_KHZ = "sample_rate=16000"
KEEP_ALIVE = text_frame({"type": "KeepAlive"})
TERMINATE = text_frame({"type": "Terminate"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the server must answer.

    Attributes:
        close_codes: of its close frame; several where the RFC and the library leave a choice.
        close_reason: None for any.
        error: text of the Error frame; it is due only with 3006 and 3007.
        pongs: their payloads, in order; None where they depend on the choice.
        audio: what the recogniser must hear before Termination.
        client_closes: the client began the closing handshake.
    """

    close_codes: frozenset[int]
    close_reason: str | None = None
    error: str | None = None
    pongs: tuple[bytes, ...] | None = ()
    audio: bytes = b""
    client_closes: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation: what is written after Begin, piece by piece, and its outcome."""

    name: str
    writes: tuple[bytes, ...]
    outcome: Outcome
    query: str = PCM_16_KHZ


def lives(name: str, *writes: bytes, pongs: Iterable[bytes] = (), audio: bytes = b"", query: str = PCM_16_KHZ) -> Case:
    """Return a case that the session survives: Terminate, sent at its end, is obeyed."""
    outcome = Outcome(frozenset({NORMAL}), Text.SESSION_ENDED, pongs=tuple(pongs), audio=audio)
    return Case(name, (*writes, TERMINATE), outcome, query)


def says(name: str, *writes: bytes, error: str, pongs: Iterable[bytes] = ()) -> Case:
    """Return a case whose message is refused with an Error that tells it arrived whole."""
    fits = len(error.encode()) <= CLOSE_REASON_MAX_BYTES
    reason = error if fits else Text.SEE_ERROR_MESSAGE
    return Case(name, writes, Outcome(frozenset({INVALID_INPUT}), reason, error, tuple(pongs)))


def breaks(name: str, *writes: bytes, code: int = PROTOCOL_ERROR, pongs: Iterable[bytes] = ()) -> Case:
    """Return a case that breaks the protocol: the connection fails with a code, and nothing else is said."""
    return Case(name, writes, Outcome(frozenset({code}), pongs=tuple(pongs)))


def may_break(name: str, *writes: bytes, error: str, code: int = PROTOCOL_ERROR) -> Case:
    """Return a case where a good message comes right before what breaks: either may decide."""
    return Case(name, writes, Outcome(frozenset({INVALID_INPUT, code}), error=error, pongs=None))


def closes(name: str, *writes: bytes, code: int, reason: str = "", pongs: Iterable[bytes] = ()) -> Case:
    """Return a case in which the client ends the connection: the server echoes code and reason, and stops."""
    return Case(name, writes, Outcome(frozenset({code}), reason, pongs=tuple(pongs), client_closes=True))


def named(kind: str) -> bytes:
    """Return a message of an unknown type."""
    return json.dumps({"type": kind}, ensure_ascii=False).encode()


def padded(kind: str, length: int) -> bytes:
    """Return a message of an unknown type that is ``length`` bytes long; the type comes last."""
    start, end = b'{"pad":"', b'","type":"%s"}' % kind.encode()
    return start + b"*" * (length - len(start) - len(end)) + end


def unknown(kind: str) -> str:
    """Return the error text for a message of an unknown type."""
    return f"Invalid Message Type: {kind}"


def not_json(text: str) -> str:
    """Return the error text for a message that is no JSON; the parser's message holds the position."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return f"User Input Validation Error: Invalid JSON: {error}"
    raise AssertionError(f"JSON: {text!r}")


def fragments(opcode: int, pieces: Iterable[bytes]) -> list[bytes]:
    """Return a message in as many frames as there are pieces."""
    parts = list(pieces)
    last = len(parts) - 1
    return [client_frame(CONTINUATION if n else opcode, part, fin=n == last) for n, part in enumerate(parts)]


def pieces_of(data: bytes, size: int) -> list[bytes]:
    """Cut data into pieces of a size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def octets(data: bytes) -> tuple[bytes, ...]:
    """Cut data into single bytes."""
    return tuple(pieces_of(data, 1))


def tone(length: int) -> bytes:
    """Return bytes that are no two the same for a long time, as audio."""
    return (struct.pack("!1021H", *range(1021)) * (length // 2042 + 1))[:length]


def resampled(pcm16: bytes) -> bytes:
    """Return what the recogniser hears of 96 kHz audio."""
    decoder = PcmDecoder(PcmEncoding.PCM_S16LE, 96_000)
    return decoder.decode(pcm16) + decoder.flush()


LENGTHS = (125, 126, 127, 128, 65_535, 65_536)


def framing() -> Iterator[Case]:
    """Group 1: text and binary messages of every length form."""
    yield says("1.1.1-empty-text", client_frame(TEXT), error=not_json(""))
    for number, length in enumerate(LENGTHS, 2):
        whole = client_frame(TEXT, padded("last", length))
        yield says(f"1.1.{number}-text-of-{length}", whole, error=unknown("last"))
        chopped = pieces_of(whole, 997 if length > 1_000 else 1)
        yield says(f"1.1.{number}-text-of-{length}-chopped", *chopped, error=unknown("last"))
    yield lives("1.2.1-empty-binary", client_frame(BINARY))
    for number, length in enumerate(LENGTHS, 2):
        # At 96 kHz a frame of 65,536 bytes is 341 ms; three of them make more than a second.
        audio = tone(3 * length)
        frames = [client_frame(BINARY, piece) for piece in pieces_of(audio, length)]
        heard = resampled(audio)
        yield lives(f"1.2.{number}-binary-of-{length}", *frames, audio=heard, query=PCM_96_KHZ)
        chopped = pieces_of(b"".join(frames), 997 if length > 1_000 else 1)
        yield lives(f"1.2.{number}-binary-of-{length}-chopped", *chopped, audio=heard, query=PCM_96_KHZ)
    yield lives("1.2.9-second-of-audio", client_frame(BINARY, tone(32_000)), audio=tone(32_000))
    yield from length_forms()
    yield from masking()
    yield from message_sizes()


def length_forms() -> Iterator[Case]:
    """Lengths that are not in their shortest form (a client must not; the library takes them), or absurd."""
    short = named("short")
    for bits in (16, 64):
        frame = client_frame(TEXT, short, length_bits=bits)
        yield may_break(f"1.3-text-of-{len(short)}-in-{bits}-bits", frame, error=unknown("short"))
    medium = padded("medium", 200)
    yield may_break("1.3-text-of-200-in-64-bits", client_frame(TEXT, medium, length_bits=64), error=unknown("medium"))
    for name, announced in (("63rd-bit", 1 << 63), ("all-bits", (1 << 64) - 1), ("4-gib", 1 << 32)):
        frame = client_frame(TEXT, b"", length_bits=64, announced_bytes=announced)
        yield breaks(f"1.3-length-{name}", frame, code=TOO_BIG)


def masking() -> Iterator[Case]:
    """Section 5.1: every frame of a client is masked, with any key."""
    for name, opcode, payload in (
        ("text", TEXT, named("bare")),
        ("empty-text", TEXT, b""),
        ("binary", BINARY, tone(3_200)),
        ("ping", PING, b"bare"),
        ("pong", PONG, b"bare"),
        ("close", CLOSE, b"\x03\xe8"),
        ("continuation", CONTINUATION, b"bare"),
    ):
        yield breaks(f"1.4-unmasked-{name}", client_frame(opcode, payload, mask_key=None))
    yield breaks("1.4-unmasked-after-masked", KEEP_ALIVE, client_frame(TEXT, named("bare"), mask_key=None))
    for key in (bytes(4), b"\xff" * 4, b"\x00\xff\x00\xff", b"\x80\x00\x00\x01"):
        frame = client_frame(TEXT, named("masked"), mask_key=key)
        yield says(f"1.4-mask-{key.hex()}", frame, error=unknown("masked"))
    keys = [struct.pack("!I", number * 0x01234567) for number in range(4)]
    audio = tone(12_800)
    frames = [client_frame(BINARY, part, mask_key=key) for part, key in zip(pieces_of(audio, 3_200), keys, strict=True)]
    yield lives("1.4-a-new-mask-every-frame", *frames, audio=audio)


def message_sizes() -> Iterator[Case]:
    """A message may hold 256 KiB, in one frame or in many."""
    most = padded("most", MAX_MESSAGE_BYTES)
    yield says("1.5-text-of-256-kib", client_frame(TEXT, most), error=unknown("most"))
    yield says("1.5-text-of-256-kib-in-frames", *fragments(TEXT, pieces_of(most, 65_536)), error=unknown("most"))
    # Longer than a second of audio, which the Error counts.
    violation = "Input Duration Error: Input Duration Violation: 1365.3 ms. Expected between 50 and 1000 ms"
    outcome = Outcome(frozenset({AUDIO_VIOLATION}), violation, violation)
    yield Case("1.5-binary-of-256-kib", (client_frame(BINARY, tone(MAX_MESSAGE_BYTES)),), outcome, PCM_96_KHZ)
    for name, opcode in (("text", TEXT), ("binary", BINARY)):
        announced = client_frame(opcode, announced_bytes=MAX_MESSAGE_BYTES + 1)
        yield breaks(f"1.5-{name}-one-byte-too-long-refused-unsent", announced, code=TOO_BIG)
        sent = fragments(opcode, [bytes(MAX_MESSAGE_BYTES), b"*"])
        yield breaks(f"1.5-{name}-one-byte-too-long-in-frames", *sent, code=TOO_BIG)
    most_frames = padded("most", MAX_FRAGMENTS)
    yield says("1.5-text-in-4096-frames", b"".join(fragments(TEXT, octets(most_frames))), error=unknown("most"))
    too_many = b"".join(fragments(TEXT, octets(padded("too many", MAX_FRAGMENTS + 1))))
    yield breaks("1.5-text-in-4097-frames", too_many, code=TOO_BIG)
    endless = client_frame(TEXT, fin=False) + client_frame(CONTINUATION, fin=False) * (2 * MAX_FRAGMENTS)
    # Too many fragments, or too many frames without content: both limits hold.
    outcome = Outcome(frozenset({TOO_BIG, POLICY_VIOLATION}))
    yield Case("1.5-text-in-empty-frames-without-end", (endless,), outcome)


def pings() -> Iterator[Case]:
    """Group 2: pings are answered in order with what they held, pongs not at all."""
    binary = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    longest = bytes(range(125))
    for name, payload in (
        ("1-empty", b""),
        ("2-text", b"Hello, world!"),
        ("3-binary", binary),
        ("4-125-bytes", longest),
    ):
        ping = client_frame(PING, payload)
        yield lives(f"2.{name}", ping, pongs=[payload])
        yield lives(f"2.6-{name}-octetwise", *octets(ping), pongs=[payload])
    for length in (126, 127, 65_536):
        yield breaks(f"2.5-ping-of-{length}", client_frame(PING, bytes(length)))
        yield breaks(f"2.5-pong-of-{length}", client_frame(PONG, bytes(length)))
    yield breaks("2.5-ping-of-126-octetwise", *octets(client_frame(PING, bytes(126))))
    yield breaks("2.5-ping-of-5-in-16-bits-and-too-long", client_frame(PING, bytes(5), announced_bytes=126), bytes(121))
    yield lives("2.7-pong-unasked-empty", client_frame(PONG))
    yield lives("2.8-pong-unasked", client_frame(PONG, b"unsolicited"))
    yield lives(
        "2.9-pong-unasked-then-ping", client_frame(PONG, b"unsolicited"), client_frame(PING, b"p"), pongs=[b"p"]
    )
    ten = [b"payload-%d" % number for number in range(10)]
    frames = [client_frame(PING, payload) for payload in ten]
    yield lives("2.10-ten-pings", *frames, pongs=ten)
    yield lives("2.10-ten-pings-in-one-write", b"".join(frames), pongs=ten)
    yield lives("2.11-ten-pings-octetwise", *octets(b"".join(frames)), pongs=ten)
    audio = tone(32_000)
    between = [frame for part in pieces_of(audio, 3_200) for frame in (client_frame(BINARY, part), frames[0])]
    yield lives("2.12-pings-between-audio", *between, pongs=[ten[0]] * 10, audio=audio)


def reserved_bits() -> Iterator[Case]:
    """Group 3: no extension was agreed on, so the reserved bits stay 0."""
    yield breaks("3.1-rsv-4-text", client_frame(TEXT, named("x"), reserved=4))
    for number, reserved in ((2, 2), (3, 3), (4, 4)):
        good, ping = text_frame({"type": "good"}), client_frame(PING, b"p")
        bad = client_frame(TEXT, named("x"), reserved=reserved)
        yield may_break(f"3.{number}-rsv-{reserved}-after-good-text", good + bad + ping, error=unknown("good"))
        yield may_break(f"3.{number}-rsv-{reserved}-after-good-text-framewise", good, bad, ping, error=unknown("good"))
        chopped = octets(good + bad + ping)
        yield may_break(f"3.{number}-rsv-{reserved}-after-good-text-octetwise", *chopped, error=unknown("good"))
        yield breaks(f"3.{number}-rsv-{reserved}-after-ping", ping, bad, pongs=[b"p"])
    for number, (name, opcode, payload) in enumerate(
        (("binary", BINARY, tone(3_200)), ("ping", PING, b"p"), ("close", CLOSE, b"\x03\xe8")), 5
    ):
        for reserved in range(1, 8):
            yield breaks(f"3.{number}-rsv-{reserved}-{name}", client_frame(opcode, payload, reserved=reserved))
    first, second = fragments(TEXT, [b'{"type":', b'"x"}'])
    for reserved in range(1, 8):
        bad = bytes((second[0] | reserved << 4,)) + second[1:]
        yield breaks(f"3.8-rsv-{reserved}-continuation", first, bad)


def opcodes() -> Iterator[Case]:
    """Group 4: opcodes 3 to 7 and 11 to 15 mean nothing."""
    for group, reserved in ((1, range(3, 8)), (2, range(11, 16))):
        for number, opcode in enumerate(reserved, 1):
            good = text_frame({"type": "good"})
            ping = client_frame(PING, b"p")
            bare, full = client_frame(opcode), client_frame(opcode, b"reserved payload")
            yield breaks(f"4.{group}.{number}-opcode-{opcode}-empty", bare)
            yield breaks(f"4.{group}.{number}-opcode-{opcode}-payload", full)
            yield breaks(f"4.{group}.{number}-opcode-{opcode}-octetwise", *octets(full))
            yield may_break(
                f"4.{group}.{number}-opcode-{opcode}-after-good-text", good, bare, ping, error=unknown("good")
            )
            yield breaks(f"4.{group}.{number}-opcode-{opcode}-after-ping", ping + full, pongs=[b"p"])
            yield breaks(f"4.{group}.{number}-opcode-{opcode}-within-message", *fragments(TEXT, [b"{", b"}"])[:1], full)


def fragmentation() -> Iterator[Case]:
    """Group 5: messages in several frames, with control frames between them and never inside one another."""
    for number, (name, opcode) in enumerate((("ping", PING), ("pong", PONG)), 1):
        yield breaks(f"5.{number}-{name}-in-two-frames", *fragments(opcode, [b"fragment1", b"fragment2"]))
        yield breaks(f"5.{number}-{name}-not-final", client_frame(opcode, b"fragment1", fin=False))
    yield breaks("5.2-close-not-final", client_frame(CLOSE, b"\x03\xe8", fin=False))
    halves = [b'{"type":"fragment1', b'fragment2"}']
    first, second = fragments(TEXT, halves)
    ping = client_frame(PING, b"between")
    error = unknown("fragment1fragment2")
    for number, frames, pongs in ((3, [first, second], []), (6, [first, ping, second], [b"between"])):
        name = "with-ping" if pongs else "in-two"
        yield says(f"5.{number}-text-{name}", *frames, error=error, pongs=pongs)
        yield says(f"5.{number + 1}-text-{name}-octetwise", *octets(b"".join(frames)), error=error, pongs=pongs)
        yield says(f"5.{number + 2}-text-{name}-in-one-write", b"".join(frames), error=error, pongs=pongs)
    good = text_frame({"type": "good"})
    for number, fin in ((9, True), (12, False)):
        stray = client_frame(CONTINUATION, b"nothing to continue", fin=fin)
        final = "final" if fin else "open"
        yield breaks(f"5.{number}-stray-{final}-continuation", stray, good)
        yield breaks(f"5.{number + 1}-stray-{final}-continuation-in-one-write", stray + good)
        yield breaks(f"5.{number + 2}-stray-{final}-continuation-octetwise", *octets(stray + good))
        yield may_break(f"5.15-stray-{final}-continuation-after-message", first, second, stray, good, error=error)
        yield breaks(f"5.16-stray-{final}-continuation-again", *[stray, good] * 2)
    yield breaks("5.17-stray-empty-continuation", client_frame(CONTINUATION))
    for opcode in (TEXT, BINARY):
        yield breaks(f"5.18-message-{opcode}-within-message", first, client_frame(opcode, halves[1]))
        yield breaks(f"5.18-message-{opcode}-begins-within-message", first, client_frame(opcode, halves[1], fin=False))
    parts = fragments(TEXT, [b'{"type":"f1', b"f2", b"f3", b"f4", b'f5"}'])
    mixed = [*parts[:2], client_frame(PING, b"ping1"), *parts[2:4], client_frame(PING, b"ping2"), parts[4]]
    said = {"error": unknown("f1f2f3f4f5"), "pongs": [b"ping1", b"ping2"]}
    yield says("5.19-text-in-five-with-two-pings", *mixed, **said)
    yield says("5.20-text-in-five-with-two-pings-in-one-write", b"".join(mixed), **said)
    yield says("5.20-text-in-five-with-two-pings-octetwise", *octets(b"".join(mixed)), **said)
    between = client_frame(PONG, b"unasked")
    yield says("5.21-text-with-pong", first, between, second, error=error)
    audio = tone(32_000)
    for size in (9, 999, 1_600, 31_999):
        yield lives(f"5.22-audio-in-frames-of-{size}", b"".join(fragments(BINARY, pieces_of(audio, size))), audio=audio)
    yield lives("5.22-audio-in-frames-of-1", *fragments(BINARY, octets(audio[:3_201])), audio=audio[:3_200])
    start, middle, end = (audio[:10_001], audio[10_001:20_000], audio[20_000:])
    opening, second_part, closing = fragments(BINARY, [start, middle, end])
    yield lives("5.23-audio-with-pings", opening, ping, second_part, ping, closing, pongs=[b"between"] * 2, audio=audio)
    yield lives("5.24-audio-and-text-in-turn", *fragments(BINARY, [start, middle]), KEEP_ALIVE,
                *fragments(TEXT, [b'{"type":', b'"KeepAlive"}']), client_frame(BINARY, end), audio=audio)  # fmt: skip
    yield breaks("5.25-close-within-message", first, close_frame(1000))


GREETING = "Hello-µ@ßöäüàá-UTF-8!!".encode()
# What Autobahn's group 6 sends: Greek in the middle of it, in hexadecimal where it is not text.
KOSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")
VALID_UTF8 = {
    "6.2-greeting": GREETING,
    "6.5-kosme": KOSME,
    "6.6.2-one-letter": bytes.fromhex("ceba"),
    "6.6.5-two-letters": bytes.fromhex("cebae1bdb9"),
    "6.6.7-three-letters": bytes.fromhex("cebae1bdb9cf83"),
    "6.6.9-four-letters": bytes.fromhex("cebae1bdb9cf83cebc"),
    "6.7.2-first-of-two": bytes.fromhex("c280"),
    "6.7.3-first-of-three": bytes.fromhex("e0a080"),
    "6.7.4-first-of-four": bytes.fromhex("f0908080"),
    "6.9.1-last-of-one": b"\x7f",
    "6.9.2-last-of-two": bytes.fromhex("dfbf"),
    "6.9.3-last-of-three": bytes.fromhex("efbfbf"),
    "6.9.4-last-of-four": bytes.fromhex("f48fbfbf"),
    "6.11.1-before-surrogates": bytes.fromhex("ed9fbf"),
    "6.11.2-after-surrogates": bytes.fromhex("ee8080"),
    "6.11.3-replacement": bytes.fromhex("efbfbd"),
    "6.11.4-last": bytes.fromhex("f48fbfbf"),
    **{
        f"6.22.{number}-noncharacter-{plane:x}-{low:x}": chr(plane << 16 | low).encode()
        for number, (plane, low) in enumerate(((plane, low) for plane in range(17) for low in (0xFFFE, 0xFFFF)), 1)
    },
    **{f"6.23.{number}-special-{0xFFF0 + number:x}": chr(0xFFF0 + number).encode() for number in range(9, 14)},
}
INVALID_UTF8 = {
    "6.3-surrogate-in-text": KOSME + bytes.fromhex("eda080") + b"edited",
    "6.4-above-the-last-in-text": KOSME + bytes.fromhex("f4908080") + b"edited",
    **{
        f"6.6.{number}-cut-at-{cut}": KOSME[:cut]
        for number, cut in ((1, 1), (3, 3), (4, 4), (6, 6), (8, 8), (10, 10))
    },
    "6.8.1-first-of-five": bytes.fromhex("f888808080"),
    "6.8.2-first-of-six": bytes.fromhex("fc8480808080"),
    "6.10.1-last-of-21-bits": bytes.fromhex("f7bfbfbf"),
    "6.10.2-last-of-five": bytes.fromhex("fbbfbfbfbf"),
    "6.10.3-last-of-six": bytes.fromhex("fdbfbfbfbfbf"),
    "6.11.5-above-the-last": bytes.fromhex("f4908080"),
    "6.12.1-lone-80": b"\x80",
    "6.12.2-lone-bf": b"\xbf",
    **{f"6.12.{length + 1}-{length}-continuations": (b"\x80\xbf" * 4)[:length] for length in range(2, 8)},
    "6.12.9-every-continuation": bytes(range(0x80, 0xC0)),
    **{
        f"6.13.{number}-lone-starts-of-{name}": b" ".join(bytes((byte,)) for byte in range(start, end))
        for number, (name, start, end) in enumerate(
            (("2", 0xC0, 0xE0), ("3", 0xE0, 0xF0), ("4", 0xF0, 0xF8), ("5", 0xF8, 0xFC), ("6", 0xFC, 0xFE)), 1
        )
    },
    **{
        f"6.14.{number}-last-byte-missing-{sequence}": bytes.fromhex(sequence)
        for number, sequence in enumerate(
            ("c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"), 1
        )
    },
    "6.15-incomplete-one-after-another": bytes.fromhex("c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf"),
    "6.16.1-fe": b"\xfe",
    "6.16.2-ff": b"\xff",
    "6.16.3-fe-fe-ff-ff": b"\xfe\xfe\xff\xff",
    **{
        f"6.17.{number}-overlong-slash-{sequence}": bytes.fromhex(sequence)
        for number, sequence in enumerate(("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"), 1)
    },
    **{
        f"6.18.{number}-longest-overlong-{sequence}": bytes.fromhex(sequence)
        for number, sequence in enumerate(("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"), 1)
    },
    **{
        f"6.19.{number}-overlong-nul-{sequence}": bytes.fromhex(sequence)
        for number, sequence in enumerate(("c080", "e08080", "f0808080", "f880808080", "fc8080808080"), 1)
    },
    **{
        f"6.20.{number}-surrogate-{sequence}": bytes.fromhex(sequence)
        for number, sequence in enumerate(
            ("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"), 1
        )
    },
    **{
        f"6.21.{number}-surrogate-pair-{sequence}": bytes.fromhex(sequence)
        for number, sequence in enumerate(
            ("eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf",
             "edae80edb080", "edae80edbfbf", "edafbfedb080", "edafbfedbfbf"), 1
        )
    },
}  # fmt: skip


def utf8() -> Iterator[Case]:
    """Group 6: text is UTF-8 wherever its frames are cut; it is checked when the message is whole."""
    empties = fragments(TEXT, [b"", b"", b""])
    yield says("6.1.2-three-empty-frames", *empties, error=not_json(""))
    around = fragments(TEXT, [b"", named("middle"), b""])
    yield says("6.1.3-empty-frames-around-text", *around, error=unknown("middle"))
    yield says("6.7.1-nul", client_frame(TEXT, b"\x00"), error=not_json("\x00"))
    for name, sequence in VALID_UTF8.items():
        text = sequence.decode()
        message = named(text)
        start = message.index(sequence)
        yield says(f"{name}-whole", client_frame(TEXT, message), error=unknown(text))
        yield says(f"{name}-bytewise", *fragments(TEXT, pieces_of(message, 1)), error=unknown(text))
        for cut in range(start + 1, start + len(sequence)):
            halves = fragments(TEXT, [message[:cut], message[cut:]])
            yield says(f"{name}-cut-at-{cut - start}", *halves, error=unknown(text))
    for name, sequence in INVALID_UTF8.items():
        message = b'{"type":"' + sequence + b'"}'
        yield breaks(f"{name}-whole", client_frame(TEXT, message), code=INVALID_DATA)
        yield breaks(f"{name}-bytewise", b"".join(fragments(TEXT, pieces_of(message, 1))), code=INVALID_DATA)
        yield breaks(f"{name}-at-the-end", client_frame(TEXT, sequence), code=INVALID_DATA)
    # Any bytes are audio.
    audio = INVALID_UTF8["6.12.9-every-continuation"] * 50
    yield lives("6.24-binary-is-no-text", client_frame(BINARY, audio), audio=audio)


VALID_CLOSE_CODES = (
    1000,
    1001,
    1002,
    1003,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    3000,
    3005,
    3999,
    4000,
    4999,
)
INVALID_CLOSE_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65_535)


def closing() -> Iterator[Case]:
    """Group 7: the closing handshake, its codes and its reasons."""
    normal, ping = close_frame(1000), client_frame(PING, b"late")
    yield closes("7.1.1-text-then-close", KEEP_ALIVE, normal, code=1000)
    yield closes("7.1.2-two-closes", normal, normal, code=1000)
    yield closes("7.1.2-two-different-closes", normal, close_frame(1001, b"again"), code=1000)
    yield closes("7.1.3-ping-after-close", normal, ping, code=1000)
    yield closes("7.1.4-text-after-close", normal, text_frame({"type": "late"}), code=1000)
    yield closes("7.1.4-terminate-after-close", normal + TERMINATE, code=1000)
    yield closes("7.1.4-audio-after-close", normal + client_frame(BINARY, tone(3_200)), code=1000)
    yield closes("7.1.4-garbage-after-close", normal + b"\xff" * 1_000, code=1000)
    first, second = fragments(TEXT, [b'{"type":', b'"late"}'])
    # The RFC also allows to echo 1000.
    yield breaks("7.1.5-close-within-message", first, normal, second)
    large = client_frame(TEXT, padded("KeepAlive", MAX_MESSAGE_BYTES))
    yield closes("7.1.6-large-message-then-close-then-ping", large, normal, ping, code=1000)
    yield closes("7.2-ping-then-close", client_frame(PING, b"p"), normal, code=1000, pongs=[b"p"])
    audio = client_frame(BINARY, tone(3_200))
    yield closes("7.2-audio-then-close", audio, normal, code=1000)
    yield closes("7.3.1-close-empty", close_frame(), code=NO_STATUS)
    yield breaks("7.3.2-close-of-one-byte", client_frame(CLOSE, b"\x03"))
    yield closes("7.3.3-close-with-code", normal, code=1000)
    yield closes("7.3.3-close-octetwise", *octets(normal), code=1000)
    for number, reason in ((4, "Hello World!"), (4, GREETING.decode()), (5, "*" * 123), (5, "é" * 61)):
        frame = close_frame(1000, reason.encode())
        yield closes(f"7.3.{number}-reason-of-{len(reason.encode())}", frame, code=1000, reason=reason)
    yield breaks("7.3.6-reason-of-124", close_frame(1000, b"*" * 124))
    yield breaks("7.3.6-reason-of-65536", close_frame(1000, bytes(65_536)))
    for name, sequence in list(INVALID_UTF8.items())[:12]:
        yield breaks(f"7.5.1-reason-{name}", close_frame(1000, sequence), code=INVALID_DATA)
    for code in VALID_CLOSE_CODES:
        yield closes(f"7.7-code-{code}", close_frame(code), code=code)
        yield closes(f"7.7-code-{code}-with-reason", close_frame(code, b"because"), code=code, reason="because")
    for code in INVALID_CLOSE_CODES:
        yield breaks(f"7.9-code-{code}", close_frame(code))
        yield breaks(f"7.9-code-{code}-with-reason", close_frame(code, b"because"))


def miscellaneous() -> Iterator[Case]:
    """Group 10, and whole conversations in one write."""
    long = padded("last", 65_536)
    yield says("10.1.1-65536-in-frames-of-1300", *fragments(TEXT, pieces_of(long, 1_300)), error=unknown("last"))
    yield says("10.1.2-65536-in-frames-of-100", b"".join(fragments(TEXT, pieces_of(long, 100))), error=unknown("last"))
    audio = tone(96_000)
    frames = [client_frame(BINARY, part) for part in pieces_of(audio, 3_200)]
    yield lives("10.2-conversation-in-one-write", b"".join([*frames, KEEP_ALIVE]), audio=audio)
    yield lives("10.2-conversation-in-writes-of-7", *pieces_of(b"".join(frames[:3]), 7), audio=audio[:9_600])
    yield lives("10.3-50-texts-in-one-write", KEEP_ALIVE * 50)
    yield says("10.4-nothing-follows-an-error", text_frame({"type": "bad"}), TERMINATE, error=unknown("bad"))
    yield lives("10.5-nothing-follows-terminate", TERMINATE, text_frame({"type": "late"}), client_frame(BINARY, audio))


CASES = (
    *framing(),
    *pings(),
    *reserved_bits(),
    *opcodes(),
    *fragmentation(),
    *utf8(),
    *closing(),
    *miscellaneous(),
)
