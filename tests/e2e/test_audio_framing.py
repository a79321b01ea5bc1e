"""The same audio gives the same turns however a client cuts it: into messages, frames, writes, and other talk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.audio_cuts import Sizes, cuts, pieces, spoken
from tests.support.compressed_streams import muxed
from tests.support.lone_gateway import LoneGateway, lone_gateway
from tests.support.private_stack import PrivateStack
from tests.support.raw_websocket import BINARY, Heard, client_frame, raw_session, text_frame
from tests.support.recording_recognizer import RecordingRecognizer
from tests.support.rfc6455_cases import tone
from tests.support.streaming import sample_pcm, sample_text, words_wrong

FORCE_ENDPOINT = text_frame({"type": "ForceEndpoint"})
TERMINATE = text_frame({"type": "Terminate"})
PCM_16_KHZ = Sizes(1_600, 32_000)
SAMPLES = ("weather.wav", "appointment.wav", "order.wav")
SEEDS = st.integers(0, 2**32)
EXAMPLES = 60
REAL_EXAMPLES = 7


@dataclass(frozen=True, slots=True)
class Encoded:
    """Six seconds or so of audio as one kind of client sends it.

    Attributes:
        before: sent up to the forced endpoint.
        after: sent from there to the end.
        turns: the final turns by their numbers of words; one is said in 200 ms.
    """

    query: str
    sizes: Sizes
    before: bytes
    after: bytes
    turns: tuple[int, ...]


def _encodings() -> dict[str, Encoded]:
    ogg = muxed("ogg", rate_hz=48_000)
    return {
        "pcm-16-khz": Encoded("sample_rate=16000", PCM_16_KHZ, tone(80_001), tone(112_000), (12, 18)),
        "pcm-48-khz": Encoded("sample_rate=48000", Sizes(4_800, 96_000), tone(250_001), tone(300_000), (12, 16)),
        "mulaw-8-khz": Encoded(
            "sample_rate=8000&encoding=pcm_mulaw", Sizes(400, 8_000), tone(20_900), tone(27_000), (12, 17)
        ),
        # Nothing bounds a message of compressed audio but its bytes.
        "ogg-opus": Encoded("encoding=ogg_opus", Sizes(200, 5_000), b"", ogg, (12,)),
    }


ENCODED = _encodings()


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway, the recogniser behind it, and the loop both live in."""

    runner: asyncio.Runner
    gateway: LoneGateway
    recognizer: RecordingRecognizer

    def say(self, query: str, writes: Iterable[bytes]) -> tuple[Heard, bytes]:
        """Hold a session; return what the client and what the recogniser heard."""
        heard = self.runner.run(_say(self.gateway.port, query, writes))
        return heard, bytes(self.recognizer.heard.pop(heard.messages[0]["id"]))


async def _say(port: int, query: str, writes: Iterable[bytes]) -> Heard:
    async with raw_session(port, query) as socket:
        writing = asyncio.create_task(socket.write_apart(writes))
        heard = await socket.read_to_end()
        await writing
    assert (heard.close_code, heard.messages[-1]["type"]) == (1000, "Termination"), heard
    return heard


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Give one gateway for all examples."""
    recognizer = RecordingRecognizer()
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        gateway = runner.run(stack.enter_async_context(lone_gateway(recognizer=recognizer)))
        try:
            yield Target(runner, gateway, recognizer)
        finally:
            runner.run(stack.aclose())


def _evenly(audio: bytes, size: int) -> Iterator[bytes]:
    """Yield frames of one size, as most clients send them."""
    return (client_frame(BINARY, audio[at : at + size]) for at in range(0, len(audio), size))


def _final_turns(heard: Heard) -> Sequence[dict[str, Any]]:
    """Return the final turns; how sure the recogniser is of one is no part of it."""
    return [{**turn, "end_of_turn_confidence": None} for turn in heard.finals]


@pytest.mark.parametrize("name", ENCODED)
def test_any_cut_of_the_same_audio_gives_the_same_turns(target: Target, name: str) -> None:
    """Odd bytes, empty and one-byte messages, fragments, pings inside a message: the recogniser hears the same."""
    encoded = ENCODED[name]
    plain = (
        *_evenly(encoded.before, 2 * encoded.sizes.short),
        FORCE_ENDPOINT,
        *_evenly(encoded.after, 2 * encoded.sizes.short),
        TERMINATE,
    )
    expected, expected_audio = target.say(encoded.query, plain)
    assert tuple(len(turn["words"]) for turn in expected.finals) == encoded.turns
    tried = 0

    @settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(cuts(len(encoded.before), encoded.sizes), cuts(len(encoded.after), encoded.sizes), SEEDS)
    def check(before: tuple[int, ...], after: tuple[int, ...], seed: int) -> None:
        nonlocal tried
        chance = Random(seed)
        writes = [
            *spoken(pieces(encoded.before, before), chance),
            FORCE_ENDPOINT,
            *spoken(pieces(encoded.after, after), chance),
            TERMINATE,
        ]
        heard, audio = target.say(encoded.query, writes)
        assert audio == expected_audio
        assert _final_turns(heard) == _final_turns(expected)
        assert heard.messages[-1]["audio_duration_seconds"] == expected.messages[-1]["audio_duration_seconds"]
        tried += 1

    check()
    assert tried >= EXAMPLES


def test_any_cut_of_a_recording_is_transcribed_alike(running_stack: PrivateStack) -> None:
    """The whole stack, at many times real time: same words, same times, same turns."""
    port = int(running_stack.environment["AAI_WSS_PORT"])
    query = "sample_rate=16000"
    expected: dict[str, Heard] = {}
    tried = 0

    def say(writes: Iterable[bytes]) -> Heard:
        return asyncio.run(_say(port, query, [*writes, TERMINATE]))

    for sample in SAMPLES:
        expected[sample] = say(_evenly(sample_pcm(sample), 3_200))
        text = " ".join(turn["transcript"] for turn in expected[sample].finals)
        assert words_wrong(sample_text(sample), text) <= 0.2

    samples = st.sampled_from(SAMPLES).flatmap(
        lambda sample: st.tuples(st.just(sample), cuts(len(sample_pcm(sample)), PCM_16_KHZ))
    )

    @settings(
        max_examples=REAL_EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(samples, SEEDS)
    def check(cut: tuple[str, tuple[int, ...]], seed: int) -> None:
        nonlocal tried
        sample, lengths = cut
        heard = say(spoken(pieces(sample_pcm(sample), lengths), Random(seed)))
        assert _final_turns(heard) == _final_turns(expected[sample])
        tried += 1

    check()
    assert tried >= REAL_EXAMPLES
