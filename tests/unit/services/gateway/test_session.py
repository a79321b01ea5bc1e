"""One session: life cycle, audio rules, client messages, timers, failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import asr_v1_pb2 as asr
from runtime.catalog import Model
from runtime.errors import AppError, CapacityError, EngineError, InvalidInput, LicenseError, UpstreamError
from services.gateway.models import ChosenModel, TurnStyle
from services.gateway.parameters import SessionParameters, TurnOptions, parse_query
from services.gateway.recognition import DropUpstream, OpenUpstream, SendUpstream
from services.gateway.session import (
    ALLOWED,
    ENDED,
    CloseClient,
    Output,
    SendFrame,
    Session,
    SessionIdentity,
    State,
)
from tests.support.asr_events import activity, failed, hypothesis, ready, speech_started, statistics, turn_end

ENGLISH = ChosenModel("universal-streaming-english", Model.ENGLISH, TurnStyle.UNIVERSAL)
PRO = ChosenModel("universal-3-6-pro", Model.PRO, TurnStyle.PRO)
U3_RT_PRO = ChosenModel("u3-rt-pro", Model.PRO, TurnStyle.PRO)
IDENTITY = SessionIdentity("5b0c6f5e-2f1e-4d6f-9a55-0c1f5f0d7a21", 1_795_290_000.75, "2025-05-12")
FRAME_100_MS = bytes(3200)
START_MS = 1_000_000
SERVER_FAILURE = "Session Cancelled: An error occurred"


class Driver:
    """A session with its clock, and what it did so far in the order it did it."""

    def __init__(
        self,
        query: str = "",
        model: ChosenModel = ENGLISH,
        identity: SessionIdentity = IDENTITY,
        *,
        backend_answer: asr.RecognizeResponse | None = None,
    ) -> None:
        """Start a session; a backend that answers does so whenever a stream opens."""
        self.now_ms = START_MS
        self.backend_answer = backend_answer
        self.session = Session(identity, parse_query(query), model, self.now_ms)
        self.outputs: list[Output] = []
        self.collect()

    def collect(self) -> None:
        """Take what is to be done now."""
        outputs = self.session.take_output()
        self.outputs += outputs
        if self.backend_answer is not None and any(isinstance(output, OpenUpstream) for output in outputs):
            self.recognized(self.backend_answer)

    def audio(self, data: bytes, times: int = 1) -> None:
        """Hand in binary frames."""
        for _ in range(times):
            self.session.receive_audio(data, self.now_ms)
            self.collect()

    def text(self, message: str | dict[str, Any]) -> None:
        """Hand in a text frame."""
        self.session.receive_text(message if isinstance(message, str) else json.dumps(message), self.now_ms)
        self.collect()

    def recognized(self, *responses: asr.RecognizeResponse) -> None:
        """Hand in events of the recogniser."""
        for response in responses:
            self.session.receive_recognition(response, self.now_ms)
            self.collect()

    def lose_backend(self, error: AppError | None = None) -> None:
        """End the recogniser's stream."""
        self.session.receive_upstream_failure(error or UpstreamError("UNAVAILABLE: gone"), self.now_ms)
        self.collect()

    def drain(self, limit_ms: int) -> None:
        """Ask the session to end after a while."""
        self.session.drain(limit_ms, self.now_ms)
        self.collect()

    def pass_ms(self, milliseconds: int) -> None:
        """Let time pass, ticking at the end of it."""
        self.now_ms += milliseconds
        self.session.tick(self.now_ms)
        self.collect()

    @property
    def state(self) -> State:
        """State of the session."""
        return self.session.state

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Messages to the client."""
        return [json.loads(output.text) for output in self.outputs if isinstance(output, SendFrame)]

    @property
    def requests(self) -> list[asr.RecognizeRequest]:
        """Requests to the recogniser after the config."""
        return [output.request for output in self.outputs if isinstance(output, SendUpstream)]

    @property
    def config(self) -> asr.SessionConfig:
        """First request to the recogniser; audio brings it out."""
        if not any(isinstance(output, OpenUpstream) for output in self.outputs):
            self.audio(FRAME_100_MS)
        return next(output.config.config for output in self.outputs if isinstance(output, OpenUpstream))

    @property
    def upstream_audio(self) -> bytes:
        """All audio the recogniser got."""
        return b"".join(request.audio for request in self.requests if request.WhichOneof("request") == "audio")

    @property
    def kinds(self) -> list[str]:
        """Kinds of the requests after the config."""
        return [str(request.WhichOneof("request")) for request in self.requests]

    def assert_failed(self, code: int, text: str) -> None:
        """Expect an end with an Error frame, a dropped stream if there was one, a close, and nothing after it."""
        assert self.state is State.FAILED
        streamed = any(isinstance(output, OpenUpstream) for output in self.outputs)
        error, *drop, close = self.outputs[-3:] if streamed else self.outputs[-2:]
        assert isinstance(error, SendFrame)
        assert json.loads(error.text) == {"type": "Error", "error_code": code, "error": text}
        assert drop == ([DropUpstream()] if streamed else [])
        assert close == CloseClient(code, text if len(text.encode()) <= 123 else "See Error message for details")
        assert "Termination" not in [message["type"] for message in self.messages]

    def assert_terminated(self, audio_s: int, session_s: int) -> None:
        """Expect an end in order."""
        assert self.state is State.CLOSED
        termination, close = self.outputs[-2:]
        assert isinstance(termination, SendFrame)
        assert json.loads(termination.text) == {
            "type": "Termination", "audio_duration_seconds": audio_s, "session_duration_seconds": session_s,
        }  # fmt: skip
        assert close == CloseClient(1000, "Session Ended")


def opened(query: str = "", model: ChosenModel = ENGLISH, *, punctuates: bool = False) -> Driver:
    """Return a session that has sent Begin and whose backend will be ready at the first audio."""
    driver = Driver(query, model, backend_answer=ready(punctuates=punctuates))
    assert driver.state is State.OPEN
    return driver


def listening(query: str = "", model: ChosenModel = ENGLISH, *, punctuates: bool = False) -> Driver:
    """Return a session with 100 ms of audio at its recogniser."""
    driver = opened(query, model, punctuates=punctuates)
    driver.audio(FRAME_100_MS)
    driver.outputs = [output for output in driver.outputs if not isinstance(output, SendUpstream)]
    driver.backend_answer = None
    return driver


def draining(model: ChosenModel = ENGLISH) -> Driver:
    """Return a session whose client has sent Terminate."""
    driver = listening("", model)
    driver.text({"type": "Terminate"})
    assert driver.state is State.DRAINING
    return driver


# Begin


def test_session_new_says_begin_and_opens_no_stream() -> None:
    """A client that is silent costs no recogniser."""
    driver = Driver()
    assert driver.state is State.OPEN
    assert [message["type"] for message in driver.messages] == ["Begin"]
    assert len(driver.outputs) == 1


def test_first_audio_opens_the_stream() -> None:
    """Its first request carries what the recogniser must know; the audio follows once it is ready."""
    driver = Driver()
    driver.audio(FRAME_100_MS)
    assert (driver.config.session_id, driver.config.model) == (IDENTITY.session_id, "en-default")
    assert driver.config.turn_style == asr.TURN_STYLE_UNIVERSAL
    assert driver.requests == []
    driver.recognized(ready())
    assert driver.upstream_audio == FRAME_100_MS


def test_begin_is_the_first_message_and_complete() -> None:
    """Begin has id, integer expiry and exactly the eight echoed settings."""
    assert opened("domain=medical-v1").messages == [
        {
            "type": "Begin",
            "id": IDENTITY.session_id,
            "expires_at": 1_795_300_800,
            "configuration": {
                "model": "universal-streaming-english", "mode": None, "api_version": "2025-05-12",
                "speaker_labels": False, "redact_pii": False, "filter_profanity": False,
                "domain": "medical-v1", "voice_focus": None,
            },
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "model", "mode"),
    [("", PRO, "balanced"), ("", U3_RT_PRO, "balanced"), ("mode=min_latency", PRO, "min_latency"), ("", ENGLISH, None)],
)
def test_begin_echoes_the_resolved_mode(query: str, model: ChosenModel, mode: str | None) -> None:
    """Pro sessions echo their preset, Universal ones null; the model name is the one asked for."""
    configuration = opened(query, model).messages[0]["configuration"]
    assert (configuration["model"], configuration["mode"]) == (model.name, mode)


def test_begin_expiry_follows_the_session_cap() -> None:
    """A shorter maximum gives an earlier expires_at."""
    driver = Driver(identity=replace(IDENTITY, max_session_s=60))
    assert driver.messages[0]["expires_at"] == 1_795_290_060


def test_begin_ready_twice_is_told_once() -> None:
    """A backend that repeats itself does not confuse the client."""
    driver = listening()
    driver.recognized(ready())
    assert len(driver.messages) == 1


@pytest.mark.parametrize("name", ["mode", "prompt"])
def test_session_pro_parameter_with_universal_model_is_refused(name: str) -> None:
    """Preset and prompt are refused for models that cannot use them."""
    with pytest.raises(InvalidInput, match=f"^User Input Validation Error: Invalid '{name}': "):
        Driver(f"{name}=balanced", ENGLISH)


def test_session_other_pro_parameters_with_universal_model_are_ignored() -> None:
    """Everything else that belongs to Pro does not reach the recogniser of a Universal session."""
    config = Driver('agent_context=hello&language_codes=["de"]&interruption_delay=0').config
    assert config.biasing.agent_context == ""
    assert list(config.language_codes) == []


def test_config_carries_every_resolved_threshold() -> None:
    """The recogniser has nothing to guess."""
    detection = Driver("min_turn_silence=700&vad_threshold=0.5").config.turn_detection
    assert (detection.min_turn_silence_ms, detection.max_turn_silence_ms) == (700, 1280)
    assert (detection.vad_threshold, detection.interruption_delay_ms) == (0.5, 500)
    assert detection.continuous_partials
    assert detection.end_of_turn_confidence_threshold == pytest.approx(0.4)


def test_config_pro_carries_context() -> None:
    """Pro sessions hand on prompt, context, languages, terms and mode."""
    config = Driver(
        'prompt=invoices&agent_context=hello&language_codes=["de"]&keyterms_prompt=["QX"]&mode=max_accuracy', PRO
    ).config
    assert (config.biasing.prompt, config.biasing.agent_context) == ("invoices", "hello")
    assert (list(config.language_codes), list(config.biasing.keyterms), config.mode) == (["de"], ["QX"], "max_accuracy")
    assert config.turn_style == asr.TURN_STYLE_PRO
    assert config.turn_detection.max_turn_silence_ms == 2560


@pytest.mark.parametrize(
    ("query", "model", "turns"),
    [("", PRO, 5), ("previous_context_n_turns=0", PRO, 0), ("previous_context_n_turns=9", ENGLISH, 0)],
)
def test_config_carries_how_many_turns_are_context(query: str, model: ChosenModel, turns: int) -> None:
    """Five for Pro sessions unless they ask otherwise; Universal ones have no context."""
    assert Driver(query, model).config.previous_context_turns == turns


def test_update_before_audio_is_part_of_the_settings() -> None:
    """There is no stream yet to send it on."""
    driver = opened()
    driver.text({"type": "UpdateConfiguration", "max_turn_silence": 900, "keyterms_prompt": ["QX"]})
    driver.text({"type": "ForceEndpoint"})
    assert driver.config.turn_detection.max_turn_silence_ms == 900
    assert list(driver.config.biasing.keyterms) == ["QX"]
    assert driver.kinds == ["audio"]


def test_terminate_before_audio_ends_at_once() -> None:
    """Nothing was heard, so there is nobody to wait for."""
    driver = opened()
    driver.text({"type": "Terminate"})
    driver.assert_terminated(0, 0)


@pytest.mark.parametrize("event", [hypothesis("early"), turn_end("early"), activity(10), statistics()])
def test_recogniser_speaking_before_ready_is_replaced(event: asr.RecognizeResponse) -> None:
    """It does not keep the contract; nothing of what it said reaches the client."""
    driver = Driver()
    driver.audio(FRAME_100_MS)
    driver.recognized(event)
    assert driver.outputs[-1] == DropUpstream()
    assert len(driver.messages) == 1
    driver.pass_ms(30_000)
    driver.assert_failed(3005, SERVER_FAILURE)


def test_recogniser_that_never_answers_fails_after_thirty_seconds() -> None:
    """Counted from the first audio."""
    driver = Driver()
    driver.pass_ms(60_000)
    driver.audio(FRAME_100_MS)
    assert driver.session.next_deadline_ms() == driver.now_ms + 30_000
    driver.pass_ms(29_999)
    assert driver.state is State.OPEN
    driver.pass_ms(1)
    driver.assert_failed(3005, SERVER_FAILURE)


def test_capacity_reached_at_the_first_audio_is_3009() -> None:
    """A backend that is full, against the gateway's own count, is told with the documented words."""
    driver = Driver()
    driver.audio(FRAME_100_MS)
    driver.lose_backend(CapacityError("RESOURCE_EXHAUSTED: all 48 streams"))
    driver.assert_failed(3009, "Unauthorized Connection: Too many concurrent sessions")
    assert len(driver.messages) == 2


