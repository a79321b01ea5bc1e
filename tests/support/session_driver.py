"""A session core at work without I/O: a scripted recogniser behind it, a referee in front, a clock that is set."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from protos import asr_v1_pb2 as asr
from runtime.catalog import Model
from runtime.errors import AppError
from services.gateway.models import ChosenModel, TurnStyle
from services.gateway.parameters import parse_query
from services.gateway.recognition import DropUpstream, OpenUpstream, SendUpstream
from services.gateway.session import CloseClient, SendFrame, Session, SessionIdentity, State
from tests.support.protocol_referee import ProtocolReferee
from tests.support.scripted_recognizer import WORDS_PER_TURN, ScriptedSession

ENGLISH = ChosenModel("universal-streaming-english", Model.ENGLISH, TurnStyle.UNIVERSAL)
PRO = ChosenModel("universal-3-6-pro", Model.PRO, TurnStyle.PRO)
IDENTITY = SessionIdentity("5b0c6f5e-2f1e-4d6f-9a55-0c1f5f0d7a21", 1_795_290_000.75, "2025-05-12")
START_MS = 1_000_000


class SessionDriver:
    """Hands input to a session and performs what it wants, as the gateway's shell would.

    Attributes:
        is_streaming: a recogniser stream is open.
        answers: the scripted recogniser answers by itself; without it, only ``recognized`` speaks.
    """

    def __init__(self, query: str = "", model: ChosenModel = ENGLISH, *, answers: bool = True) -> None:
        """Open a session.

        Raises:
            ClientError: it is refused.
        """
        self.now_ms = START_MS
        self.answers = answers
        self.referee = ProtocolReferee()
        self.session = Session(IDENTITY, parse_query(query), model, self.now_ms)
        self._recognizer: ScriptedSession | None = None
        self.is_streaming = False
        self._replies: deque[asr.RecognizeResponse] = deque()
        self._perform()

    @property
    def is_open(self) -> bool:
        """Messages of the client are heard."""
        return self.session.state is State.OPEN

    @property
    def ended(self) -> bool:
        """The close frame is out."""
        return self.referee.close_code is not None

    def audio(self, data: bytes) -> None:
        """Send a binary message."""
        for piece in self.session.slices_of(data):
            self.session.receive_audio(piece, self.now_ms)
            self._perform()

    def text(self, text: str) -> None:
        """Send a text message."""
        self.session.receive_text(text, self.now_ms)
        self._perform()

    def recognized(self, response: asr.RecognizeResponse) -> None:
        """Let the recogniser say something; without a stream nobody could."""
        if self.is_streaming:
            self.session.receive_recognition(response, self.now_ms)
            self._perform()

    def lose_stream(self, error: AppError) -> None:
        """End the recogniser's stream."""
        if self.is_streaming:
            self.session.receive_upstream_failure(error, self.now_ms)
            self._perform()

    def pass_time(self, milliseconds: int) -> None:
        """Let time pass, with a wake-up at each deadline on the way.

        Raises:
            AssertionError: a deadline did not move, which would hold the event loop.
        """
        until_ms = self.now_ms + milliseconds
        while (deadline_ms := self.session.next_deadline_ms()) is not None and deadline_ms <= until_ms:
            self.now_ms = max(deadline_ms, self.now_ms)
            self.session.tick(self.now_ms)
            self._perform()
            next_ms = self.session.next_deadline_ms()
            assert next_ms is None or next_ms > self.now_ms
        self.now_ms = max(until_ms, self.now_ms)

    def finish(self) -> int:
        """End the session as a client does and return its close code."""
        if self.is_open:
            self.text('{"type": "Terminate"}')
        # However silent the recogniser: a session that was told to end does.
        self.pass_time(40_000)
        assert self.referee.close_code is not None, f"still {self.session.state}"
        return self.referee.close_code

    def _perform(self) -> None:
        assert self.session.waiting_bytes >= 0
        assert self.session.lag_ms >= 0
        self._perform_now()
        while self._replies:
            self.session.receive_recognition(self._replies.popleft(), self.now_ms)
            self._perform_now()

    def _perform_now(self) -> None:
        for output in self.session.take_output():
            match output:
                case SendFrame(text):
                    self.referee.see_text(text)
                case CloseClient(code, reason):
                    self.referee.see_close(code, reason)
                case OpenUpstream(first):
                    self._open(first)
                case SendUpstream(request):
                    assert self.is_streaming, "a request without a stream"
                    self._replies.extend(self._replies_to(request))
                case DropUpstream():
                    self.is_streaming = False
                    self._recognizer = None
                    self._replies.clear()

    def _open(self, first: asr.RecognizeRequest) -> None:
        self.is_streaming = True
        # What the wire does to it.
        config = asr.RecognizeRequest.FromString(first.SerializeToString()).config
        if self.answers:
            self._recognizer = ScriptedSession(config, WORDS_PER_TURN)
            self._replies.append(asr.RecognizeResponse(ready=asr.Ready(engine="scripted")))

    def _replies_to(self, request: asr.RecognizeRequest) -> Iterable[asr.RecognizeResponse]:
        received = asr.RecognizeRequest.FromString(request.SerializeToString())
        if self._recognizer is None:
            return []
        kind = received.WhichOneof("request")
        if kind == "audio":
            return list(self._recognizer.hear(received.audio))
        if kind == "force_endpoint":
            return list(self._recognizer.end_turn(asr.TURN_END_REASON_FORCED))
        if kind == "finish":
            return [*self._recognizer.end_turn(asr.TURN_END_REASON_FINISH), self._recognizer.statistics()]
        return []
