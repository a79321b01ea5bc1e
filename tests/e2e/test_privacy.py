"""What a client shows, says and sends stands in no file of the stack, whatever goes wrong meanwhile."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import re
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, urlencode

import aiohttp
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.private_stack import PrivateStack, private_stack
from tests.support.streaming import BYTES_PER_MS, SAMPLES, Transcript, collect, sample_pcm, sample_text
from tests.support.traces import byte_forms, bytes_found, forms, texts_found

PATIENCE_S = 60.0
FRAME_BYTES = 100 * BYTES_PER_MS
# Nobody listens there, so a delivery fails and is reported.
WEBHOOK_HOST = "127.0.0.1:9"
PRO_NAME = "u3-rt-pro"
USER_AGENT = "privacy-test/73 (zebra-umbrella)"
# Shorter words stand in logs for other reasons.
SHORTEST_WORD = 5
PIECE_BYTES = 48
TEXT_PARAMETERS = (
    "speech_model", "language", "sample_rate", "encoding", "mode", "domain", "format_turns", "vad_threshold", "prompt",
    "min_turn_silence", "redact_pii", "webhook_url", "language_codes", "keyterms_prompt",
)  # fmt: skip
WRITING_MODES = ("w", "a", "r+", "w+", "a+")


@dataclass(slots=True)
class Secrets:
    """Everything private that a stack was told.

    Attributes:
        texts: phrases by the place they were planted in.
        words: what its sessions recognised.
        audio: pieces of what was sent, by recording and position.
    """

    texts: dict[str, str] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)
    audio: dict[str, bytes] = field(default_factory=dict)

    def plant(self, place: str, *, plain: bool = False) -> str:
        """Return a phrase for a place that stands nowhere else; unless plain, escapes and encodings change it."""
        marker = f"marmalade{len(self.texts):02d}{place.replace(' ', '')}"
        self.texts[place] = marker if plain else f"{marker} Zürich/ö 7"
        return self.texts[place]

    def hear(self, transcript: Transcript) -> None:
        """Keep the words of a session."""
        words = {word["text"] for turn in transcript.of_type("Turn") for word in turn["words"]}
        self.words |= {word.strip(".,").lower() for word in words}

    def frames_of(self, recording: str) -> list[bytes]:
        """Return a recording in frames of 100 ms, and keep pieces of it that no file holds by chance."""
        pcm = sample_pcm(recording)
        frames = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
        pieces = {f"{recording} {number}": frame[:PIECE_BYTES] for number, frame in enumerate(frames)}
        self.audio |= {name: piece for name, piece in pieces.items() if len(set(piece)) > PIECE_BYTES // 2}
        return frames


@dataclass(frozen=True, slots=True)
class TalkedStack:
    """A stack that has been talked to, and what it must have forgotten."""

    stack: PrivateStack
    secrets: Secrets
    core_limits: frozenset[tuple[int, int]]
    written_elsewhere: frozenset[str]
    talked_to: frozenset[str]


@dataclass(frozen=True, slots=True)
class Client:
    """Opens sessions with the stack's own key."""

    stack: PrivateStack
    secrets: Secrets
    key: str

    async def converse(self, query: dict[str, str], *frames: str | bytes, path: str = "/v3/ws", **headers: str) -> None:
        """Send everything, terminate and read to the end; whether the session is refused does not matter."""
        with_key = {"Authorization": self.key, **headers}
        url = f"{self.stack.endpoint}{path}?{urlencode(query, quote_via=quote)}"
        opening = connect(
            url, additional_headers=with_key, user_agent_header=USER_AGENT, compression=None, max_size=None, proxy=None
        )
        try:
            async with asyncio.timeout(PATIENCE_S), opening as socket:
                await self.talk(socket, frames)
        except InvalidStatus:
            pass

    async def talk(
        self, socket: ClientConnection, frames: tuple[str | bytes, ...], mishap: Callable[[], None] | None = None
    ) -> None:
        """Send everything and read to the end, with something happening in the middle."""
        transcript = Transcript()
        reading = asyncio.create_task(collect(socket, transcript))
        try:
            for number, frame in enumerate(frames):
                await socket.send(frame)
                if mishap is not None:
                    await asyncio.sleep(FRAME_BYTES / BYTES_PER_MS / 1_000)  # real time, so that the turn is open
                    if number == len(frames) // 2:
                        mishap()
            await socket.send('{"type": "Terminate"}')
        except ConnectionClosed:
            pass  # refused
        self.secrets.hear(await reading)


