"""A scripted recogniser that keeps the audio it heard, for tests that count every byte."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import grpc

from protos import asr_v1_pb2 as asr
from tests.support.scripted_recognizer import WORDS_PER_TURN, ScriptedRecognizer


class RecordingRecognizer(ScriptedRecognizer):
    """Says what the scripted one says.

    Attributes:
        heard: 16 kHz PCM16 by session id; whoever looks takes it out.
    """

    def __init__(self, words_per_turn: int = WORDS_PER_TURN) -> None:
        super().__init__(words_per_turn)
        self.heard: defaultdict[str, bytearray] = defaultdict(bytearray)

    async def Recognize(  # noqa: N802 - named by the proto
        self, request_iterator: AsyncIterator[asr.RecognizeRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Serve one session and keep its audio."""
        await super().Recognize(self._recorded(request_iterator), context)

    async def _recorded(self, requests: AsyncIterator[asr.RecognizeRequest]) -> AsyncIterator[asr.RecognizeRequest]:
        session_id = ""
        async for request in requests:
            if request.HasField("config"):
                session_id = request.config.session_id
            else:
                self.heard[session_id] += request.audio
            yield request