# Audio


def test_audio_is_passed_on_unchanged() -> None:
    """16 kHz PCM16 goes through as it is."""
    driver = opened()
    driver.audio(b"\x01\x02" * 1600)
    assert driver.upstream_audio == b"\x01\x02" * 1600
    assert driver.session.received_audio_ms == 100


def test_audio_odd_bytes_are_completed_by_the_next_frame() -> None:
    """A stray byte is kept, never sent, never lost."""
    driver = opened()
    data = bytes(range(200)) * 32
    driver.audio(data[:3201])
    driver.audio(data[3201:])
    assert all(len(request.audio) % 2 == 0 for request in driver.requests)
    assert driver.upstream_audio == data


def test_audio_empty_frame_is_ignored() -> None:
    """An empty frame is nothing, however often it comes."""
    driver = opened()
    driver.audio(b"", times=100)
    assert driver.state is State.OPEN
    assert driver.requests == []


def test_audio_mulaw_becomes_16_khz_pcm() -> None:
    """8 kHz mu-law doubles twice: two bytes a sample, twice the rate."""
    driver = opened("encoding=pcm_mulaw&sample_rate=8000")
    driver.audio(b"\xff" * 800, times=10)
    assert driver.session.received_audio_ms == 1000
    driver.text({"type": "Terminate"})
    assert len(driver.upstream_audio) == 32_000
    assert driver.kinds[-1] == "finish"


