"""A gRPC recogniser that listens to nobody: its words follow from the number of samples alone.

One word is said per ``WORD_MS`` of audio and a turn ends after every ``words_per_turn`` words, so a test knows
what any amount of audio must become, and a bench measures everything but recognition.
Run as ``python -m tests.support.scripted_recognizer PORT`` for a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc

from protos import asr_v1_pb2 as asr
from protos import asr_v1_pb2_grpc

WORD_MS = 200
WORDS_PER_TURN = 20
REPORT_MS = 1_000
BYTES_PER_MS = 32
VOCABULARY = ("we", "would", "like", "a", "table", "near", "the", "window", "tomorrow", "evening")
REFUSAL = "all streams of this server are in use"


def scripted_word(number: int, *, is_final: bool) -> asr.Word:
    """Return the word a session says as its ``number``-th, counted from 0."""
    return asr.Word(
        text=VOCABULARY[number % len(VOCABULARY)],
        start_ms=number * WORD_MS,
        end_ms=(number + 1) * WORD_MS,
        confidence=0.9,
        is_final=is_final,
    )


class ScriptedSession:
    """What one session says; without I/O."""

    def __init__(self, config: asr.SessionConfig, words_per_turn: int) -> None:
        """Start at the resume point, if there is one."""
        resume = config.resume
        self._bytes = resume.audio_start_ms * BYTES_PER_MS
        self._turn_order = resume.turn_order
        self._words = resume.suppress_before_ms // WORD_MS
        self._turn_start = self._words
        self._words_per_turn = words_per_turn

    @property
    def audio_ms(self) -> int:
        """Audio heard, counted from the beginning of the session."""
        return self._bytes // BYTES_PER_MS

    def hear(self, audio: bytes) -> Iterator[asr.RecognizeResponse]:
        """Yield what this audio leads to."""
        before_ms = self.audio_ms
        self._bytes += len(audio)
        while (self._words + 1) * WORD_MS <= self.audio_ms:
            self._words += 1
            if self._words - self._turn_start >= self._words_per_turn:
                yield self._turn_end(asr.TURN_END_REASON_SILENCE)
            else:
                yield asr.RecognizeResponse(
                    hypothesis=asr.Hypothesis(
                        turn_order=self._turn_order,
                        words=[scripted_word(n, is_final=n < self._words - 1) for n in self._open_words()],
                        audio_ms=self._words * WORD_MS,
                        end_of_turn_confidence=0.1,
                    )
                )
        if self.audio_ms // REPORT_MS > before_ms // REPORT_MS:
            yield asr.RecognizeResponse(
                speech_activity=asr.SpeechActivity(
                    audio_ms=self.audio_ms, max_speech_probability=0.9, replay_from_ms=self._turn_start * WORD_MS
                )
            )

    def end_turn(self, reason: asr.TurnEndReason) -> Iterator[asr.RecognizeResponse]:
        """Yield the end of the open turn, if there is one."""
        if self._words > self._turn_start:
            yield self._turn_end(reason)

    def statistics(self) -> asr.RecognizeResponse:
        """Return the last response."""
        return asr.RecognizeResponse(statistics=asr.Statistics(audio_ms=self.audio_ms, turns=self._turn_order))

    def _open_words(self) -> range:
        return range(self._turn_start, self._words)

    def _turn_end(self, reason: asr.TurnEndReason) -> asr.RecognizeResponse:
        response = asr.RecognizeResponse(
            turn_end=asr.TurnEnd(
                turn_order=self._turn_order,
                words=[scripted_word(n, is_final=True) for n in self._open_words()],
                reason=reason,
                end_of_turn_confidence=0.8,
                audio_ms=self._words * WORD_MS,
            )
        )
        self._turn_order += 1
        self._turn_start = self._words
        return response


class ScriptedRecognizer(asr_v1_pb2_grpc.SpeechRecognitionServicer):
    """Serves scripted sessions.

    Attributes:
        open_streams: sessions that run now.
        opened_streams: sessions so far.
        configs: their first requests.
        refuse: end every new stream with RESOURCE_EXHAUSTED.
        held_models: their sessions read no audio until ``release`` is set.
    """

    def __init__(self, words_per_turn: int = WORDS_PER_TURN) -> None:
        self._words_per_turn = words_per_turn
        self.open_streams = 0
        self.opened_streams = 0
        self.configs: list[asr.SessionConfig] = []
        self.refuse = False
        self.held_models: set[str] = set()
        self.release = asyncio.Event()

    async def Recognize(  # noqa: N802 - named by the proto
        self, request_iterator: AsyncIterator[asr.RecognizeRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Serve one session."""
        first = await anext(request_iterator, None)
        if first is None:
            return  # the client has changed its mind
        if self.refuse:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, REFUSAL)
        self.configs.append(first.config)
        session = ScriptedSession(first.config, self._words_per_turn)
        self.open_streams += 1
        self.opened_streams += 1
        try:
            await context.write(asr.RecognizeResponse(ready=asr.Ready(engine="scripted", languages=["en"])))
            async for request in request_iterator:
                kind = request.WhichOneof("request")
                if kind == "audio":
                    if first.config.model in self.held_models:
                        await self.release.wait()
                    for response in session.hear(request.audio):
                        await context.write(response)
                elif kind in ("force_endpoint", "finish"):
                    forced = kind == "force_endpoint"
                    reason = asr.TURN_END_REASON_FORCED if forced else asr.TURN_END_REASON_FINISH
                    for response in session.end_turn(reason):
                        await context.write(response)
                    if not forced:
                        await context.write(session.statistics())
                        return
        finally:
            self.open_streams -= 1


async def start_recognizer(servicer: ScriptedRecognizer, port: int) -> grpc.aio.Server:
    """Serve a recogniser on a port of this machine."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    asr_v1_pb2_grpc.add_SpeechRecognitionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    await server.start()
    return server


async def _serve(port: int) -> None:
    server = await start_recognizer(ScriptedRecognizer(), port)
    print("ready", flush=True)
    await server.wait_for_termination()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    asyncio.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
