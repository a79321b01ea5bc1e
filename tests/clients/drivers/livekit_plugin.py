"""Drive the LiveKit plugin: one stream, without a LiveKit server.

Options: ``plugin``, arguments of its constructor; ``audio``, ``frame_ms``, ``speed``; ``steps``, a list of
[name, value]: ``audio`` [from_ms, to_ms], ``update`` {options}, ``force_endpoint``, ``await_finals`` n,
``await_failure``. The input ends after the last step.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import aiohttp
from driving import options, report
from livekit import rtc
from livekit.agents import APIError, APIStatusError, stt
from livekit.plugins import assemblyai
from stepping import Counter, do_steps, paced

SAMPLE_RATE_HZ = 16_000
PLUGIN_LOG = "livekit.plugins.assemblyai"


class Reporting(logging.Handler):
    """Reports every record: only there the plugin says what it received and could not use."""

    def emit(self, record: logging.LogRecord) -> None:
        """Report one record."""
        report("log", level=record.levelname, text=record.getMessage())


class Driver:
    """One stream, from its first frame to its end."""

    def __init__(self, chosen: dict[str, Any], session: aiohttp.ClientSession) -> None:
        """Build the plugin as an application outside a job does."""
        self._chosen = chosen
        self._plugin = assemblyai.STT(
            api_key="self-hosted", base_url=chosen["url"], http_session=session, **chosen.get("plugin", {})
        )
        self._plugin.on("error", self._failed)
        self._finals = Counter()

    async def run(self) -> None:
        """Do the steps, read until the stream ends, and report how it did."""
        async with self._plugin.stream() as stream:
            sending = asyncio.create_task(self._send(stream))
            try:
                async for event in stream:
                    await self._heard(event)
                report("ended", after_s=round(time.monotonic() - await sending, 3))
            except APIError as error:
                report("raised", kind=type(error).__name__, text=str(error))
            finally:
                sending.cancel()

    async def _send(self, stream: stt.RecognizeStream) -> float:
        """Do the steps, end the input, and return when that was."""

        async def audio(span_ms: list[int | None]) -> None:
            async for frame in paced(self._chosen, span_ms):
                stream.push_frame(rtc.AudioFrame(frame, SAMPLE_RATE_HZ, 1, len(frame) // 2))

        async def update(changes: dict[str, Any]) -> None:
            self._plugin.update_options(**changes)

        async def force_endpoint(_: None) -> None:
            stream.force_endpoint()

        async def await_failure(_: None) -> None:
            await asyncio.Event().wait()  # until the stream raises, which cancels this

        known = {
            "audio": audio,
            "update": update,
            "force_endpoint": force_endpoint,
            "await_finals": self._finals.reaches,
            "await_failure": await_failure,
        }
        await do_steps(self._chosen["steps"], known)
        stream.end_input()
        return time.monotonic()

    async def _heard(self, event: stt.SpeechEvent) -> None:
        fields: dict[str, Any] = {}
        if event.alternatives:
            best = event.alternatives[0]
            fields = {"text": best.text, "start_s": best.start_time, "end_s": best.end_time, "words": len(best.words)}
        report(event.type.value, speech_start_time_s=event.speech_start_time, **fields)
        if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
            await self._finals.add()

    def _failed(self, failure: stt.STTError) -> None:
        error = failure.error
        code = error.status_code if isinstance(error, APIStatusError) else None
        report("error", kind=type(error).__name__, code=code, recoverable=failure.recoverable)


async def main() -> None:
    """Run one stream."""
    log = logging.getLogger(PLUGIN_LOG)
    log.setLevel(logging.DEBUG)
    log.addHandler(Reporting())
    async with aiohttp.ClientSession() as session:
        await Driver(options(), session).run()


asyncio.run(main())