def kill(stack: PrivateStack, name: str, number: signal.Signals) -> None:
    """Send a signal to every process of the stack with a name."""
    for process in stack_processes(stack):
        with suppress(psutil.NoSuchProcess):  # recognisers come and go
            if process.name() == name:
                process.send_signal(number)


def stack_processes(stack: PrivateStack) -> list[psutil.Process]:
    """Return supervisord and all that runs below it."""
    daemon = psutil.Process(int((stack.home / "run" / "supervisord.pid").read_text()))
    return [daemon, *daemon.children(recursive=True)]


async def show_credentials(client: Client) -> None:
    """Use good and bad keys and tokens in every place that takes them."""
    plant = client.secrets.plant
    await client.converse({}, Authorization=plant("authorization", plain=True))
    await client.converse({}, Authorization=f"Bearer {plant('bearer', plain=True)}")
    await client.converse({"token": plant("token")}, Authorization="")
    url = client.stack.endpoint.replace("ws:", "http:") + "/v3/token"
    async with aiohttp.ClientSession() as http:
        query = {"expires_in_seconds": "60", "x": plant("token query")}
        for key in (client.key, plant("token key", plain=True)):
            async with http.get(url, params=query, headers={"Authorization": key}) as answer:
                token = (await answer.json()).get("token")
            if token:
                client.secrets.texts["fetched token"] = token
                await client.converse({"token": token}, Authorization="")
        async with http.get(url, params={"expires_in_seconds": plant("token lifetime")}) as answer:
            await answer.read()


async def ask_for_much(client: Client) -> None:
    """Plant a phrase in every parameter, header and message that takes text, valid and invalid."""
    plant = client.secrets.plant
    speech = client.secrets.frames_of("order.wav")
    webhook_path, webhook_query = plant("webhook path", plain=True), plant("webhook query", plain=True)
    free_text = {
        "keyterms_prompt": json.dumps([plant("keyterms")]),
        "prompt": plant("prompt"),
        "agent_context": plant("agent context"),
        "nobody_knows_this": plant("unknown parameter"),
        "webhook_url": f"http://{WEBHOOK_HOST}/{webhook_path}?key={webhook_query}",
        "webhook_auth_header_name": "X-Secret",
        "webhook_auth_header_value": plant("webhook header", plain=True),
    }
    update = {
        "type": "UpdateConfiguration",
        "keyterms_prompt": [plant("updated keyterms")],
        "prompt": plant("updated prompt"),
        "agent_context": plant("updated context"),
        "nobody_knows_this": plant("updated unknown"),
    }
    await client.converse({"speech_model": PRO_NAME, **free_text}, *speech[:20], json.dumps(update), *speech[20:])
    await client.converse({"keyterms_prompt": repr([plant("python keyterms"), "\\d"])}, *speech[:5])
    await client.converse({}, path=f"/{quote(plant('path'))}")
    await client.converse({}, **{"X-Client-Note": plant("header", plain=True)})
    await client.converse({}, **{"AssemblyAI-Version": plant("version", plain=True)})
    for name in TEXT_PARAMETERS:
        value = plant(f"bad {name}") * (200 if name == "prompt" else 1)
        await client.converse({name: value})
        await client.converse({}, json.dumps({"type": "UpdateConfiguration", name: value}))
    await client.converse({}, plant("malformed") + '{"type": ')
    await client.converse({}, json.dumps({"type": plant("unknown type")}))
    await client.converse({}, json.dumps({"type": "KeepAlive", "note": plant("unknown member")}))
    await client.converse({}, json.dumps([plant("no object")]))
    await client.converse(
        {}, json.dumps({"audio_data": base64.b64encode(speech[10]).decode(), "x": plant("old audio")})
    )
    await client.converse({"encoding": "aac"}, plant("no aac").encode() * 20)
    await client.converse({"encoding": "ogg_opus"}, plant("no opus").encode() * 20)


async def speak_through_mishaps(client: Client) -> None:
    """Have programs die in every way in the middle of a turn."""
    stack, headers = client.stack, {"Authorization": client.key}
    mishaps: list[tuple[str, signal.Signals]] = [
        ("asr-worker", signal.SIGKILL),
        ("asr-worker", signal.SIGSEGV),
        ("streaming-asr-e", signal.SIGABRT),
        ("streaming-asr-l", signal.SIGKILL),
        ("streaming-api", signal.SIGKILL),
    ]
    speech = tuple(client.secrets.frames_of("appointment.wav")[:40])
    for mishap in mishaps:
        opening = connect(f"{stack.endpoint}/v3/ws", additional_headers=headers, proxy=None)
        async with asyncio.timeout(PATIENCE_S), opening as socket:
            await client.talk(socket, speech, functools.partial(kill, stack, *mishap))


