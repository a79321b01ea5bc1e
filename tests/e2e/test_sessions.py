"""Sessions through the real gateway, router, recogniser and license proxy."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from assemblyai.streaming.v3 import (
    StreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
)

from tests.support.compressed_streams import aac_frames, muxed, opus_packets
from tests.support.private_stack import PrivateStack
from tests.support.streaming import Transcript, collect, sample_pcm, sample_text, session, transcribe, words_wrong

SAMPLE = "weather.wav"
ENGLISH = "sample_rate=16000&speech_model=universal-streaming-english"


def worker_pids(stack: PrivateStack, program: str) -> set[int]:
    """Return the recogniser workers below one ASR server of this stack."""
    services = json.loads(stack.console("status", "--json").stdout)["data"]["services"]
    pid = next(service["pid"] for service in services if service["name"] == program)
    return {child.pid for child in psutil.Process(pid).children(recursive=True) if child.name() == "asr-worker"}


@pytest.mark.parametrize("path", ["", "/", "/v3/ws", "/v3/ws/"])
async def test_session_of_a_protocol_only_client_is_transcribed(running_stack: PrivateStack, path: str) -> None:
    """Begin comes first, then the words of the recording, Termination, close 1000."""
    heard = await transcribe(running_stack.endpoint + path, sample_pcm(SAMPLE), speed=4)
    kinds = [message["type"] for message in heard.messages]
    assert kinds[0] == "Begin"
    assert kinds[-1] == "Termination"
    assert words_wrong(sample_text(SAMPLE), heard.text) <= 0.1
    assert (heard.close_code, heard.close_reason) == (1000, "Session Ended")
    assert heard.messages[-1]["audio_duration_seconds"] == round(len(sample_pcm(SAMPLE)) / 32_000)


async def test_pause_between_sentences_ends_a_turn(running_stack: PrivateStack) -> None:
    """The recording with a 1.5 s pause gives two turns, numbered 0 and 1, in order of time."""
    heard = await transcribe(running_stack.endpoint, sample_pcm("appointment.wav"), speed=4)
    assert [turn["turn_order"] for turn in heard.finals] == [0, 1]
    assert heard.finals[0]["words"][-1]["end"] < heard.finals[1]["words"][0]["start"]


async def test_universal_partials_keep_the_message_rules(running_stack: PrivateStack) -> None:
    """Partials come before the final, their transcript is their final words, and no SpeechStarted is sent."""
    heard = await transcribe(running_stack.endpoint, sample_pcm(SAMPLE), ENGLISH, speed=2)
    partials = [turn for turn in heard.of_type("Turn") if not turn["end_of_turn"]]
    assert len(partials) >= 3
    assert partials[0]["transcript"] == ""
    for turn in partials:
        assert turn["words"]
        assert turn["transcript"] == " ".join(word["text"] for word in turn["words"] if word["word_is_final"])
    assert not heard.of_type("SpeechStarted")
    final = heard.finals[-1]
    assert all(word["word_is_final"] for word in final["words"])
    assert final["transcript"] == " ".join(word["text"] for word in final["words"])
    utterances = [turn["utterance"] for turn in heard.of_type("Turn") if turn["turn_order"] == final["turn_order"]]
    assert " ".join(filter(None, utterances)) == final["transcript"]
    for turn in heard.of_type("Turn"):
        for word in turn["words"]:
            assert type(word["start"]) is int
            assert type(word["end"]) is int
            assert 0 <= word["confidence"] <= 1


async def test_format_turns_yields_one_formatted_final(running_stack: PrivateStack) -> None:
    """A client that asks for formatting gets sentence case and a full stop, flagged as formatted."""
    heard = await transcribe(running_stack.endpoint, sample_pcm(SAMPLE), ENGLISH + "&format_turns=True", speed=4)
    assert all(turn["turn_is_formatted"] for turn in heard.finals)
    assert all(turn["transcript"][0].isupper() and turn["transcript"].endswith(".") for turn in heard.finals)


async def test_mulaw_at_8_khz_is_transcribed(running_stack: PrivateStack) -> None:
    """Telephone audio is decoded and resampled on the way."""
    pcm = np.frombuffer(sample_pcm(SAMPLE), dtype="<i2").astype(np.float64)
    narrow = ((pcm[0::2][: len(pcm) // 2] + pcm[1::2][: len(pcm) // 2]) / 2).astype(np.int16)
    heard = await transcribe(
        running_stack.endpoint,
        encode_mulaw(narrow),
        "sample_rate=8000&encoding=pcm_mulaw",
        frame_bytes=800,
        speed=4,
    )
    assert heard.close_code == 1000
    assert words_wrong(sample_text(SAMPLE), heard.text) <= 0.5


@pytest.mark.parametrize("encoding", ["opus", "ogg_opus", "aac"])
async def test_compressed_audio_is_transcribed(running_stack: PrivateStack, encoding: str) -> None:
    """Each compressed encoding brings the words of the recording."""
    whole_ms = len(sample_pcm(SAMPLE)) // 32
    frames = {
        "opus": lambda: list(opus_packets(length_ms=whole_ms)),
        "ogg_opus": lambda: in_pieces(muxed("ogg", rate_hz=48_000, length_ms=whole_ms)),
        "aac": lambda: in_pieces(b"".join(aac_frames(length_ms=whole_ms))),
    }[encoding]()
    async with session(running_stack.endpoint, f"encoding={encoding}") as socket:
        heard = Transcript()
        reading = asyncio.create_task(collect(socket, heard))
        for frame in frames:
            await socket.send(frame)
        await socket.send('{"type":"Terminate"}')
        await reading
    assert heard.close_code == 1000
    assert words_wrong(sample_text(SAMPLE), heard.text) <= 0.15
    assert heard.messages[-1]["audio_duration_seconds"] == round(whole_ms / 1000)


async def test_redaction_and_profanity_filter_are_echoed_and_suppress_partials(running_stack: PrivateStack) -> None:
    """With redaction no partial is sent unless asked for, and Begin says what is on."""
    query = ENGLISH + "&redact_pii=true&redact_pii_policies=date&filter_profanity=true&redact_pii_sub=entity_name"
    heard = await transcribe(running_stack.endpoint, sample_pcm("appointment.wav"), query, speed=4)
    configuration = heard.messages[0]["configuration"]
    assert configuration["redact_pii"]
    assert configuration["filter_profanity"]
    assert all(turn["end_of_turn"] for turn in heard.of_type("Turn"))
    assert "tuesday" in sample_text("appointment.wav").lower()


def in_pieces(stream: bytes, size: int = 700) -> list[bytes]:
    """Cut a byte stream anywhere."""
    return [stream[at : at + size] for at in range(0, len(stream), size)]


# The SDK's own use of its WebSocket library, not ours.
@pytest.mark.filterwarnings(r"ignore:connect\(\) must be used:DeprecationWarning")
async def test_sdk_with_a_pro_name_gets_speech_started_and_one_formatted_final(running_stack: PrivateStack) -> None:
    """The vendor's SDK, unmodified, with a Pro model on the universal stack."""
    seen: list[tuple[str, object]] = []

    def run() -> None:
        client = StreamingClient(StreamingClientOptions(api_key="self-hosted", api_host=running_stack.endpoint))
        for name in ("Begin", "SpeechStarted", "Turn", "Termination", "Error"):
            client.on(getattr(StreamingEvents, name), lambda _client, event, name=name: seen.append((name, event)))
        client.connect(StreamingParameters(sample_rate=16_000, speech_model="universal-3-5-pro"))
        pcm = sample_pcm(SAMPLE)
        client.stream(pcm[at : at + 3200] for at in range(0, len(pcm), 3200))
        client.disconnect(terminate=True)

    await asyncio.to_thread(run)
    kinds = [kind for kind, _ in seen]
    assert kinds[0] == "Begin"
    assert kinds[-1] == "Termination"
    assert "Error" not in kinds
    assert kinds.index("SpeechStarted") < kinds.index("Turn")
    finals = [event for kind, event in seen if kind == "Turn" and event.end_of_turn]
    assert all(turn.turn_is_formatted for turn in finals)
    assert words_wrong(sample_text(SAMPLE), " ".join(turn.transcript for turn in finals)) <= 0.1


