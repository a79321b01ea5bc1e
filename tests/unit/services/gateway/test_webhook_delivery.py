"""Attempts of one webhook: which are followed by another, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.webhook_delivery import LONGEST_PAUSE_S, MAX_ATTEMPTS, Delivery, Progress


def after(*statuses: int) -> Delivery:
    """Return a delivery that got these answers."""
    delivery = Delivery()
    for status in statuses:
        assert delivery.progress is Progress.UNDER_WAY
        delivery.receive_status(status)
    return delivery


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_delivery_any_success_ends_it(status: int) -> None:
    """2xx, after whatever came before."""
    delivery = after(500, status)
    assert (delivery.progress, delivery.attempts) == (Progress.DELIVERED, 2)


@pytest.mark.parametrize("status", [400, 401, 404, 408, 410, 429, 499])
def test_delivery_any_client_error_ends_it(status: int) -> None:
    """The receiver does not want it."""
    delivery = after(500, status)
    assert (delivery.progress, delivery.cause) == (Progress.GIVEN_UP, f"status {status}")


@pytest.mark.parametrize("status", [199, 301, 302, 307, 308, 500, 502, 503, 599])
def test_delivery_other_status_is_tried_again(status: int) -> None:
    """A redirect is not followed, and is no success."""
    assert after(status).progress is Progress.UNDER_WAY


def test_delivery_ten_failures_end_it() -> None:
    """Of either kind; nine do not."""
    delivery = after(*[500] * (MAX_ATTEMPTS - 2))
    delivery.receive_failure("TimeoutError")
    assert delivery.progress is Progress.UNDER_WAY
    delivery.receive_failure("TimeoutError")
    assert (delivery.progress, delivery.attempts, delivery.cause) == (Progress.GIVEN_UP, MAX_ATTEMPTS, "TimeoutError")
    assert after(*[500] * MAX_ATTEMPTS).progress is Progress.GIVEN_UP


def test_delivery_final_failure_ends_it_at_once() -> None:
    """Where no repetition can help."""
    delivery = Delivery()
    delivery.receive_failure("forbidden address", is_final=True)
    assert (delivery.progress, delivery.attempts) == (Progress.GIVEN_UP, 1)


def test_delivery_given_up_from_outside_keeps_the_last_cause() -> None:
    """An operator sees both."""
    delivery = after(503)
    delivery.give_up("the program stops")
    assert (delivery.progress, delivery.cause) == (Progress.GIVEN_UP, "the program stops, after status 503")
    untried = Delivery()
    untried.give_up("the program stops")
    assert untried.cause == "the program stops"


def test_delivery_pauses_double_up_to_a_minute() -> None:
    """Without jitter: 243 s in all."""
    pauses = [after(*[500] * attempts).pause_s(0.0) for attempts in range(1, MAX_ATTEMPTS)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.integers(1, MAX_ATTEMPTS - 1), st.floats(0, 1))
def test_delivery_pause_is_shortened_by_at_most_a_half(attempts: int, jitter: float) -> None:
    """Jitter never lengthens a pause, and never takes it away."""
    delivery = after(*[500] * attempts)
    longest_s = delivery.pause_s(0.0)
    assert longest_s / 2 <= delivery.pause_s(jitter) <= longest_s <= LONGEST_PAUSE_S