def test_audio_frame_of_a_second_is_accepted() -> None:
    """Exactly 1000 ms are fine."""
    driver = opened()
    driver.audio(bytes(32_000))
    assert driver.state is State.OPEN


@pytest.mark.parametrize(
    ("query", "frame_bytes", "length"),
    [("", 32_032, "1001.0"), ("", 64_000, "2000.0"), ("sample_rate=8000", 16_016, "1001.0"), ("", 32_002, "1000.1")],
)
def test_audio_frame_over_a_second_is_refused(query: str, frame_bytes: int, length: str) -> None:
    """Longer frames close with the documented words and their length."""
    driver = opened(query)
    driver.audio(bytes(frame_bytes))
    driver.assert_failed(
        3007,
        f"Input Duration Error: Input Duration Violation: {length} ms. Expected between 50 and 1000 ms",
    )
    assert driver.requests == []


def test_audio_forty_short_frames_are_tolerated_and_used() -> None:
    """Short frames are processed like others."""
    driver = opened()
    driver.audio(bytes(640), times=40)
    assert driver.state is State.OPEN
    assert len(driver.upstream_audio) == 40 * 640


def test_audio_forty_first_short_frame_is_refused() -> None:
    """A steady stream of short frames ends the session."""
    driver = opened()
    driver.audio(bytes(640), times=41)
    driver.assert_failed(
        3007, "Input Duration Error: Input Duration Violation: 20.0 ms. Expected between 50 and 1000 ms"
    )


