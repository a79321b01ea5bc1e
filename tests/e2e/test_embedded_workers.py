"""The embedded recogniser's real processes: isolation, deaths, recovery, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import psutil
import pytest
from structlog.testing import capture_logs

from runtime.errors import EngineError
from runtime.logs import get_logger
from services.asr.engines.base import Closed, Event, Failed, Hypothesis, SessionChange, SessionSpec, TurnEnd
from services.asr.engines.embedded.recognizer import EmbeddedHandle, EmbeddedRecognizer
from tests.support.embedded_engine import universal_spec
from tests.support.speech_clips import KEYTERM_CLIP

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLES = CHECKOUT / "samples"
PATIENCE_S = 60.0
CHECK_INTERVAL_S = 0.02
SPEC = universal_spec()


def sample(name: str) -> bytes:
    """Return the audio of one of the repository's samples."""
    return read_pcm16(SAMPLES / name)


def read_pcm16(path: Path) -> bytes:
    """Return the samples of a WAV file."""
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes())


def is_alive(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that no event announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nothing announces the end of a foreign process
            await asyncio.sleep(CHECK_INTERVAL_S)


class Listener:
    """Collects the events of one session."""

    def __init__(self) -> None:
        """Start with none."""
        self.events: list[Event] = []
        self._over = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        assert not self._over.is_set(), f"{event} after the last event"
        self.events.append(event)
        if isinstance(event, Closed | Failed):
            self._over.set()

    async def last(self) -> Event:
        """Wait for the end of the session."""
        async with asyncio.timeout(PATIENCE_S):
            await self._over.wait()
        return self.events[-1]

    @property
    def text(self) -> str:
        """What was said in the turns that ended."""
        ends = (event for event in self.events if isinstance(event, TurnEnd))
        return " ".join(word.text for end in ends for word in end.words)


@pytest.fixture
async def recognizer() -> AsyncIterator[EmbeddedRecognizer]:
    """Yield a started recogniser with two spares."""
    engine = EmbeddedRecognizer(2, get_logger("test"))
    await engine.start()
    yield engine
    await engine.stop()


async def transcribe(recognizer: EmbeddedRecognizer, audio: bytes, spec: SessionSpec = SPEC) -> str:
    """Run one session to its end and return its text."""
    listener = Listener()
    handle = await recognizer.open(spec, listener)
    await feed(handle, audio)
    handle.finish()
    assert isinstance(await listener.last(), Closed)
    return listener.text


async def feed(handle: EmbeddedHandle, audio: bytes) -> None:
    """Feed as fast as the session takes it."""
    for offset in range(0, len(audio), 3200):
        handle.feed(audio[offset : offset + 3200])
        await handle.drained()


async def test_start_forks_spares_and_says_what_it_is(recognizer):
    """Spares are ready, and the engine admits to be a fall-back for English."""
    assert recognizer.spare_count == 2
    assert recognizer.capabilities.degraded
    assert recognizer.capabilities.languages == ("en",)


async def test_sessions_in_parallel_hear_their_own_audio(recognizer):
    """Each session's text is the text it has alone."""
    audio = [sample("order.wav"), sample("weather.wav"), bytes(64_000)]
    alone = [await transcribe(recognizer, one) for one in audio]
    together = await asyncio.gather(*(transcribe(recognizer, one) for one in audio))
    assert together == alone
    assert alone[0]
    assert alone[1]
    assert alone[2] == ""


async def test_keyterms_reach_their_session_only(recognizer):
    """With terms between two sessions without, and beside one: the others hear what they hear alone."""
    audio = read_pcm16(KEYTERM_CLIP)
    terms = msgspec.structs.replace(SPEC, keyterms=("Kubernetes", "Zephyr QX-9"))
    alone = await transcribe(recognizer, audio)
    with_terms, beside = await asyncio.gather(transcribe(recognizer, audio, terms), transcribe(recognizer, audio))
    assert with_terms == "the Zephyr QX-9 runs Kubernetes"
    assert "Zephyr" not in alone
    assert [beside, await transcribe(recognizer, audio)] == [alone] * 2


async def test_keyterms_nobody_can_say_are_counted_in_the_log(recognizer):
    """At the start and on a change: how many, never which."""
    spec = msgspec.structs.replace(SPEC, keyterms=("東京", "Kubernetes", "747"))
    with capture_logs() as lines:
        handle = await recognizer.open(spec, Listener())
        handle.update(SessionChange(keyterms=("Москва",)))
        handle.update(SessionChange(keyterms=("Kubernetes",)))
        handle.update(SessionChange())
        handle.abort()
    assert [(line["left_out"], line["given"]) for line in lines] == [(2, 3), (1, 1)]
    assert not any(term in str(lines) for term in ("東京", "747", "Москва", "Kubernetes"))


async def test_closed_counts_audio_turns_and_cpu(recognizer):
    """Statistics come with the last event."""
    listener = Listener()
    handle = await recognizer.open(SPEC, listener)
    audio = sample("order.wav")
    await feed(handle, audio)
    handle.finish()
    closed = await listener.last()
    assert isinstance(closed, Closed)
    assert closed.audio_ms == len(audio) // 32
    assert closed.turns == sum(isinstance(event, TurnEnd) for event in listener.events)
    assert closed.engine_cpu_ms > 0


async def test_force_endpoint_and_update_reach_the_worker(recognizer):
    """Controls take their place between the audio before and after them."""
    listener = Listener()
    handle = await recognizer.open(SPEC, listener)
    handle.update(SessionChange(turn_detection=SPEC.turn_detection))
    audio = sample("order.wav")
    await feed(handle, audio[:64_000])
    handle.force_endpoint()
    await feed(handle, audio[64_000:])
    handle.finish()
    await listener.last()
    reasons = [event.reason.value for event in listener.events if isinstance(event, TurnEnd)]
    assert reasons[0] == "forced"


async def test_worker_killed_fails_its_session_only(recognizer):
    """The other session goes on, and the pool is full again."""
    victim, other = Listener(), Listener()
    doomed = await recognizer.open(SPEC, victim)
    spared = await recognizer.open(SPEC, other)
    audio = sample("order.wav")
    await feed(doomed, audio[:64_000])
    await feed(spared, audio[:64_000])
    os.kill(doomed.worker_pid, signal.SIGKILL)
    failed = await victim.last()
    assert isinstance(failed, Failed)
    assert failed.code == "worker_died"
    doomed.feed(audio[64_000:])
    await doomed.drained()
    doomed.finish()
    await feed(spared, audio[64_000:])
    spared.finish()
    assert isinstance(await other.last(), Closed)
    assert other.text == await transcribe(recognizer, audio)
    await until(lambda: recognizer.spare_count == 2)


async def test_spare_killed_is_replaced(recognizer):
    """A spare that dies while it waits is never given to a session."""
    listener = Listener()
    handle = await recognizer.open(SPEC, listener)
    await until(lambda: recognizer.spare_count == 2)
    children = psutil.Process(recognizer.zygote_pid).children()
    spares = [child.pid for child in children if child.pid != handle.worker_pid]
    for pid in spares:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: not any(map(is_alive, spares)))
    await until(lambda: recognizer.spare_count == 2)
    assert await transcribe(recognizer, sample("order.wav"))
    handle.abort()


