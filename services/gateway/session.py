"""One v3 session without any I/O: frames, recogniser events and time in, frames and commands out.

::

    OPEN --Terminate | drain--> DRAINING --all said | limit--> CLOSED
      |                            |
      `--------- any error --------+--> FAILED

Whoever is admitted gets Begin at once; the recogniser's stream opens with the first audio. The shell calls
one ``receive_*`` (or ``tick``) at a time, then performs ``take_output()`` in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import msgspec

from protos import asr_v1_pb2 as asr
from protos.session_v3 import (
    Begin,
    ClientMessageType,
    CloseCode,
    Configuration,
    Encoding,
    Error,
    ServerMessage,
    Termination,
    Text,
    close_reason,
    decode_json,
)
from runtime.audio import PcmEncoding, duration_ms
from runtime.audio_codecs.decoders import make_decoder
from runtime.errors import (
    AppError,
    AudioViolation,
    CapacityError,
    ClientError,
    InvalidInput,
    SessionExpired,
    UpstreamError,
)
from services.gateway.latency import LatencyWatch, Measurement
from services.gateway.message_rate import MessageRate
from services.gateway.models import ChosenModel, TurnDefaults, TurnStyle, resolve_turns, turn_defaults
from services.gateway.notices import Notices
from services.gateway.parameters import PCM_ENCODINGS, SessionParameters, invalid, parse_configuration_change
from services.gateway.recognition import Command, Phase, Recognition
from services.gateway.turns import MessageRules, TurnAssembler
from services.gateway.webhooks import WebhookReport

# A hostile 256 KB message of these takes up to 0.6 s to decode; other sessions get their turn in between.
SLICED_ENCODINGS = frozenset({Encoding.OGG_OPUS, Encoding.AAC})
SLICE_BYTES = 4_096
MAX_FRAME_MS = 1_000
MIN_FRAME_MS = 50
# Isolated short frames are normal (flushes before Terminate); only a steady stream of them is refused.
MAX_CONSECUTIVE_SHORT_FRAMES = 40
MAX_WAITING_AUDIO_MS = 300_000
# Clients give up 5 s after Terminate, so a backend that makes no progress is not waited for longer. Progress is
# waited for only when audio came faster than real time: such a client knows that work is left.
DRAIN_STALL_LIMIT_MS = 3_500
REAL_TIME_BACKLOG_MS = 5_000
DEFAULT_MAX_SESSION_S = 10_800
# Text messages; clients send few.
TEXTS_PER_S = 20
TEXTS_BURST = 100
# How much of a refused message its error repeats.
ECHO_MAX_CHARACTERS = 200


class State(Enum):
    """Life of a session."""

    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"
    FAILED = "failed"


ALLOWED = {
    State.OPEN: {State.DRAINING, State.FAILED, State.CLOSED},
    State.DRAINING: {State.CLOSED, State.FAILED},
    State.CLOSED: set[State](),
    State.FAILED: set[State](),
}
ENDED = frozenset({State.CLOSED, State.FAILED})


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send one text frame to the client."""

    text: str


@dataclass(frozen=True, slots=True)
class CloseClient:
    """Close the WebSocket; nothing follows."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Something to count; it follows the message it is about."""

    measurement: Measurement


Output = SendFrame | CloseClient | Command | Measured


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """What a session is known by.

    Attributes:
        started_wall_s: Unix time of the upgrade, for ``Begin.expires_at``.
    """

    session_id: str
    started_wall_s: float
    api_version: str
    max_session_s: int = DEFAULT_MAX_SESSION_S