def test_audio_normal_frame_forgives_short_ones() -> None:
    """Only consecutive short frames count; the frame that ends the row is itself in order."""
    driver = opened()
    for _ in range(3):
        driver.audio(bytes(640), times=40)
        driver.audio(bytes(1600))
    assert driver.state is State.OPEN


def test_audio_three_hundred_seconds_may_wait() -> None:
    """A burst is buffered, up to five minutes that the recogniser has not consumed."""
    driver = opened()
    driver.audio(bytes(32_000), times=300)
    assert driver.state is State.OPEN
    driver.recognized(activity(1_000))
    driver.audio(bytes(32_000))
    assert len(driver.messages) == 1
    driver.audio(bytes(32_000))
    assert driver.messages[-1]["error_code"] == 3007
    assert driver.messages[-1]["error"].startswith("Audio Transmission Rate Exceeded: 301 sec.")


# Client messages


def test_keep_alive_does_nothing_but_reset_the_timer() -> None:
    """No answer, no request."""
    driver = opened("inactivity_timeout=5")
    driver.pass_ms(4_000)
    driver.text({"type": "KeepAlive"})
    driver.pass_ms(4_000)
    assert driver.state is State.OPEN
    assert driver.requests == []
    assert len(driver.messages) == 1


def test_force_endpoint_is_passed_on_in_order() -> None:
    """The recogniser ends the turn between the audio before and after the message."""
    driver = opened()
    driver.audio(FRAME_100_MS)
    driver.text({"type": "ForceEndpoint"})
    driver.audio(FRAME_100_MS)
    assert driver.kinds == ["audio", "force_endpoint", "audio"]
    assert len(driver.messages) == 1


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ("[]", "Invalid Message: []"),
        ('"Terminate"', 'Invalid Message: "Terminate"'),
        ("{}", "Invalid Message: {}"),
        ('{"type":null}', 'Invalid Message: {"type":null}'),
        ('{"type":["Terminate"]}', 'Invalid Message: {"type":["Terminate"]}'),
        ('{"type":"Hello"}', "Invalid Message Type: Hello"),
        ('{"type":"terminate"}', "Invalid Message Type: terminate"),
        ('{"type":""}', "Invalid Message Type: "),
    ],
)
def test_message_of_no_known_type_is_refused(frame: str, text: str) -> None:
    """Not an object, no type, or a type nobody knows: 3006 in the documented words."""
    driver = opened()
    driver.text(frame)
    driver.assert_failed(3006, text)


@pytest.mark.parametrize(
    "frame",
    ["", "{", "Terminate", "{'type':'Terminate'}", '{"type":"Terminate"} x', '{"type":"\\ud800"}', "[" * 100_000],
    ids=["empty", "open", "word", "quotes", "trailing", "surrogate", "deep"],
)
def test_message_not_json_is_refused(frame: str) -> None:
    """Whatever is no JSON closes with 3006 and the parser's words."""
    driver = opened()
    driver.text(frame)
    assert driver.state is State.FAILED
    assert driver.messages[-1]["error"].startswith("User Input Validation Error: Invalid JSON: ")
    assert driver.messages[-1]["error_code"] == 3006


@pytest.mark.parametrize("frame", ['{"type":"' + "x" * 100_000 + '"}', '{"kind":"' + "x" * 100_000 + '"}'])
def test_message_refused_is_not_echoed_at_length(frame: str) -> None:
    """A large message does not come back whole, and the close reason fits its frame."""
    driver = opened()
    driver.text(frame)
    assert len(driver.messages[-1]["error"]) < 300
    assert driver.outputs[-1] == CloseClient(3006, "See Error message for details")


def test_messages_in_a_burst_are_taken_and_a_flood_is_refused() -> None:
    """A client that was held up may send what it has at once; twenty a second may go on for ever."""
    driver = opened()
    for _ in range(100):
        driver.text({"type": "KeepAlive"})
    for _ in range(100):
        driver.now_ms += 50
        driver.text({"type": "KeepAlive"})
    assert driver.state is State.OPEN
    driver.text({"type": "KeepAlive"})
    driver.assert_failed(3006, "User Input Validation Error: Too many messages: more than 20 a second")


def test_message_with_white_space_is_understood() -> None:
    """Python's json writes blanks."""
    driver = listening()
    driver.text('{ "type" : "Terminate" }\n')
    assert driver.state is State.DRAINING


def test_update_changes_only_what_it_names() -> None:
    """Silences merge with what the query and earlier messages asked for."""
    driver = listening("min_turn_silence=700&max_turn_silence=2000")
    driver.text({"type": "UpdateConfiguration", "max_turn_silence": 900})
    driver.text({"type": "UpdateConfiguration", "vad_threshold": 0.5, "min_turn_silence": None})
    detection = driver.requests[-1].update.turn_detection
    assert (detection.min_turn_silence_ms, detection.max_turn_silence_ms, detection.vad_threshold) == (700, 900, 0.5)
    assert driver.messages[1:] == []


