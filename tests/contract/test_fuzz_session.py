"""Fuzzed clients and recognisers against the session core: nothing raises, and the client hears only the protocol."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos import asr_v1_pb2 as asr
from protos.session_v3 import Error
from runtime.errors import CapacityError, InvalidInput, UpstreamError
from services.gateway.models import ChosenModel
from tests.support.fuzzed_input import CASES, binary_messages, client_texts, encodings, queries, recognizer_events
from tests.support.protocol_referee import SERVER_FAILURE
from tests.support.session_driver import ENGLISH, PRO, SessionDriver

HALF_A_SECOND = bytes(16_000)
ON_REQUEST = "&session_heartbeat=true&acknowledge_silence=true"
FUZZ = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
models = st.sampled_from((ENGLISH, PRO))
message_rules = st.sampled_from(
    (
        "",
        "&format_turns=true",
        "&filter_profanity=true",
        "&language_detection=true",
        "&redact_pii=true&redact_pii_policies=phone_number,email_address&include_partial_turns=true",
    )
)


class Conversations:
    """Sessions one after the other: whenever one ends, the next input meets a new one.

    Attributes:
        ends: how many ended with which close code.
    """

    def __init__(self, query: str, model: ChosenModel, *, answers: bool = True) -> None:
        self._query = query
        self._model = model
        self._answers = answers
        self.ends: Counter[int] = Counter()
        self._driver: SessionDriver | None = None

    @property
    def driver(self) -> SessionDriver:
        """A session that is open; a new one has heard some audio."""
        if self._driver is not None and self._driver.is_open:
            return self._driver
        self.finish()
        self._driver = SessionDriver(self._query, self._model, answers=self._answers)
        self._driver.audio(HALF_A_SECOND)
        return self._driver

    def finish(self) -> None:
        """End the last session."""
        if self._driver is not None:
            self.ends[self._driver.finish()] += 1


def test_fuzzed_cases_are_20_000_in_all() -> None:
    """Each test counts its own; together they are as many as promised."""
    assert sum(CASES) >= 20_000


def test_any_message_of_a_client_leads_to_a_documented_end() -> None:
    """Every message meets an open session, which goes on or says what was wrong."""
    tried, ends = 0, Counter[int]()

    @settings(FUZZ, max_examples=CASES.client_messages // 20)
    @given(models, st.lists(client_texts, min_size=20, max_size=24))
    def check(model: ChosenModel, texts: list[str]) -> None:
        nonlocal tried
        conversations = Conversations(f"sample_rate=16000{ON_REQUEST}", model)
        for text in texts:
            conversations.driver.text(text)
            conversations.driver.pass_time(700)
            tried += 1
        conversations.finish()
        ends.update(conversations.ends)

    check()
    assert tried >= CASES.client_messages
    assert ends.keys() == {1000, 3006}, ends


def test_any_query_string_is_obeyed_or_refused() -> None:
    """A refusal is 3006 with a text that can be sent; an accepted session takes audio and ends in order."""
    tried, ends = 0, Counter[int]()

    @settings(FUZZ, max_examples=CASES.queries // 10)
    @given(models, st.lists(queries, min_size=10, max_size=12))
    def check(model: ChosenModel, strings: list[str]) -> None:
        nonlocal tried
        for query in strings:
            tried += 1
            try:
                driver = SessionDriver(query, model)
            except InvalidInput as error:
                Error(error_code=error.close_code, error=str(error)).encode()
                ends[error.close_code] += 1
                continue
            driver.audio(bytes(3_200))
            ends[driver.finish()] += 1

    check()
    assert tried >= CASES.queries
    assert ends.keys() == {1000, 3006}, ends


@settings(FUZZ, max_examples=150)
@given(encodings, st.lists(binary_messages, max_size=12), st.booleans())
def test_any_binary_messages_lead_to_a_documented_end(encoding: str, messages: list[bytes], waits: bool) -> None:
    """Whatever the bytes are, they are audio, or are refused as no audio of that encoding."""
    driver = SessionDriver(encoding)
    for message in messages:
        driver.audio(message)
        driver.pass_time(100 * waits)
    assert driver.finish() in {1000, 3006, 3007}


def test_any_event_of_a_recognizer_leaves_the_client_with_the_protocol() -> None:
    """Events in any order with any values never raise, and the client gets whole, ordered, finite messages."""
    tried, ends = 0, Counter[int]()
    losses = st.sampled_from((UpstreamError("gone"), CapacityError("full")))
    ready = asr.RecognizeResponse(ready=asr.Ready(engine="broken"))
    others = (st.integers(1, 6_000), st.just(HALF_A_SECOND), st.just('{"type": "ForceEndpoint"}'), losses)
    steps = st.one_of(*[recognizer_events] * 12, *others)

    @settings(FUZZ, max_examples=CASES.recognizer_events // 8)
    @given(models, message_rules, st.booleans(), st.lists(steps, min_size=10, max_size=20))
    def check(model: ChosenModel, rules: str, is_ready: bool, script: list[Any]) -> None:
        nonlocal tried
        conversations = Conversations(f"sample_rate=16000{ON_REQUEST}{rules}", model, answers=False)
        for step in script:
            driver = conversations.driver
            if not driver.is_streaming:
                driver.pass_time(1_000)  # after which a lost stream is opened again
            if is_ready:
                driver.recognized(ready)
            match step:
                case asr.RecognizeResponse():
                    tried += driver.is_streaming
                    driver.recognized(step)
                case int():
                    driver.pass_time(step)
                case bytes():
                    driver.audio(step)
                case str():
                    driver.text(step)
                case _:
                    driver.lose_stream(step)
        conversations.finish()
        ends.update(conversations.ends)

    check()
    assert tried >= CASES.recognizer_events
    assert {1000, SERVER_FAILURE} <= ends.keys() <= {1000, SERVER_FAILURE, 3009}, ends
