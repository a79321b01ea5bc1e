"""The recogniser stream that outlives its gRPC streams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import asr_v1_pb2 as asr
from runtime.errors import AppError, EngineError, UpstreamError
from services.gateway.recognition import (
    AWAY_LIMIT_MS,
    MAX_FRUITLESS_STREAMS,
    Command,
    DropUpstream,
    OpenUpstream,
    Phase,
    Recognition,
    SendUpstream,
)
from tests.support.asr_events import hypothesis as heard
from tests.support.asr_events import ready

MS = 32  # bytes
GONE = UpstreamError("UNAVAILABLE: gone")


def config() -> asr.SessionConfig:
    """Return settings with one threshold."""
    return asr.SessionConfig(session_id="s", turn_detection=asr.TurnDetection(max_turn_silence_ms=1280))


def said(recognition: Recognition, pcm16: bytes, now_ms: int = 0) -> None:
    """Send audio."""
    recognition.send_audio(pcm16, now_ms)


def opening() -> Recognition:
    """Return a stream that waits for the backend, without audio yet."""
    recognition = Recognition(config)
    said(recognition, b"")
    return recognition


def live() -> Recognition:
    """Return a stream the backend has accepted."""
    recognition = opening()
    recognition.receive(ready())
    recognition.take_commands()
    return recognition


def activity(audio_ms: int, replay_from_ms: int) -> asr.RecognizeResponse:
    """Return a progress report."""
    return asr.RecognizeResponse(speech_activity=asr.SpeechActivity(audio_ms=audio_ms, replay_from_ms=replay_from_ms))


def turn_end(turn_order: int, audio_ms: int) -> asr.RecognizeResponse:
    """Return the end of a turn."""
    return asr.RecognizeResponse(turn_end=asr.TurnEnd(turn_order=turn_order, audio_ms=audio_ms))


def utterance_end(turn_order: int, audio_ms: int) -> asr.RecognizeResponse:
    """Return a pause inside a turn."""
    return asr.RecognizeResponse(utterance_end=asr.UtteranceEnd(turn_order=turn_order, audio_ms=audio_ms))


def update(silence_ms: int) -> asr.RecognizeRequest:
    """Return a change of one threshold."""
    detection = asr.TurnDetection(max_turn_silence_ms=silence_ms)
    return asr.RecognizeRequest(update=asr.SessionUpdate(turn_detection=detection))


def reopened(recognition: Recognition, now_ms: int = 0) -> asr.SessionConfig:
    """Lose the stream and return the first request of the next one."""
    recognition.receive_loss(GONE, now_ms)
    recognition.tick(now_ms + 100_000 if now_ms < 0 else now_ms + 1_000)
    opened = [command for command in recognition.take_commands() if isinstance(command, OpenUpstream)]
    assert len(opened) == 1
    return opened[0].config.config


def sent_audio(commands: list[Command]) -> bytes:
    """Return the audio among commands."""
    return b"".join(command.request.audio for command in commands if isinstance(command, SendUpstream))


def test_first_stream_opens_with_the_settings_and_no_resume() -> None:
    """Nothing was heard yet."""
    (opened,) = opening().take_commands()
    assert isinstance(opened, OpenUpstream)
    assert not opened.config.config.HasField("resume")


def test_requests_wait_for_ready() -> None:
    """Audio sent while a stream opens follows its ready."""
    recognition = opening()
    recognition.take_commands()
    said(recognition, b"ab")
    assert recognition.take_commands() == []
    recognition.receive(ready())
    assert sent_audio(recognition.take_commands()) == b"ab"


def test_resume_names_position_turn_and_end_of_the_last_turn() -> None:
    """The next backend learns where its audio starts and what was told already."""
    recognition = live()
    said(recognition, bytes(10_000 * MS))
    recognition.receive(turn_end(0, 4_000))
    recognition.receive(activity(9_000, 3_008))
    resume = reopened(recognition).resume
    assert (resume.audio_start_ms, resume.suppress_before_ms, resume.turn_order) == (3_008, 4_000, 1)
    recognition.receive(ready())
    assert len(sent_audio(recognition.take_commands())) == (10_000 - 3_008) * MS


def test_requests_come_again_in_their_order_with_audio_sent_meanwhile() -> None:
    """Controls keep their place between the audio before and after them."""
    recognition = live()
    said(recognition, b"1" * MS)
    recognition.send_control(asr.RecognizeRequest(force_endpoint=asr.ForceEndpoint()))
    said(recognition, b"2" * MS)
    recognition.receive_loss(GONE, 0)
    said(recognition, b"3" * MS)
    recognition.tick(1_000)
    recognition.take_commands()
    recognition.receive(ready())
    requests = [command.request for command in recognition.take_commands() if isinstance(command, SendUpstream)]
    # The first one is the empty audio that opened the stream.
    assert [request.WhichOneof("request") for request in requests][1:] == ["audio", "force_endpoint", "audio", "audio"]


def test_update_before_the_position_is_part_of_the_new_settings() -> None:
    """One after it is sent at its place."""
    recognition = live()
    said(recognition, bytes(100 * MS))
    recognition.send_control(update(700))
    said(recognition, bytes(100 * MS))
    recognition.send_control(update(900))
    recognition.receive(activity(200, 128))
    assert reopened(recognition).turn_detection.max_turn_silence_ms == 700
    recognition.receive(ready())
    commands = recognition.take_commands()
    last = commands[-1]
    assert isinstance(last, SendUpstream)
    assert last.request.update.turn_detection.max_turn_silence_ms == 900
    assert len(sent_audio(commands)) == 72 * MS


def test_repeated_events_are_not_told_again() -> None:
    """Hypotheses up to the audio already heard, and turns already ended, are dropped after a resume."""
    recognition = live()
    recognition.receive(turn_end(0, 2_000))
    assert recognition.receive(heard("one", audio_ms=3_000))
    reopened(recognition)
    recognition.receive(ready())
    assert not recognition.receive(heard("one", audio_ms=2_500))
    assert not recognition.receive(turn_end(0, 2_000))
    assert recognition.receive(heard("one two", audio_ms=3_100))
    assert recognition.receive(turn_end(1, 4_000))


def test_utterance_delivered_before_a_loss_is_not_told_again() -> None:
    """The next backend repeats the turn with its utterances; those that went out are dropped, others are not."""
    recognition = live()
    assert recognition.receive(heard("one", audio_ms=1_000))
    assert recognition.receive(utterance_end(0, 1_000))
    assert recognition.receive(heard("one two", audio_ms=3_000))
    reopened(recognition)
    recognition.receive(ready())
    assert not recognition.receive(utterance_end(0, 1_000))
    assert recognition.receive(utterance_end(0, 3_000))  # its hypothesis went out, the stream was lost before it
    assert recognition.receive(utterance_end(0, 5_000))


def test_utterance_of_an_ended_turn_is_not_told_again() -> None:
    """Its turn's final carried it."""
    recognition = live()
    recognition.receive(turn_end(0, 2_000))
    reopened(recognition)
    recognition.receive(ready())
    assert not recognition.receive(utterance_end(0, 2_000))
    assert recognition.receive(utterance_end(1, 2_500))