def test_update_maximum_below_minimum_is_lifted() -> None:
    """The rule of connecting holds in mid-session too."""
    driver = listening()
    driver.text({"type": "UpdateConfiguration", "max_turn_silence": 100})
    assert driver.requests[-1].update.turn_detection.max_turn_silence_ms == 400


def test_update_former_silence_name_is_understood() -> None:
    """The SDKs' old name still works."""
    driver = listening()
    driver.text({"type": "UpdateConfiguration", "min_end_of_turn_silence_when_confident": 560})
    assert driver.requests[-1].update.turn_detection.min_turn_silence_ms == 560


def test_update_applies_to_audio_after_it() -> None:
    """The change stands in the stream between the audio before and after it."""
    driver = opened()
    driver.audio(FRAME_100_MS)
    driver.text({"type": "UpdateConfiguration", "min_turn_silence": 900})
    driver.audio(FRAME_100_MS)
    assert driver.kinds == ["audio", "update", "audio"]


def test_update_mode_replaces_the_whole_preset() -> None:
    """A new Pro preset drops what was asked before it, but keeps what came with it."""
    driver = listening("min_turn_silence=700", PRO)
    driver.text({"type": "UpdateConfiguration", "mode": "max_accuracy", "interruption_delay": 100})
    update = driver.requests[-1].update
    detection = update.turn_detection
    assert (detection.min_turn_silence_ms, detection.max_turn_silence_ms) == (512, 2560)
    assert (detection.interruption_delay_ms, update.mode) == (100, "max_accuracy")


def test_update_mode_of_universal_session_is_ignored() -> None:
    """A Universal session has no presets."""
    driver = listening("min_turn_silence=700")
    driver.text({"type": "UpdateConfiguration", "mode": "max_accuracy", "prompt": "x"})
    update = driver.requests[-1].update
    assert not update.HasField("mode")
    assert not update.HasField("prompt")
    assert update.turn_detection.min_turn_silence_ms == 700


@pytest.mark.parametrize("terms", [["Zephyr QX-9"], []])
def test_update_keyterms_replaces_the_set(terms: list[str]) -> None:
    """A list replaces, an empty one clears."""
    driver = listening()
    driver.text({"type": "UpdateConfiguration", "keyterms_prompt": terms})
    update = driver.requests[-1].update
    assert update.HasField("keyterms")
    assert list(update.keyterms.keyterms) == terms


def test_update_without_keyterms_leaves_them() -> None:
    """An absent member is not an empty one."""
    driver = listening()
    driver.text({"type": "UpdateConfiguration", "min_turn_silence": 900})
    assert not driver.requests[-1].update.HasField("keyterms")


def test_update_pro_empty_texts_clear() -> None:
    """Empty prompt and language list are changes."""
    driver = listening("prompt=x", PRO)
    driver.text({"type": "UpdateConfiguration", "prompt": "", "agent_context": "hi", "language_codes": []})
    update = driver.requests[-1].update
    assert update.HasField("prompt")
    assert update.HasField("language_codes")
    assert (update.prompt, update.agent_context) == ("", "hi")


def test_update_format_turns_changes_the_next_final() -> None:
    """Formatting can be switched in mid-session."""
    driver = listening()
    driver.recognized(turn_end("one"))
    driver.text({"type": "UpdateConfiguration", "format_turns": True})
    driver.recognized(turn_end("two", 1))
    assert [m["turn_is_formatted"] for m in driver.messages[1:]] == [False, True]


def test_update_bad_value_closes() -> None:
    """An invalid value is fatal, in the words of connecting."""
    driver = opened()
    driver.text({"type": "UpdateConfiguration", "vad_threshold": 7})
    driver.assert_failed(
        3006, "User Input Validation Error: Invalid 'vad_threshold': Input should be less than or equal to 1"
    )


# Turns


def test_turns_reach_the_client_as_messages() -> None:
    """SpeechStarted, partial and formatted final of a Pro session, in order."""
    driver = listening("", PRO)
    driver.recognized(speech_started(start_ms=120), hypothesis("yes"), turn_end("yes please"))
    assert [m["type"] for m in driver.messages] == ["Begin", "SpeechStarted", "Turn", "Turn"]
    assert driver.messages[-1]["transcript"] == "Yes please."
    assert driver.session.finished_turns == 1


def test_turns_engine_that_punctuates_is_believed() -> None:
    """What the backend says about itself when ready decides about formatting."""
    driver = listening("format_turns=true", punctuates=True)
    driver.recognized(turn_end("iPhone please"))
    assert driver.messages[-1]["transcript"] == "iPhone please"


# The end


def test_terminate_idle_ends_in_order() -> None:
    """Terminate, Termination with whole seconds, 1000."""
    driver = opened()
    driver.audio(FRAME_100_MS, times=26)
    driver.now_ms += 3_400
    driver.text({"type": "Terminate"})
    assert driver.kinds[-1] == "finish"
    driver.recognized(statistics())
    driver.assert_terminated(audio_s=3, session_s=3)


def test_terminate_with_open_turn_sends_its_final_first() -> None:
    """The open turn ends before Termination."""
    driver = listening()
    driver.recognized(hypothesis("yes"))
    driver.text({"type": "Terminate"})
    driver.recognized(turn_end("yes please"), statistics(1))
    assert [m["type"] for m in driver.messages] == ["Begin", "Turn", "Turn", "Termination"]
    assert driver.messages[2]["end_of_turn"]
    driver.assert_terminated(audio_s=0, session_s=0)