@pytest.mark.parametrize(
    ("query", "headers", "code", "text"),
    [
        ("sample_rate=16000", {"X-Nothing": "x"}, 1008, "Unauthorized Connection: Missing Authorization header"),
        ("sample_rate=100", {}, 3006, "sample_rate must be at least 8,000 Hz"),
        ("encoding=mp3", {}, 3006, "'mp3' is not a valid Encoding"),
        ("speech_model=whisper-rt", {}, 3006, "Invalid 'speech_model'"),
        ("redact_pii=true", {}, 3006, "Invalid 'redact_pii_policies'"),
    ],
)
async def test_refused_connection_gets_an_error_frame_and_its_code(
    running_stack: PrivateStack, query: str, headers: dict[str, str], code: int, text: str
) -> None:
    """The upgrade succeeds, then one Error frame and a close with the same code."""
    async with session(running_stack.endpoint, query, **headers) as socket:
        heard = await collect(socket, Transcript())
    assert [message["type"] for message in heard.messages] == ["Error"]
    assert heard.messages[0]["error_code"] == heard.close_code == code
    assert text in heard.messages[0]["error"]


async def test_token_in_the_query_authorizes(running_stack: PrivateStack) -> None:
    """Clients that cannot set headers connect with a token."""
    async with session(running_stack.endpoint, "token=anything", **{"X-Nothing": "x"}) as socket:
        assert json.loads(await socket.recv())["type"] == "Begin"


