"""Drive the Pipecat service: one pipeline of a speech detector, the service, and watches at both ends.

Options: ``service``, arguments of its constructor; ``settings``; ``detector``, whether there is one; ``audio``,
``frame_ms``, ``speed``; ``steps``, a list of [name, value]: ``audio`` [from_ms, to_ms], ``update`` {settings},
``await_finals`` n, ``await_unusable``. The pipeline ends after the last step.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from driving import options, report
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.assemblyai.stt import AssemblyAISTTService
from pipecat.workers.runner import WorkerRunner
from stepping import Counter, do_steps, paced

SAMPLE_RATE_HZ = 16_000
NAMES = {
    VADUserStoppedSpeakingFrame: "detector_stopped",
    ProposedUserStartedSpeakingFrame: "turn_started",
    ProposedUserStoppedSpeakingFrame: "turn_stopped",
}


class ErrorWatch(FrameProcessor):
    """Stands before the service: errors travel upstream."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Report an error, and let every frame pass."""
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame):
            report("error_frame", text=frame.error)
        await self.push_frame(frame, direction)


class WordWatch(FrameProcessor):
    """Stands after the service: words and turns travel downstream."""

    def __init__(self) -> None:
        """Start with no final transcript."""
        super().__init__()
        self.finals = Counter()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Report what the service made of the audio, and let every frame pass."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            report("final", text=frame.text, language=str(frame.language), finalized=frame.finalized)
            await self.finals.add()
        elif isinstance(frame, InterimTranscriptionFrame):
            report("interim", text=frame.text)
        elif type(frame) in NAMES:
            report(NAMES[type(frame)])
        await self.push_frame(frame, direction)


class Driver:
    """One pipeline, from its start to its end."""

    def __init__(self, chosen: dict[str, Any]) -> None:
        """Build the pipeline."""
        self._chosen = chosen
        self._words = WordWatch()
        self._started = asyncio.Event()
        self._unusable = asyncio.Event()
        detector = [VADProcessor(vad_analyzer=SileroVADAnalyzer())] if chosen.get("detector") else []
        self._worker = PipelineWorker(
            Pipeline([ErrorWatch(), *detector, self._service(), self._words]),
            params=PipelineParams(audio_in_sample_rate=SAMPLE_RATE_HZ),
            cancel_on_idle_timeout=False,
        )

        @self._worker.event_handler("on_pipeline_started")
        async def started(*_: object) -> None:
            self._started.set()

    async def run(self) -> None:
        """Run the pipeline while the steps are done, and report how it ended."""
        runner = WorkerRunner()
        await runner.add_workers(self._worker)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(runner.run())
            sending = tasks.create_task(self._send())
        report("ended", after_s=round(time.monotonic() - sending.result(), 3))

    def _service(self) -> AssemblyAISTTService:
        chosen = self._chosen
        settings = {"settings": AssemblyAISTTService.Settings(**chosen["settings"])} if "settings" in chosen else {}
        service = AssemblyAISTTService(
            api_key="self-hosted",
            api_endpoint_base_url=chosen["url"] + chosen.get("path", "/v3/ws"),
            **settings,
            **chosen.get("service", {}),
        )

        @service.event_handler("on_connected")
        async def connected(*_: object) -> None:
            report("connected")

        @service.event_handler("on_disconnected")
        async def disconnected(*_: object) -> None:
            report("disconnected")

        @service.event_handler("on_usable_changed")
        async def changed(_: object, usable: bool) -> None:
            report("usable_changed", usable=usable)
            if not usable:
                self._unusable.set()

        return service

    async def _send(self) -> float:
        """Do the steps, end the pipeline, and return when that was asked for."""

        async def audio(span_ms: list[int | None]) -> None:
            async for frame in paced(self._chosen, span_ms):
                await self._worker.queue_frame(InputAudioRawFrame(frame, SAMPLE_RATE_HZ, 1))

        async def update(changes: dict[str, Any]) -> None:
            delta = AssemblyAISTTService.Settings(**changes)
            await self._worker.queue_frame(STTUpdateSettingsFrame(delta=delta))

        async def await_unusable(_: None) -> None:
            await self._unusable.wait()

        known = {
            "audio": audio,
            "update": update,
            "await_finals": self._words.finals.reaches,
            "await_unusable": await_unusable,
        }
        await self._started.wait()
        await do_steps(self._chosen["steps"], known)
        await self._worker.queue_frame(EndFrame())
        return time.monotonic()


def main() -> None:
    """Run one pipeline; what the service logs is reported as well."""
    logger.remove()
    logger.add(lambda line: report("log", level=line.record["level"].name, text=line.record["message"]), level="INFO")
    asyncio.run(Driver(options()).run())


main()