def test_pause_between_tries_grows_to_a_second() -> None:
    """A backend that is away is not hammered."""
    recognition = live()
    now_ms, pauses = 0, []
    for _ in range(6):
        recognition.receive_loss(GONE, now_ms)
        deadline_ms = recognition.next_deadline_ms()
        assert deadline_ms is not None
        pauses.append(deadline_ms - now_ms)
        now_ms = deadline_ms
        recognition.tick(now_ms)
    assert pauses == [100, 200, 400, 800, 1_000, 1_000]


def test_backend_away_for_thirty_seconds_is_given_up() -> None:
    """The limit counts from the first loss, and a stream that opens stops it."""
    recognition = live()
    reopened(recognition)
    recognition.receive(ready())
    recognition.tick(AWAY_LIMIT_MS * 2)
    recognition.receive_loss(GONE, AWAY_LIMIT_MS * 2)
    with pytest.raises(UpstreamError):
        recognition.tick(AWAY_LIMIT_MS * 3)


def test_audio_that_kills_every_worker_is_given_up() -> None:
    """Streams that are accepted and lost without progress end the session after a few."""
    recognition = live()
    for _ in range(MAX_FRUITLESS_STREAMS):
        reopened(recognition)
        recognition.receive(ready())
    with pytest.raises(UpstreamError):
        recognition.receive_loss(GONE, 0)


def test_refusal_is_not_tried_again() -> None:
    """Another stream would meet it too."""
    recognition = live()
    with pytest.raises(EngineError):
        recognition.receive_loss(EngineError("INVALID_ARGUMENT"), 0)


def test_loss_is_noticed_once() -> None:
    """The error event and the end of the stream tell of one loss."""
    recognition = live()
    recognition.receive_loss(GONE, 0)
    recognition.receive_loss(GONE, 50)
    assert recognition.phase is Phase.WAITING
    assert recognition.take_commands() == [DropUpstream()]


@given(
    frames=st.lists(st.integers(1, 400), min_size=1, max_size=30),
    reports=st.lists(st.integers(0, 12_000), max_size=5),
)
def test_replayed_audio_is_exactly_what_follows_the_position(frames: list[int], reports: list[int]) -> None:
    """Whatever the frames and the positions the recogniser names."""
    recognition = live()
    audio = b""
    for number, milliseconds in enumerate(frames):
        piece = bytes([number % 251]) * (milliseconds * MS)
        audio += piece
        said(recognition, piece)
    total_ms = len(audio) // MS
    for position_ms in reports:
        recognition.receive(activity(total_ms, min(position_ms, total_ms)))
    start_ms = reopened(recognition).resume.audio_start_ms
    assert start_ms == max([min(position_ms, total_ms) for position_ms in reports], default=0)
    recognition.receive(ready())
    assert sent_audio(recognition.take_commands()) == audio[start_ms * MS :]


def test_every_error_of_the_tree_is_either_retried_or_raised() -> None:
    """Nothing is swallowed."""
    recognition = live()
    recognition.receive_loss(GONE, 0)
    assert recognition.phase is Phase.WAITING
    for error in (EngineError("x"), AppError("x")):
        with pytest.raises(type(error)) as raised:
            live().receive_loss(error, 0)
        assert raised.value is error


def test_silent_session_has_no_stream() -> None:
    """The first audio opens it; what was changed before is part of its settings."""
    recognition = Recognition(config)
    recognition.send_control(update(700))
    recognition.send_control(asr.RecognizeRequest(force_endpoint=asr.ForceEndpoint()))
    recognition.drop()
    assert recognition.take_commands() == []
    assert recognition.next_deadline_ms() is None
    said(recognition, bytes(MS), 5_000)
    (opened,) = recognition.take_commands()
    assert isinstance(opened, OpenUpstream)
    assert opened.config.config.turn_detection.max_turn_silence_ms == 700
    assert recognition.next_deadline_ms() == 5_000 + AWAY_LIMIT_MS


def test_waiting_audio_is_what_the_recogniser_has_not_worked_through() -> None:
    """Counted in bytes, from the position of its last report."""
    recognition = live()
    said(recognition, bytes(3_000 * MS))
    assert recognition.waiting_bytes == 3_000 * MS
    recognition.receive(activity(2_000, 0))
    assert recognition.waiting_bytes == 1_000 * MS