async def test_force_endpoint_ends_the_open_turn(running_stack: PrivateStack) -> None:
    """A final Turn comes without any silence, and later speech belongs to the next turn."""
    pcm = sample_pcm(SAMPLE)
    half = len(pcm) // 2 // 3200 * 3200
    async with session(running_stack.endpoint) as socket:
        heard = Transcript()
        reading = asyncio.create_task(collect(socket, heard))
        for at in range(0, half, 3200):
            await socket.send(pcm[at : at + 3200])
        await socket.send('{"type":"ForceEndpoint"}')
        for at in range(half, len(pcm), 3200):
            await socket.send(pcm[at : at + 3200])
        await socket.send('{"type":"Terminate"}')
        await reading
    assert [turn["turn_order"] for turn in heard.finals] == [0, 1]
    assert heard.finals[0]["words"][-1]["end"] <= half // 32 + 100
    assert heard.finals[1]["words"][0]["start"] >= half // 32 - 400


async def test_messages_that_break_the_protocol_close_with_3006(running_stack: PrivateStack) -> None:
    """Bad JSON, an unknown type and a bad value each end their own session only."""
    for frame, text in (
        ("{", "Invalid JSON"),
        ("[]", "Invalid Message"),
        ('{"type":"Hello"}', "Invalid Message Type: Hello"),
        ('{"type":"UpdateConfiguration","min_turn_silence":"soon"}', "Invalid 'min_turn_silence'"),
    ):
        async with session(running_stack.endpoint) as socket:
            await socket.send(frame)
            heard = await collect(socket, Transcript())
        assert heard.close_code == 3006
        assert text in heard.messages[-1]["error"]


async def test_frame_longer_than_a_second_is_refused(running_stack: PrivateStack) -> None:
    """1001 ms close with 3007 and the documented text."""
    async with session(running_stack.endpoint) as socket:
        await socket.send(bytes(32 * 1001))
        heard = await collect(socket, Transcript())
    assert heard.close_code == 3007
    assert "1001.0 ms. Expected between 50 and 1000 ms" in heard.messages[-1]["error"]


async def test_sessions_at_once_hear_only_their_own_audio(running_stack: PrivateStack) -> None:
    """Three recordings in parallel give exactly what each gives alone."""
    names = ["weather.wav", "order.wav", "appointment.wav"]
    together = await asyncio.gather(*(transcribe(running_stack.endpoint, sample_pcm(name), speed=3) for name in names))
    alone = [await transcribe(running_stack.endpoint, sample_pcm(name), speed=3) for name in names]
    assert [one.finals for one in together] == [one.finals for one in alone]


async def test_silence_and_noise_say_nothing(running_stack: PrivateStack) -> None:
    """No word, no partial and no SpeechStarted, also for a Pro session."""
    random = np.random.default_rng(1)
    noise = (random.normal(0, 800, 16_000 * 4)).astype("<i2").tobytes()
    for audio in (bytes(16_000 * 2 * 3), noise):
        heard = await transcribe(running_stack.endpoint, audio, "speech_model=u3-rt-pro", speed=4)
        assert [message["type"] for message in heard.messages] == ["Begin", "Termination"]


async def test_killed_worker_is_replaced_without_a_changed_word(running_stack: PrivateStack) -> None:
    """The session of a dead recogniser process goes on, word for word as if nothing had happened."""
    before = worker_pids(running_stack, "streaming-asr-multilang")
    query = "speech_model=universal-streaming-multilingual"
    pcm = sample_pcm("appointment.wav")
    async with session(running_stack.endpoint, query) as socket:
        heard = Transcript()
        reading = asyncio.create_task(collect(socket, heard))
        for number, at in enumerate(range(0, len(pcm), 3200)):
            await socket.send(pcm[at : at + 3200])
            await asyncio.sleep(0.05)
            if number == len(pcm) // 6400:
                for pid in before:  # the session's own is among them
                    os.kill(pid, signal.SIGKILL)
        await socket.send('{"type":"Terminate"}')
        await asyncio.wait_for(reading, 20)
    undisturbed = await transcribe(running_stack.endpoint, pcm, query, speed=4)
    assert heard.close_code == undisturbed.close_code == 1000
    assert heard.finals == undisturbed.finals


def test_logs_hold_no_word_of_a_session(running_stack: PrivateStack) -> None:
    """Nothing that was said, and no audio, reaches a log at the default level."""
    asyncio.run(transcribe(running_stack.endpoint, sample_pcm(SAMPLE), speed=4))
    logs = "".join(path.read_text() for path in Path(running_stack.home, "logs").glob("*.log*")).lower()
    assert "session ended" in logs
    for phrase in (" ".join(sample_text(SAMPLE).lower().split()[at : at + 2]) for at in range(0, 8, 2)):
        assert phrase not in logs


def encode_mulaw(samples: np.ndarray) -> bytes:
    """Return G.711 mu-law of PCM16 (ITU-T G.711, bias 132, clip 32635)."""
    sign = np.where(samples < 0, 0x80, 0).astype(np.int32)
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), 32_635) + 132
    exponent = np.clip(np.floor(np.log2(magnitude)).astype(np.int32) - 7, 0, 7)
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()