def test_terminate_session_length_counts_from_begin() -> None:
    """Audio comes later; the session is as old as its Begin."""
    driver = opened()
    driver.now_ms += 2_000
    driver.audio(FRAME_100_MS)
    driver.now_ms += 1_000
    driver.text({"type": "Terminate"})
    driver.recognized(statistics())
    driver.assert_terminated(audio_s=0, session_s=3)


def test_terminate_with_stalled_backend_ends_in_time() -> None:
    """Clients wait 5 s: after 3.5 s without progress the session ends anyway."""
    driver = draining()
    assert driver.session.next_deadline_ms() == START_MS + 3_500
    driver.pass_ms(3_499)
    assert driver.state is State.DRAINING
    driver.pass_ms(1)
    driver.assert_terminated(audio_s=0, session_s=4)
    assert DropUpstream() in driver.outputs


@pytest.mark.parametrize("query", ["", "include_partial_turns=false"])
def test_terminate_with_stalled_backend_ends_the_open_turn_as_it_was_heard(query: str) -> None:
    """What the recogniser said last is better than nothing."""
    driver = listening(query)
    driver.recognized(hypothesis("one two", audio_ms=100))
    driver.text({"type": "Terminate"})
    driver.pass_ms(3_500)
    final, termination = driver.messages[-2:]
    assert (final["transcript"], final["end_of_turn"], termination["type"]) == ("one two", True, "Termination")
    assert all(word["word_is_final"] for word in final["words"])


def test_terminate_after_real_time_audio_waits_three_and_a_half_seconds() -> None:
    """However busy the backend: the client itself waits no longer than five."""
    driver = draining()
    for _ in range(3):
        driver.pass_ms(1_000)
        driver.recognized(activity(10))
    driver.pass_ms(500)
    driver.assert_terminated(audio_s=0, session_s=4)


def test_terminate_after_faster_audio_waits_for_a_backend_at_work() -> None:
    """A backend that still decodes buffered audio is given its time."""
    driver = opened()
    driver.audio(bytes(32_000), times=12)
    driver.text({"type": "Terminate"})
    for audio_ms in range(3_000, 15_000, 3_000):
        driver.pass_ms(3_000)
        driver.recognized(activity(audio_ms))
    driver.recognized(turn_end("late"), statistics(1))
    assert driver.messages[-2]["transcript"] == "late"
    driver.assert_terminated(audio_s=12, session_s=12)


def test_terminate_after_faster_audio_waits_however_little_of_it_is_left() -> None:
    """Eight seconds sent in two, of which four are decoded: the rest takes a busy backend longer than 3.5 s."""
    driver = opened()
    driver.audio(bytes(32_000), times=8)
    driver.pass_ms(2_000)
    driver.recognized(activity(4_000))
    driver.text({"type": "Terminate"})
    for audio_ms in (6_000, 8_000):
        driver.pass_ms(3_000)
        driver.recognized(activity(audio_ms))
    driver.recognized(turn_end("late"), statistics(1))
    assert driver.messages[-2]["transcript"] == "late"
    driver.assert_terminated(audio_s=8, session_s=8)


def test_draining_ignores_the_client() -> None:
    """Nothing that arrives after Terminate has an effect."""
    driver = draining()
    before = list(driver.outputs)
    driver.audio(FRAME_100_MS)
    driver.audio(bytes(64_000))
    driver.text("{")
    driver.text({"type": "Terminate"})
    assert driver.outputs == before
    assert driver.state is State.DRAINING


def test_draining_has_no_inactivity_limit() -> None:
    """A client that has said goodbye is not inactive."""
    driver = opened("inactivity_timeout=5")
    driver.audio(bytes(32_000), times=12)
    driver.text({"type": "Terminate"})
    for _ in range(4):
        driver.pass_ms(2_000)
        driver.recognized(activity(1))
    assert driver.state is State.DRAINING


@pytest.mark.parametrize("start", [listening, draining])
def test_client_gone_frees_the_recogniser(start: Callable[[], Driver]) -> None:
    """A lost client ends the session without a word to anyone."""
    driver = start()
    said = len(driver.messages)
    driver.session.receive_disconnect()
    driver.collect()
    assert driver.state is State.CLOSED
    assert driver.outputs[-1] == DropUpstream()
    assert len(driver.messages) == said


# Drain


def test_drain_lets_the_session_run_to_the_limit() -> None:
    """Until the limit nothing changes; then the session ends as if its client had asked."""
    driver = opened()
    driver.drain(30_000)
    assert driver.session.next_deadline_ms() == START_MS + 30_000
    driver.pass_ms(29_999)
    driver.audio(FRAME_100_MS)
    assert driver.kinds == ["audio"]
    driver.pass_ms(1)
    assert driver.state is State.DRAINING
    assert driver.kinds == ["audio", "finish"]
    driver.recognized(turn_end("last words"), statistics(1))
    assert driver.messages[-2]["end_of_turn"]
    driver.assert_terminated(audio_s=0, session_s=30)


def test_drain_without_limit_ends_at_once() -> None:
    """A limit of 0 finishes now."""
    driver = listening()
    driver.drain(0)
    assert driver.state is State.DRAINING