@pytest.fixture(scope="module")
def talked() -> Iterator[TalkedStack]:
    """Give a stack, as talkative as it can be set, after all sorts of sessions and accidents."""
    variables = {
        "AAI_LOG_LEVEL": "DEBUG", "LOGGING_LEVEL": "DEBUG", "AAI_AUTH_MODE": "keys", "AAI_GATEWAY_WORKERS": "1",
        "AAI_WEBHOOK_ALLOWED_HOSTS": WEBHOOK_HOST,
    }  # fmt: skip
    with private_stack(**variables) as stack:
        secrets = Secrets()
        key = str(json.loads(stack.console("keys", "add", "tester", "--json").stdout)["data"]["key"])
        secrets.texts["valid key"] = key
        client = Client(stack, secrets, key)
        asyncio.run(show_credentials(client))
        asyncio.run(ask_for_much(client))
        processes = stack_processes(stack)
        core_limits = frozenset(process.rlimit(resource.RLIMIT_CORE) for process in processes)
        elsewhere = frozenset(
            file.path
            for process in processes
            for file in process.open_files()
            if file.mode in WRITING_MODES and not file.path.startswith((str(stack.home), "/dev/"))
        )
        peers = frozenset(
            peer.raddr.ip for process in processes for peer in process.net_connections("inet") if peer.raddr
        )
        secrets.frames_of("weather.wav")
        spoken = stack.console("transcribe", str(SAMPLES / "weather.wav"), "--speed", "4", "--json")
        assert spoken.returncode == 0, spoken.stderr
        secrets.words |= set(re.findall(r"[a-z]+", spoken.stdout.lower()))
        asyncio.run(speak_through_mishaps(client))
        yield TalkedStack(stack, secrets, core_limits, elsewhere, peers)


def test_search_finds_what_is_there(talked: TalkedStack) -> None:
    """The search is no empty promise: it finds the one thing that may be logged, and a control in every encoding."""
    home, control = talked.stack.home, "marmalade control Zürich/ö 7"
    found = texts_found(home, [USER_AGENT])
    assert any(name.startswith("logs/") for name in found[USER_AGENT])
    assert texts_found(home, [control]) == {}
    piece = next(iter(talked.secrets.audio.values()))
    planted = home / "logs" / "control.log"
    for form in forms(control):
        planted.write_bytes(b"x=" + form + b"\n")
        assert texts_found(home, [control]) == {control: {"logs/control.log"}}
    for form in byte_forms(piece):
        planted.write_bytes(b"\x00" + form + b"\x00")
        assert bytes_found(home, {"piece": piece}) == {"piece": {"logs/control.log"}}
    planted.unlink()


def test_no_file_holds_what_a_client_showed(talked: TalkedStack) -> None:
    """Keys, tokens, parameters, headers and messages, valid or not, are not written."""
    places = {phrase: place for place, phrase in talked.secrets.texts.items()}
    markers = {phrase.split()[0]: place for phrase, place in places.items()}
    found = texts_found(talked.stack.home, [*places, *markers])
    assert {(places | markers)[phrase]: files for phrase, files in found.items()} == {}


def test_no_file_holds_what_was_said(talked: TalkedStack) -> None:
    """Words that the sessions recognised stand nowhere."""
    texts = (sample_text(name) for name in ("order.wav", "weather.wav", "appointment.wav"))
    spoken = {word.strip(".,").lower() for text in texts for word in text.split()}
    recognised = sorted(word for word in talked.secrets.words & spoken if len(word) >= SHORTEST_WORD)
    assert len(recognised) >= SHORTEST_WORD, talked.secrets.words
    assert texts_found(talked.stack.home, recognised) == {}


def test_no_file_holds_audio(talked: TalkedStack) -> None:
    """No piece of what was sent lies anywhere, as bytes or encoded."""
    assert len(talked.secrets.audio) > 50
    assert bytes_found(talked.stack.home, talked.secrets.audio) == {}


def test_no_process_may_dump_core(talked: TalkedStack) -> None:
    """A core dump would hold audio and text."""
    assert talked.core_limits == {(0, 0)}


def test_programs_write_no_files_elsewhere(talked: TalkedStack) -> None:
    """AAI_HOME is all there is to search."""
    assert talked.written_elsewhere == set()


def test_programs_talk_to_nobody_else(talked: TalkedStack) -> None:
    """With a flat license there is no connection to any other machine."""
    assert talked.talked_to
    others = {peer for peer in talked.talked_to if not ip_address(peer.removeprefix("::ffff:")).is_loopback}
    assert others == set()
