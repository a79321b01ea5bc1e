"""When a gateway serves, from what the license proxy last said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.license_gate import LicenseGate, Verdict

GRACE_MS = 900_000
STARTUP_LIMIT_MS = 60_000


def gate(grace_ms: int = GRACE_MS) -> LicenseGate:
    """Return a gate that starts at time 0."""
    return LicenseGate(grace_ms, STARTUP_LIMIT_MS, 0)


def test_gate_nothing_heard_waits() -> None:
    """No session before the first good state."""
    assert gate().verdict(STARTUP_LIMIT_MS) is Verdict.WAITING


@pytest.mark.parametrize("state", ["Ready", "unheard of", ""])
def test_gate_state_that_is_not_good_waits(state: str) -> None:
    """A proxy that is still checking its license lets nothing through."""
    waiting = gate()
    waiting.receive_state(state, 1)
    assert waiting.verdict(2) is Verdict.WAITING
    assert not waiting.ever_served


@pytest.mark.parametrize("state", ["Connected", "TrustBased"])
def test_gate_good_state_serves(state: str) -> None:
    """Connected and TrustBased both serve."""
    serving = gate()
    serving.receive_state(state, 1)
    assert serving.verdict(2) is Verdict.SERVING
    assert serving.ever_served
    assert serving.proxy_state == state


def test_gate_failed_state_is_final() -> None:
    """A failed license stops the gateway, whatever the proxy says later."""
    failed = gate()
    failed.receive_state("Connected", 1)
    failed.receive_state("Failed", 2)
    failed.receive_state("Connected", 3)
    assert failed.verdict(4) is Verdict.FAILED


def test_gate_startup_limit_passed_is_final() -> None:
    """A proxy that comes too late finds the gateway already on its way out."""
    late = gate()
    assert late.verdict(STARTUP_LIMIT_MS + 1) is Verdict.FAILED
    late.receive_state("Connected", STARTUP_LIMIT_MS + 2)
    assert late.verdict(STARTUP_LIMIT_MS + 3) is Verdict.FAILED


def test_gate_proxy_unreachable_serves_through_the_grace() -> None:
    """A silent proxy is ridden out for the grace, counted from the last good answer."""
    alone = gate()
    alone.receive_state("Connected", 1_000)
    alone.receive_silence()
    assert alone.proxy_state == "unreachable"
    assert alone.verdict(1_000 + GRACE_MS) is Verdict.SERVING
    assert alone.verdict(1_000 + GRACE_MS + 1) is Verdict.FAILED


def test_gate_proxy_back_within_the_grace_starts_it_anew() -> None:
    """Each good answer renews the grace."""
    renewed = gate()
    renewed.receive_state("Connected", 0)
    renewed.receive_silence()
    renewed.receive_state("TrustBased", GRACE_MS)
    renewed.receive_silence()
    assert renewed.verdict(2 * GRACE_MS) is Verdict.SERVING


def test_gate_no_grace_serves_between_good_answers() -> None:
    """Without grace the first silence stops the gateway, but time between two good answers does not."""
    strict = gate(grace_ms=0)
    strict.receive_state("Connected", 0)
    assert strict.verdict(2_000) is Verdict.SERVING
    strict.receive_silence()
    assert strict.verdict(2_001) is Verdict.FAILED


inputs = st.lists(
    st.tuples(st.sampled_from(["Connected", "TrustBased", "Ready", "Failed", None]), st.integers(0, GRACE_MS))
)


@given(inputs)
def test_gate_any_sequence_failed_is_final(steps: list[tuple[str | None, int]]) -> None:
    """Once FAILED, no sequence of answers serves again."""
    any_gate, now_ms, failed = gate(), 0, False
    for state, pause_ms in steps:
        now_ms += pause_ms
        if state is None:
            any_gate.receive_silence()
        else:
            any_gate.receive_state(state, now_ms)
        verdict = any_gate.verdict(now_ms)
        assert verdict is Verdict.FAILED or not failed
        failed = verdict is Verdict.FAILED