def test_drain_twice_the_earlier_end_counts() -> None:
    """A stop during a switch may only shorten the wait."""
    driver = listening()
    driver.drain(5_000)
    driver.drain(60_000)
    driver.pass_ms(5_000)
    assert driver.state is State.DRAINING


def test_drain_of_a_silent_session_ends_in_order() -> None:
    """There is no recogniser to wait for."""
    driver = opened()
    driver.drain(0)
    assert [message["type"] for message in driver.messages] == ["Begin", "Termination"]


# Timers


def test_inactivity_closes_without_termination() -> None:
    """The documented words, code 3006."""
    driver = opened("inactivity_timeout=5")
    driver.pass_ms(4_999)
    assert driver.state is State.OPEN
    driver.pass_ms(1)
    driver.assert_failed(3006, "Session terminated due to inactivity: No messages received for 5 seconds")


@pytest.mark.parametrize(
    "message",
    [FRAME_100_MS, '{"type":"KeepAlive"}', '{"type":"ForceEndpoint"}'],
    ids=["audio", "keep alive", "force endpoint"],
)
def test_inactivity_any_client_message_resets_it(message: bytes | str) -> None:
    """Audio and every text message count as life."""
    driver = opened("inactivity_timeout=5")
    driver.pass_ms(4_000)
    if isinstance(message, bytes):
        driver.audio(message)
    else:
        driver.text(message)
    assert driver.session.next_deadline_ms() == driver.now_ms + 5_000
    driver.pass_ms(4_999)
    assert driver.state is State.OPEN


def test_inactivity_recogniser_events_do_not_reset_it() -> None:
    """Only the client can show that it lives."""
    driver = listening("inactivity_timeout=5")
    driver.pass_ms(4_000)
    driver.recognized(activity(100))
    driver.pass_ms(1_000)
    assert driver.state is State.FAILED


def test_inactivity_counts_from_begin() -> None:
    """A client that never says anything is inactive, too."""
    driver = opened("inactivity_timeout=5")
    driver.pass_ms(4_999)
    assert driver.state is State.OPEN
    driver.pass_ms(1)
    assert driver.state is State.FAILED


def test_inactivity_not_asked_for_never_closes() -> None:
    """A quiet session lives until it expires."""
    driver = opened()
    driver.pass_ms(10_000_000)
    assert driver.state is State.OPEN


def test_session_expires_after_three_hours() -> None:
    """3008 with the documented words, also for a busy session."""
    driver = opened()
    assert driver.session.next_deadline_ms() == START_MS + 10_800_000
    driver.pass_ms(10_799_999)
    driver.audio(FRAME_100_MS)
    assert driver.state is State.OPEN
    driver.pass_ms(1)
    driver.assert_failed(3008, "Session Expired: Maximum session duration exceeded")


# Failures


def test_backend_lost_before_it_was_ready_is_tried_again_for_thirty_seconds() -> None:
    """A backend that is just restarting is not the client's matter; one that stays away is, vaguely."""
    driver = Driver()
    driver.audio(FRAME_100_MS)
    driver.lose_backend(UpstreamError("UNAVAILABLE: 10.0.0.7 refused"))
    driver.pass_ms(100)
    assert isinstance(driver.outputs[-1], OpenUpstream)
    driver.lose_backend()
    driver.pass_ms(29_900)
    driver.assert_failed(3005, SERVER_FAILURE)


@pytest.mark.parametrize("start", [listening, draining])
def test_backend_refusing_the_session_is_3005_at_once(start: Callable[[], Driver]) -> None:
    """What another stream would meet too is not tried again."""
    driver = start()
    driver.lose_backend(EngineError("INVALID_ARGUMENT: no"))
    driver.assert_failed(3005, SERVER_FAILURE)


@pytest.mark.parametrize("error", [UpstreamError("UNAVAILABLE: gone"), CapacityError("full")])
def test_backend_lost_while_open_keeps_the_session_for_thirty_seconds(error: AppError) -> None:
    """Then it ends with 3005."""
    driver = listening()
    driver.lose_backend(error)
    for _ in range(29):
        driver.pass_ms(1_000)
        if isinstance(driver.outputs[-1], OpenUpstream):
            driver.lose_backend(error)
    assert driver.state is State.OPEN
    driver.pass_ms(1_000)
    driver.assert_failed(3005, SERVER_FAILURE)


def test_backend_lost_while_draining_is_an_error_once_the_client_cannot_wait() -> None:
    """A Termination would say that everything was transcribed, and it was not."""
    driver = draining()
    driver.lose_backend()
    assert driver.state is State.DRAINING
    driver.pass_ms(3_500)
    driver.assert_failed(3005, SERVER_FAILURE)


def test_audio_and_finish_reach_the_backend_that_replaces_a_lost_one() -> None:
    """What the lost stream had is sent again, then the session ends in order."""
    driver = listening()
    driver.audio(bytes(3200), times=2)
    driver.lose_backend()
    driver.audio(bytes(1600))
    driver.text('{"type":"Terminate"}')
    driver.pass_ms(100)
    driver.outputs.clear()
    driver.recognized(ready())
    assert driver.upstream_audio == bytes(3 * 3200 + 1600)  # what listening() sent, too
    assert driver.kinds[-1] == "finish"
    driver.recognized(statistics())
    assert driver.state is State.CLOSED


