"""How many messages a client may send."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.message_rate import MessageRate

PER_S, BURST = 20, 100


def test_rate_burst_after_a_pause_is_allowed_and_no_more() -> None:
    """A full bucket lets its burst through at once, and then one message for each twentieth of a second."""
    rate = MessageRate(PER_S, BURST)
    assert all(rate.allows(5_000) for _ in range(BURST))
    assert not rate.allows(5_000)
    assert not rate.allows(5_049)
    assert rate.allows(5_050)
    assert not rate.allows(5_050)


def test_rate_steady_messages_are_allowed_for_ever() -> None:
    """Whoever keeps to the rate never runs dry."""
    rate = MessageRate(PER_S, BURST)
    assert all(rate.allows(now_ms) for now_ms in range(0, 600_000, 1_000 // PER_S))


def test_rate_long_pause_earns_one_burst_only() -> None:
    """Tokens above the burst are lost."""
    rate = MessageRate(PER_S, BURST)
    assert rate.allows(0)
    assert sum(rate.allows(3_600_000) for _ in range(2 * BURST)) == BURST


def test_rate_clock_that_stands_still_or_steps_back_earns_nothing() -> None:
    """Time that does not pass brings no tokens and takes none."""
    rate = MessageRate(PER_S, 2)
    assert rate.allows(1_000)
    assert rate.allows(900)
    assert not rate.allows(900)


@given(st.lists(st.integers(0, 400), max_size=400))
def test_rate_any_stretch_of_time_has_at_most_burst_and_rate(pauses_ms: list[int]) -> None:
    """Between any two moments no more messages pass than the burst and what the rate earns in between."""
    rate = MessageRate(PER_S, 10)
    now_ms, allowed_at_ms = 0, []
    for pause_ms in pauses_ms:
        now_ms += pause_ms
        if rate.allows(now_ms):
            allowed_at_ms.append(now_ms)
    for first, start_ms in enumerate(allowed_at_ms):
        for last in range(first, len(allowed_at_ms)):
            passed = last - first + 1
            assert passed <= 10 + (allowed_at_ms[last] - start_ms) * PER_S / 1_000 + 1e-6