async def test_zygote_killed_is_replaced(recognizer):
    """Open sessions survive it, new ones are served by the next."""
    listener = Listener()
    handle = await recognizer.open(SPEC, listener)
    audio = sample("order.wav")
    await feed(handle, audio[:64_000])
    former = recognizer.zygote_pid
    os.kill(former, signal.SIGKILL)
    await feed(handle, audio[64_000:])
    handle.finish()
    assert isinstance(await listener.last(), Closed)
    texts = await asyncio.gather(*(transcribe(recognizer, audio) for _ in range(3)))
    assert texts == [listener.text] * 3
    assert recognizer.zygote_pid != former
    await until(lambda: recognizer.spare_count == 2)


async def test_abort_frees_the_worker_at_once(recognizer):
    """However much audio waits, and without another event."""
    listener = Listener()
    handle = await recognizer.open(SPEC, listener)
    handle.feed(sample("order.wav") * 10)
    pid = handle.worker_pid
    handle.abort()
    await until(lambda: not is_alive(pid))
    assert not any(isinstance(event, Hypothesis | TurnEnd | Closed | Failed) for event in listener.events)


async def test_drained_waits_while_much_is_unsent(recognizer):
    """Feeding faster than the worker listens is held back, and nothing is lost."""
    listener = Listener()
    handle = await recognizer.open(SPEC, listener)
    audio = sample("order.wav") * 4
    handle.feed(audio)
    waiting = asyncio.create_task(handle.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    async with asyncio.timeout(PATIENCE_S):
        await waiting
    handle.finish()
    closed = await listener.last()
    assert isinstance(closed, Closed)
    assert closed.audio_ms == len(audio) // 32


async def test_stop_leaves_no_process(recognizer):
    """Neither zygote nor workers, busy or spare."""
    await recognizer.open(SPEC, Listener())
    zygote = psutil.Process(recognizer.zygote_pid)
    pids = [zygote.pid, *(child.pid for child in zygote.children())]
    await recognizer.stop()
    await until(lambda: not any(map(is_alive, pids)))


async def test_start_without_model_raises(monkeypatch):
    """A recogniser that cannot load says so, and leaves nothing behind."""
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    engine = EmbeddedRecognizer(1, get_logger("test"))
    with pytest.raises(EngineError, match="while it loaded"):
        await engine.start()
    assert engine.zygote_pid is None


SERVER = """
import asyncio, json, sys
import psutil
from runtime.logs import get_logger
from services.asr.engines.embedded.recognizer import EmbeddedRecognizer
from tests.support.embedded_engine import universal_spec

async def main():
    engine = EmbeddedRecognizer(2, get_logger("test"))
    await engine.start()
    handle = await engine.open(universal_spec(), lambda event: None)
    handle.feed(bytes(320_000))
    zygote = psutil.Process(engine.zygote_pid)
    print(json.dumps([zygote.pid, handle.worker_pid, *(child.pid for child in zygote.children())]), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_server_killed_leaves_no_process():
    """Killing the server ends zygote, spares and the worker of an open session."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        pids = json.loads(await server.stdout.readline())
        assert all(map(is_alive, pids))
    finally:
        server.kill()
        await server.wait()
    await until(lambda: not any(map(is_alive, pids)))


def process_names(engine: EmbeddedRecognizer) -> list[str]:
    """Return the names of zygote and spares as process lists show them."""
    zygote = psutil.Process(engine.zygote_pid)
    return [zygote.name(), *(child.name() for child in zygote.children())]


async def test_processes_are_named(recognizer):
    """An operator sees what they are."""
    assert process_names(recognizer) == ["asr-zygote", "asr-worker", "asr-worker"]