@pytest.mark.parametrize("start", [listening, draining])
def test_dead_worker_is_replaced_and_never_named(start: Callable[[], Driver]) -> None:
    """The session goes on with another worker; nothing internal reaches the client."""
    driver = start()
    driver.recognized(failed("worker_died"))
    driver.pass_ms(100)
    assert isinstance(driver.outputs[-1], OpenUpstream)
    assert "worker_died" not in json.dumps(driver.messages)


def test_recogniser_ending_early_is_replaced() -> None:
    """A recogniser may not finish a session nobody finished."""
    driver = listening()
    driver.recognized(statistics())
    driver.pass_ms(100)
    assert isinstance(driver.outputs[-1], OpenUpstream)


def test_license_failure_is_3005() -> None:
    """Operators' matters are not the client's."""
    driver = opened()
    driver.session.fail(LicenseError("license failed"))
    driver.collect()
    driver.assert_failed(3005, SERVER_FAILURE)


def test_failure_after_the_end_says_nothing() -> None:
    """A session ends once."""
    driver = listening()
    driver.lose_backend(EngineError("INVALID_ARGUMENT: no"))
    before = list(driver.outputs)
    driver.session.fail(LicenseError("license failed"))
    driver.collect()
    assert driver.outputs == before


# Whatever happens

events = st.sampled_from(
    [ready(), speech_started(), hypothesis("one two"), turn_end("one"), activity(500), statistics(), failed(),
     asr.RecognizeResponse()]
)  # fmt: skip
texts = st.text(max_size=40) | st.sampled_from(
    [
        '{"type":"Terminate"}', '{"type":"KeepAlive"}', '{"type":"ForceEndpoint"}', '{"type":"UpdateConfiguration"}',
        '{"type":"UpdateConfiguration","min_turn_silence":100,"mode":"min_latency"}',
        '{"type":"UpdateConfiguration","vad_threshold":9}', '{"type":"x"}', "[" * 3000,
    ]
)  # fmt: skip
steps = st.one_of(
    st.tuples(st.just("audio"), st.sampled_from([b"", b"\0", bytes(640), bytes(3200), bytes(33_000)])),
    st.tuples(st.just("text"), texts),
    st.tuples(st.just("recognized"), events),
    st.tuples(st.just("lose_backend"), st.sampled_from([UpstreamError("x"), CapacityError("x")])),
    st.tuples(st.just("pass_ms"), st.sampled_from([0, 100, 3_500, 6_000, 11_000, 10_800_000])),
    st.tuples(st.just("drain"), st.sampled_from([0, 5_000])),
    st.tuples(st.just("gone"), st.none()),
)


@given(
    st.lists(steps, max_size=25),
    st.booleans(),
    st.sampled_from([ENGLISH, PRO]),
    st.sampled_from(["", "inactivity_timeout=5"]),
)
def test_session_any_sequence_stays_in_its_table(
    sequence: list[tuple[str, Any]], begins: bool, model: ChosenModel, query: str
) -> None:
    """No sequence of inputs leaves the table, speaks before Begin, ends twice or speaks after the end."""
    driver = listening(query, model) if begins else Driver(query, model)
    for name, argument in sequence:
        before, said = driver.state, len(driver.outputs)
        if name == "gone":
            driver.session.receive_disconnect()
            driver.collect()
        else:
            getattr(driver, name)(argument)
        assert driver.state is before or driver.state in ALLOWED[before]
        if before in ENDED:
            assert driver.state is before
            assert len(driver.outputs) == said
            assert driver.session.next_deadline_ms() is None
    kinds = [message["type"] for message in driver.messages]
    assert kinds[0] == "Begin"
    assert kinds.count("Begin") == 1
    last = [kind for kind in kinds if kind in ("Termination", "Error")]
    assert len(last) <= 1
    assert not last or kinds[-1] == last[0]
    closes = [output for output in driver.outputs if isinstance(output, CloseClient)]
    assert len(closes) <= 1
    assert bool(closes) is bool(last)


@given(st.text())
def test_session_any_text_frame_is_obeyed_or_refused(frame: str) -> None:
    """No text frame raises; what is not understood is 3006."""
    driver = opened()
    driver.text(frame)
    assert driver.state in (State.OPEN, State.DRAINING, State.FAILED)
    if driver.state is State.FAILED:
        assert driver.messages[-1]["error_code"] == 3006


@given(st.lists(st.integers(0, 3300), min_size=1, max_size=30))
def test_session_audio_however_cut_arrives_whole(lengths: list[int]) -> None:
    """Every byte but a last odd one reaches the recogniser, in order, in whole samples."""
    driver = opened()
    data = bytes(index % 251 for index in range(sum(lengths)))
    at = 0
    for length in lengths:
        driver.audio(data[at : at + length])
        at += length
    assert driver.upstream_audio == data[: len(data) - len(data) % 2]
    assert all(len(request.audio) % 2 == 0 for request in driver.requests)
    assert driver.session.received_audio_ms == round(len(data) / 32)


def test_session_parameters_are_kept_as_given() -> None:
    """The shell's views read what the client asked for."""
    assert Driver("max_turn_silence=900").session.parameters == SessionParameters(
        turns=TurnOptions(max_turn_silence_ms=900)
    )
