"""A session's recogniser stream, without I/O, that outlives any single gRPC stream.

::

    IDLE --first audio--> OPENING --ready--> LIVE --stream lost--> WAITING --retry time--> OPENING ...
                             `------------------ stream lost ---------^

A client that is silent yet costs no recogniser. What the recogniser may need again is kept: audio and
control requests from ``replay_from_ms`` on, the position the recogniser itself names. A new stream gets
the settings that were in force there, a resume point, and then everything kept, in order; so it ends the
open turn as the lost one would have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from protos import asr_v1_pb2 as asr
from runtime.errors import AppError, CapacityError, UpstreamError

SAMPLES_PER_MS = 16
BYTES_PER_SAMPLE = 2
# Streams that are lost one after the other without any progress: the audio itself may be the cause.
MAX_FRUITLESS_STREAMS = 5
# What both the recogniser's protocol and every client's integers can carry, with room for one more.
MAX_TURN_ORDER = 2**31 - 2
# A backend that stays away for this long ends the session.
AWAY_LIMIT_MS = 30_000
FIRST_RETRY_MS = 100
LONGEST_RETRY_MS = 1_000


class Phase(Enum):
    """Where the stream stands."""

    IDLE = "idle"
    OPENING = "opening"
    LIVE = "live"
    WAITING = "waiting"


ALLOWED = {
    Phase.IDLE: {Phase.OPENING},
    Phase.OPENING: {Phase.LIVE, Phase.WAITING},
    Phase.LIVE: {Phase.WAITING},
    Phase.WAITING: {Phase.OPENING},
}


@dataclass(frozen=True, slots=True)
class OpenUpstream:
    """Open a stream, in place of any former one, and send this request first."""

    config: asr.RecognizeRequest


@dataclass(frozen=True, slots=True)
class SendUpstream:
    """Send one request on the open stream."""

    request: asr.RecognizeRequest


@dataclass(frozen=True, slots=True)
class DropUpstream:
    """Cancel the open stream, if any."""


Command = OpenUpstream | SendUpstream | DropUpstream


@dataclass(slots=True)
class _Kept:
    """A request and the stream position it stood at."""

    at_samples: int
    request: asr.RecognizeRequest

    @property
    def end_samples(self) -> int:
        return self.at_samples + len(self.request.audio) // BYTES_PER_SAMPLE


class Recognition:
    """Sends requests, keeps what may be needed again, and reopens lost streams."""

    def __init__(self, make_config: Callable[[], asr.SessionConfig]) -> None:
        """Wait for the first audio.

        Args:
            make_config: makes the settings of the first stream once they are needed; silent sessions stay small.
        """
        self._make_config = make_config
        self._own_config: asr.SessionConfig | None = None
        self._phase = Phase.IDLE
        self._kept: list[_Kept] = []
        self._position_samples = 0
        self._kept_from_ms = 0
        self._turns_ended_ms = 0
        self._next_turn_order = 0
        self._heard_ms = 0  # audio the latest hypothesis accounts for
        self._repeated_until_ms = -1  # a new stream tells what came before this a second time
        self._uttered_ms = -1  # end of the latest utterance
        self._utterances_repeated_until_ms = -1
        self._consumed_ms = 0
        self._lost_at_ms: int | None = None  # since when there is no live stream
        self._fruitless_streams = 0
        self._retry_at_ms: int | None = None
        self._retry_pause_ms = FIRST_RETRY_MS
        self._commands: list[Command] = []
        self._streams = 0
        self._has_been_live = False

    @property
    def phase(self) -> Phase:
        """Where the stream stands."""
        return self._phase

    @property
    def consumed_ms(self) -> int:
        """Audio the recogniser has worked through."""
        return self._consumed_ms

    @property
    def waiting_bytes(self) -> int:
        """Audio the recogniser has not worked through yet."""
        return (self._position_samples - self._consumed_ms * SAMPLES_PER_MS) * BYTES_PER_SAMPLE

    @property
    def reconnects(self) -> int:
        """Streams that were opened in place of a lost one."""
        return max(0, self._streams - 1)

    @property
    def _config(self) -> asr.SessionConfig:
        """Settings of the next stream."""
        if self._own_config is None:
            self._own_config = self._make_config()
        return self._own_config

    def take_commands(self) -> list[Command]:
        """Return what is to be done, once."""
        commands, self._commands = self._commands, []
        return commands

    def next_deadline_ms(self) -> int | None:
        """Return when ``tick`` must be called at the latest."""
        if self._lost_at_ms is None:
            return None
        away_until_ms = self._lost_at_ms + AWAY_LIMIT_MS
        return away_until_ms if self._retry_at_ms is None else min(self._retry_at_ms, away_until_ms)

    def send_audio(self, pcm16: bytes, now_ms: int) -> None:
        """Send audio, now or when a stream is there; the first audio opens it."""
        if self._phase is Phase.IDLE:
            self._lost_at_ms = now_ms
            self._open(asr.RecognizeRequest(config=self._config))
        self._send(asr.RecognizeRequest(audio=pcm16))
        self._position_samples += len(pcm16) // BYTES_PER_SAMPLE

    def send_control(self, request: asr.RecognizeRequest) -> None:
        """Send an update, a forced endpoint or the end, at its place in the audio.

        Before any audio an update changes the settings of the first stream, and there is nothing to end.
        """
        if self._phase is not Phase.IDLE:
            self._send(request)
        elif request.HasField("update"):
            apply_update(self._config, request.update)

    def receive(self, response: asr.RecognizeResponse) -> bool:
        """Take one response; return False when it repeats what was told before a resume.

        Raises:
            UpstreamError: the stream was not ready yet, or what it says cannot be.
        """
        kind = response.WhichOneof("response")
        if kind == "ready":
            if self._phase is Phase.OPENING:
                self._go_live()
        elif self._phase is not Phase.LIVE:
            raise UpstreamError("the recogniser spoke before it was ready")
        elif kind == "speech_activity":
            activity = response.speech_activity
            # Nobody can have heard what was not sent yet.
            sent_ms = self._position_samples // SAMPLES_PER_MS
            self._consumed_ms = max(self._consumed_ms, min(activity.audio_ms, sent_ms))
            self._forget_before(min(activity.replay_from_ms, sent_ms))
            self._fruitless_streams = 0
            self._retry_pause_ms = FIRST_RETRY_MS
        elif kind == "hypothesis":
            if response.hypothesis.audio_ms <= self._repeated_until_ms:
                return False
            self._heard_ms = max(self._heard_ms, response.hypothesis.audio_ms)
        elif kind == "utterance_end":
            # Not judged by the hypothesis of the same position: a stream may be lost between the two.
            utterance = response.utterance_end
            is_of_ended_turn = utterance.turn_order < self._next_turn_order
            if is_of_ended_turn or utterance.audio_ms <= self._utterances_repeated_until_ms:
                return False
            self._uttered_ms = max(self._uttered_ms, utterance.audio_ms)
        elif kind == "turn_end":
            if response.turn_end.turn_order < self._next_turn_order:
                return False
            if response.turn_end.turn_order > MAX_TURN_ORDER:
                raise UpstreamError("the recogniser's number of a turn is impossible")
            self._next_turn_order = response.turn_end.turn_order + 1
            self._turns_ended_ms = response.turn_end.audio_ms
            self._heard_ms = max(self._heard_ms, response.turn_end.audio_ms)
        return True

    def receive_loss(self, error: AppError, now_ms: int) -> None:
        """Take the end of a stream; a retry follows unless nothing could help.

        Raises:
            AppError: the error itself, when another stream would meet it too.
        """
        if not isinstance(error, UpstreamError | CapacityError):
            raise error
        if self._phase in (Phase.IDLE, Phase.WAITING):
            return  # there is no stream, or its loss is known
        if isinstance(error, CapacityError) and not self._has_been_live:
            raise error  # a session that never began to be recognised does not wait for others to end
        self._fruitless_streams += self._phase is Phase.LIVE
        self._repeated_until_ms = self._heard_ms
        self._utterances_repeated_until_ms = self._uttered_ms
        self._lost_at_ms = now_ms if self._lost_at_ms is None else self._lost_at_ms
        if now_ms >= self._lost_at_ms + AWAY_LIMIT_MS or self._fruitless_streams > MAX_FRUITLESS_STREAMS:
            raise error
        self._move(Phase.WAITING)
        self._commands.append(DropUpstream())
        self._retry_at_ms = now_ms + self._retry_pause_ms
        self._retry_pause_ms = min(self._retry_pause_ms * 2, LONGEST_RETRY_MS)

    def tick(self, now_ms: int) -> None:
        """Reopen a lost stream when it is time.

        Raises:
            UpstreamError: no backend came back in time.
        """
        if self._lost_at_ms is not None and now_ms >= self._lost_at_ms + AWAY_LIMIT_MS:
            raise UpstreamError(f"no recogniser for {AWAY_LIMIT_MS // 1000} s")
        if self._retry_at_ms is not None and now_ms >= self._retry_at_ms:
            self._retry_at_ms = None
            config = asr.SessionConfig()
            config.CopyFrom(self._config)
            config.resume.audio_start_ms = self._kept_from_ms
            config.resume.suppress_before_ms = self._turns_ended_ms
            config.resume.turn_order = self._next_turn_order
            self._open(asr.RecognizeRequest(config=config))

    def drop(self) -> None:
        """Give the stream up for good."""
        if self._phase is not Phase.IDLE:
            self._commands.append(DropUpstream())

    def _open(self, first: asr.RecognizeRequest) -> None:
        self._move(Phase.OPENING)
        self._streams += 1
        self._commands.append(OpenUpstream(first))

    def _send(self, request: asr.RecognizeRequest) -> None:
        self._kept.append(_Kept(self._position_samples, request))
        if self._phase is Phase.LIVE:
            self._commands.append(SendUpstream(request))

    def _go_live(self) -> None:
        self._move(Phase.LIVE)
        self._has_been_live = True
        self._lost_at_ms = None
        self._commands += [SendUpstream(kept.request) for kept in self._kept]

    def _forget_before(self, position_ms: int) -> None:
        """Drop what no resume needs; settings dropped on the way become part of the first request."""
        if position_ms <= self._kept_from_ms:
            return
        position = position_ms * SAMPLES_PER_MS
        done = 0
        for kept in self._kept:
            if kept.end_samples > position or kept.at_samples >= position:
                break
            done += 1
            if kept.request.HasField("update"):
                apply_update(self._config, kept.request.update)
        del self._kept[:done]
        if self._kept and self._kept[0].at_samples < position:
            first = self._kept[0]
            rest = first.request.audio[(position - first.at_samples) * BYTES_PER_SAMPLE :]
            self._kept[0] = _Kept(position, asr.RecognizeRequest(audio=rest))
        self._kept_from_ms = position_ms

    def _move(self, new: Phase) -> None:
        assert new in ALLOWED[self._phase], f"{self._phase} -> {new}"
        self._phase = new


def apply_update(config: asr.SessionConfig, update: asr.SessionUpdate) -> None:
    """Change a configuration as the recogniser changes its settings on this update."""
    config.turn_detection.MergeFrom(update.turn_detection)
    if update.HasField("keyterms"):
        config.biasing.keyterms[:] = update.keyterms.keyterms
    if update.HasField("prompt"):
        config.biasing.prompt = update.prompt
    if update.HasField("agent_context"):
        config.biasing.agent_context = update.agent_context
    if update.HasField("language_codes"):
        config.language_codes[:] = update.language_codes.language_codes
    if update.HasField("mode"):
        config.mode = update.mode