class Session:
    """The protocol of one connection after its upgrade was accepted."""

    def __init__(
        self, identity: SessionIdentity, parameters: SessionParameters, model: ChosenModel, now_ms: int
    ) -> None:
        """Check what only the model decides, and say Begin.

        Raises:
            InvalidInput: a parameter does not fit the model.
        """
        if model.turn_style is TurnStyle.UNIVERSAL:
            for name, value in (("mode", parameters.mode), ("prompt", parameters.prompt)):
                if value:
                    raise invalid(name, f"'{model.name}' does not accept this parameter")
        self.identity = identity
        self.parameters = parameters
        self.model = model
        self.webhook = WebhookReport(identity.session_id, parameters.webhook) if parameters.webhook else None
        self.state = State.OPEN
        self._asked = parameters.turns
        self._mode = parameters.mode
        self._assembler = TurnAssembler(
            MessageRules(
                turn_style=model.turn_style,
                format_turns=parameters.format_turns,
                include_partial_turns=parameters.include_partial_turns,
                language_detection=parameters.language_detection,
                filter_profanity=parameters.filter_profanity,
                redaction=parameters.redaction,
            )
        )
        self._notices = Notices(
            heartbeat=parameters.session_heartbeat,
            silence=parameters.acknowledge_silence and model.turn_style is TurnStyle.PRO,
        )
        # Compressed audio has no duration before it is decoded, so the frame rules are for PCM.
        self._pcm = PcmEncoding(parameters.encoding) if parameters.encoding in PCM_ENCODINGS else None
        self._decoder = make_decoder(parameters.encoding, parameters.sample_rate_hz)
        self._begun_ms = now_ms
        self._last_message_ms = now_ms
        self._received_ms = 0.0
        self._texts = MessageRate(TEXTS_PER_S, TEXTS_BURST)
        self.latencies = LatencyWatch()
        self._short_frames = 0
        self._drain_progress_ms: int | None = None
        self._drain_at_ms: int | None = None
        self._has_backlog = False
        self._output: list[Output] = []
        # For operators; errors of the client may quote what it sent, so they never stand here.
        self.failure_cause = ""
        self._recognition = Recognition(self._session_config)
        self._notices.begin(now_ms)
        self._send(self._begin())

    @property
    def received_audio_ms(self) -> int:
        """Audio received so far."""
        return round(self._received_ms)

    @property
    def lag_ms(self) -> int:
        """Audio received and not yet worked through by the recogniser."""
        return max(0, self.received_audio_ms - self._recognition.consumed_ms)

    @property
    def waiting_bytes(self) -> int:
        """Decoded audio the recogniser has not worked through; nothing waits once the session has ended."""
        return 0 if self.ended else self._recognition.waiting_bytes

    @property
    def recognizer_phase(self) -> str:
        """Where the recogniser's stream stands, in a word."""
        return self._recognition.phase.value

    @property
    def finished_turns(self) -> int:
        """Turns that ended so far."""
        return self._assembler.finished_turns

    @property
    def reconnects(self) -> int:
        """Recogniser streams that replaced a lost one."""
        return self._recognition.reconnects

    @property
    def ended(self) -> bool:
        """Nothing will be sent any more."""
        return self.state in ENDED

    def take_output(self) -> list[Output]:
        """Return what is to be done, once."""
        output, self._output = [*self._output, *self._recognition.take_commands()], []
        return output

    def next_deadline_ms(self) -> int | None:
        """Return when ``tick`` must be called at the latest; None when nothing is pending."""
        if self.ended:
            return None
        pending = [self._begun_ms + self.identity.max_session_s * 1_000]
        if self.state is State.OPEN and self.parameters.inactivity_timeout_s is not None:
            pending.append(self._last_message_ms + self.parameters.inactivity_timeout_s * 1_000)
        if self._drain_at_ms is not None and self.state is State.OPEN:
            pending.append(self._drain_at_ms)
        if self._drain_progress_ms is not None:
            pending.append(self._drain_progress_ms + DRAIN_STALL_LIMIT_MS)
        further = [self._recognition.next_deadline_ms()]
        if self.state is State.OPEN:
            further.append(self._notices.next_deadline_ms())
        return min([*pending, *(deadline_ms for deadline_ms in further if deadline_ms is not None)])

    def slices_of(self, data: bytes) -> Iterator[bytes]:
        """Cut a binary frame into pieces that each decode in little time; the result is the same.

        Raw Opus packets and PCM stay whole.
        """
        if self.parameters.encoding not in SLICED_ENCODINGS:
            yield data
            return
        for at in range(0, len(data), SLICE_BYTES):
            yield data[at : at + SLICE_BYTES]

    def receive_audio(self, data: bytes, now_ms: int) -> None:
        """Take one binary frame."""
        if self.state is not State.OPEN or not data:
            return
        self._last_message_ms = now_ms
        start_ms = self._received_ms
        try:
            if self._pcm is not None:
                self._check_frame(duration_ms(len(data), self._pcm, self.parameters.sample_rate_hz))
            pcm = self._decoder.decode(data)
            if self._pcm is None:
                self._received_ms = self._decoder.received_ms
            self._check_waiting()
        except ClientError as error:
            self.fail(error)
            return
        self.latencies.receive_audio(start_ms, self._received_ms, now_ms)
        if pcm:
            self._recognition.send_audio(pcm, now_ms)

    def receive_text(self, text: str, now_ms: int) -> None:
        """Take one text frame."""
        if self.state is not State.OPEN:
            return
        self._last_message_ms = now_ms
        try:
            if not self._texts.allows(now_ms):
                raise InvalidInput(f"User Input Validation Error: Too many messages: more than {TEXTS_PER_S} a second")
            self._obey(_decode_message(text), now_ms)
        except ClientError as error:
            self.fail(error)

    def receive_recognition(self, response: asr.RecognizeResponse, now_ms: int) -> None:
        """Take one event of the recogniser."""
        if self.ended:
            return
        if self.state is State.DRAINING and self._has_backlog:
            self._drain_progress_ms = now_ms
        kind = response.WhichOneof("response")
        try:
            if kind == "error":
                raise UpstreamError(response.error.code)
            if kind == "statistics" and self.state is not State.DRAINING:
                raise UpstreamError("the recogniser ended early")
            is_news = self._recognition.receive(response)
        except UpstreamError as error:
            self.receive_upstream_failure(error, now_ms)
            return
        if kind == "ready":
            self._assembler.rules = replace(self._assembler.rules, punctuates=response.ready.punctuates)
        elif kind == "statistics":
            self._terminate(now_ms)
        elif is_news:
            if kind == "speech_activity" and self.state is State.OPEN:
                for silence in self._notices.receive_activity(response.speech_activity):
                    self._send(silence)
            messages = self._assembler.receive(response)
            for message in messages:
                self._send(message)
            self._measure(response, now_ms, is_told=bool(messages))

    def _measure(self, response: asr.RecognizeResponse, now_ms: int, *, is_told: bool) -> None:
        kind = response.WhichOneof("response")
        if kind == "speech_started":
            self.latencies.receive_onset(response.speech_started.start_ms)
        elif kind == "hypothesis" and is_told and response.hypothesis.words:
            self._output.append(Measured(self.latencies.send_partial(response.hypothesis, now_ms)))
        elif kind == "turn_end" and is_told and response.turn_end.words:
            self._output.append(Measured(self.latencies.send_final(response.turn_end.words, now_ms)))

    def receive_upstream_failure(self, error: AppError, now_ms: int) -> None:
        """Take the loss of the recogniser's stream; the session waits for another one if that can help."""
        if self.ended:
            return
        try:
            self._recognition.receive_loss(error, now_ms)
        except AppError as final:
            self.fail(final)

    def receive_disconnect(self) -> None:
        """Take the loss of the client: free the recogniser."""
        if not self.ended:
            self._drop_upstream()
            self._move(State.CLOSED)

    def drain(self, limit_ms: int, now_ms: int) -> None:
        """Let the session run on for a while, then end it in order, as if the client had."""
        at_ms = now_ms + limit_ms
        self._drain_at_ms = at_ms if self._drain_at_ms is None else min(at_ms, self._drain_at_ms)
        self.tick(now_ms)

    def tick(self, now_ms: int) -> None:
        """Act on time that passed."""
        if self.ended:
            return
        self._tick_session(now_ms)
        if self.ended:
            return
        heartbeat = self._notices.tick(now_ms, self._received_ms) if self.state is State.OPEN else None
        if heartbeat is not None:
            self._send(heartbeat)
        try:
            self._recognition.tick(now_ms)
        except UpstreamError as error:
            self.fail(error)

    def _tick_session(self, now_ms: int) -> None:
        timeout_s = self.parameters.inactivity_timeout_s
        if now_ms >= self._begun_ms + self.identity.max_session_s * 1_000:
            self.fail(SessionExpired(Text.EXPIRED))
        elif self.state is State.DRAINING and self._drain_progress_ms is not None:
            if now_ms >= self._drain_progress_ms + DRAIN_STALL_LIMIT_MS:
                self._give_up_draining(now_ms)
        elif self.state is State.OPEN and self._drain_at_ms is not None and now_ms >= self._drain_at_ms:
            self._finish(now_ms)
        elif self.state is State.OPEN and timeout_s is not None and now_ms >= self._last_message_ms + timeout_s * 1_000:
            self.fail(
                InvalidInput(f"Session terminated due to inactivity: No messages received for {timeout_s} seconds")
            )

    def fail(self, error: AppError) -> None:
        """End with an Error frame; client errors say what was wrong, others stay vague to the peer."""
        if self.ended:
            return
        if isinstance(error, ClientError):
            close_code, text = int(error.close_code), str(error)
        elif isinstance(error, CapacityError):
            close_code, text = int(CloseCode.CAPACITY), str(Text.TOO_MANY_SESSIONS)
        else:
            close_code, text = int(CloseCode.SERVER_FAILURE), str(Text.SERVER_FAILURE)
        if not isinstance(error, ClientError):
            self.failure_cause = str(error)
        self._send(Error(error_code=close_code, error=text))
        self._drop_upstream()
        self._output.append(CloseClient(close_code, close_reason(text)))
        self._move(State.FAILED)

    def _begin(self) -> Begin:
        parameters = self.parameters
        pro = self.model.turn_style is TurnStyle.PRO
        return Begin(
            id=self.identity.session_id,
            expires_at=int(self.identity.started_wall_s) + self.identity.max_session_s,
            configuration=Configuration(
                model=self.model.name,
                mode=(self._mode or "balanced") if pro else None,
                api_version=self.identity.api_version,
                redact_pii=parameters.redaction is not None,
                filter_profanity=parameters.filter_profanity,
                domain=parameters.domain,
            ),
        )

    def _check_frame(self, frame_ms: float) -> None:
        is_short = frame_ms < MIN_FRAME_MS
        # A stray byte is kept for the next frame; only a whole sample more makes a frame too long.
        sample_ms = 1_000 / self.parameters.sample_rate_hz
        if frame_ms >= MAX_FRAME_MS + sample_ms or (is_short and self._short_frames >= MAX_CONSECUTIVE_SHORT_FRAMES):
            raise AudioViolation(
                f"Input Duration Error: Input Duration Violation: {frame_ms:.1f} ms. "
                f"Expected between {MIN_FRAME_MS} and {MAX_FRAME_MS} ms"
            )
        self._short_frames = self._short_frames + 1 if is_short else 0
        self._received_ms += frame_ms

    def _check_waiting(self) -> None:
        waiting_ms = self._received_ms - self._recognition.consumed_ms
        if waiting_ms > MAX_WAITING_AUDIO_MS:
            raise AudioViolation(
                f"Audio Transmission Rate Exceeded: {waiting_ms / 1000:.0f} sec. of audio are waiting, "
                f"at most {MAX_WAITING_AUDIO_MS // 1000} sec. are kept"
            )

    def _obey(self, message: dict[str, Any], now_ms: int) -> None:
        match message["type"]:
            case ClientMessageType.TERMINATE:
                self._finish(now_ms)
            case ClientMessageType.FORCE_ENDPOINT:
                self._recognition.send_control(asr.RecognizeRequest(force_endpoint=asr.ForceEndpoint()))
            case ClientMessageType.KEEP_ALIVE:
                pass
            case ClientMessageType.UPDATE_CONFIGURATION:
                self._update(message, now_ms)
            case unknown:
                raise InvalidInput(f"Invalid Message Type: {unknown[:ECHO_MAX_CHARACTERS]}")

    def _update(self, message: dict[str, Any], now_ms: int) -> None:
        change = parse_configuration_change(message)
        pro = self.model.turn_style is TurnStyle.PRO
        if pro and change.mode is not None:
            # A new preset replaces what earlier messages asked for.
            self._mode, self._asked = change.mode, change.turns
        else:
            self._asked = self._asked.merged(change.turns)
        if change.format_turns is not None:
            self._assembler.rules = replace(self._assembler.rules, format_turns=change.format_turns)
        if change.filter_profanity is not None:
            self._assembler.rules = replace(self._assembler.rules, filter_profanity=change.filter_profanity)
        if change.session_heartbeat is not None:
            self._notices.switch_heartbeat(on=change.session_heartbeat, now_ms=now_ms, received_ms=self._received_ms)
        if change.acknowledge_silence is not None and pro:
            self._notices.silence = change.acknowledge_silence
        update = asr.SessionUpdate(turn_detection=_turn_detection(self._turns()))
        if change.keyterms is not None:
            update.keyterms.keyterms.extend(change.keyterms)
            update.keyterms.SetInParent()
        if pro:
            if change.prompt is not None:
                update.prompt = change.prompt
            if change.agent_context is not None:
                update.agent_context = change.agent_context
            if change.language_codes is not None:
                update.language_codes.language_codes.extend(change.language_codes)
                update.language_codes.SetInParent()
            if change.mode is not None:
                update.mode = change.mode
        self._recognition.send_control(asr.RecognizeRequest(update=update))

    def _finish(self, now_ms: int) -> None:
        tail = self._decoder.flush()
        if tail:
            self._recognition.send_audio(tail, now_ms)
        if self._recognition.phase is Phase.IDLE:
            self._terminate(now_ms)
            return
        self._recognition.send_control(asr.RecognizeRequest(finish=asr.Finish()))
        self._drain_progress_ms = now_ms
        came_faster = self._received_ms > now_ms - self._begun_ms + MAX_FRAME_MS
        waiting_ms = self._received_ms - self._recognition.consumed_ms
        self._has_backlog = came_faster or waiting_ms > REAL_TIME_BACKLOG_MS
        self._move(State.DRAINING)

    def _terminate(self, now_ms: int) -> None:
        self._send(
            Termination(
                audio_duration_seconds=round(self._received_ms / 1000),
                session_duration_seconds=round((now_ms - self._begun_ms) / 1000),
            )
        )
        self._output.append(CloseClient(CloseCode.NORMAL, Text.SESSION_ENDED))
        self._move(State.CLOSED)

    def _give_up_draining(self, now_ms: int) -> None:
        """End for a client that will not wait longer, with the open turn as far as it was heard.

        A lost stream means lost words, and is no end in order.
        """
        if self._recognition.phase is Phase.LIVE:
            for message in self._assembler.end_open_turn():
                self._send(message)
            self._drop_upstream()
            self._terminate(now_ms)
        else:
            self.fail(UpstreamError("the recogniser was lost before the last turn ended"))

    def _turns(self) -> TurnDefaults:
        return resolve_turns(turn_defaults(self.model, self._mode), self._asked)

    def _session_config(self) -> asr.SessionConfig:
        parameters = self.parameters
        pro = self.model.turn_style is TurnStyle.PRO
        return asr.SessionConfig(
            session_id=self.identity.session_id,
            model=self.model.backend,
            turn_style=asr.TURN_STYLE_PRO if pro else asr.TURN_STYLE_UNIVERSAL,
            turn_detection=_turn_detection(self._turns()),
            biasing=asr.Biasing(
                keyterms=parameters.keyterms,
                prompt=parameters.prompt if pro else "",
                agent_context=parameters.agent_context if pro else "",
            ),
            language_codes=parameters.language_codes if pro else (),
            language_detection=parameters.language_detection,
            domain=parameters.domain or "",
            mode=self._mode or "",
            previous_context_turns=parameters.previous_context_turns if pro else 0,
        )

    def _send(self, message: ServerMessage) -> None:
        text = message.encode()
        if self.webhook is not None:
            self.webhook.receive(message, text)
        self._output.append(SendFrame(text))

    def _drop_upstream(self) -> None:
        """Free the recogniser before the close handshake, which a dead client may hold up."""
        self._recognition.drop()
        self._output += self._recognition.take_commands()

    def _move(self, new: State) -> None:
        assert new in ALLOWED[self.state], f"{self.state} -> {new}"
        self.state = new


def _decode_message(text: str) -> dict[str, Any]:
    try:
        message = decode_json(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidInput(f"User Input Validation Error: Invalid JSON: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise InvalidInput(f"Invalid Message: {text[:ECHO_MAX_CHARACTERS]}")
    return message


def _turn_detection(turns: TurnDefaults) -> asr.TurnDetection:
    return asr.TurnDetection(
        vad_threshold=turns.vad_threshold,
        end_of_turn_confidence_threshold=turns.end_of_turn_confidence_threshold,
        min_turn_silence_ms=turns.min_turn_silence_ms,
        max_turn_silence_ms=turns.max_turn_silence_ms,
        interruption_delay_ms=turns.interruption_delay_ms,
        continuous_partials=turns.continuous_partials,
    )
