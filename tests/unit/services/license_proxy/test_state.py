"""The license state machine: one test per edge, then its invariants under any history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protos.license_v1 import SERVING_STATES, LicenseState
from services.license_proxy.state import ALLOWED_EDGES, LicenseStateMachine, Transition, Trust

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
WINDOW_US = 96 * HOUR_US
START_US = 1_760_000_000 * SECOND_US
EXPIRES_US = START_US + 1000 * HOUR_US


def _succeed(machine: LicenseStateMachine, now_us: int = START_US, license_id: str = "lic_1") -> None:
    machine.receive_success(now_us, license_id, EXPIRES_US, WINDOW_US)


def _connected() -> LicenseStateMachine:
    machine = LicenseStateMachine()
    _succeed(machine)
    machine.take_output()
    return machine


def _trust_based() -> LicenseStateMachine:
    machine = _connected()
    machine.receive_failure(START_US + HOUR_US, "unreadable")
    machine.take_output()
    return machine


def _failed() -> LicenseStateMachine:
    machine = _trust_based()
    machine.receive_failure(START_US + WINDOW_US, "unreadable")
    machine.take_output()
    return machine


def test_machine_before_a_check_is_ready_without_trust() -> None:
    """Nothing is claimed before anything was checked."""
    machine = LicenseStateMachine()
    assert (machine.state, machine.trust, machine.take_output()) == (LicenseState.READY, None, [])


def test_ready_success_is_connected() -> None:
    """A first success connects and starts the trust window."""
    machine = LicenseStateMachine()
    _succeed(machine)
    assert machine.trust == Trust(START_US, START_US + WINDOW_US)
    assert machine.take_output() == [Transition(LicenseState.READY, LicenseState.CONNECTED, START_US, "")]


def test_ready_failure_with_trust_of_an_earlier_run_is_trust_based() -> None:
    """Trust carried over from before a restart is honoured to its old end."""
    trust = Trust(START_US - HOUR_US, START_US + HOUR_US)
    machine = LicenseStateMachine(trust)
    machine.receive_failure(START_US, "expired")
    assert (machine.state, machine.trust) == (LicenseState.TRUST_BASED, trust)


def test_ready_failure_without_trust_is_failed() -> None:
    """Without trust a first failure fails."""
    machine = LicenseStateMachine()
    machine.receive_failure(START_US, "unreadable")
    assert machine.take_output() == [Transition(LicenseState.READY, LicenseState.FAILED, START_US, "unreadable")]


def test_ready_failure_with_used_up_trust_is_failed() -> None:
    """Trust that ended while the program was down is not renewed by the start."""
    machine = LicenseStateMachine(Trust(START_US - WINDOW_US, START_US))
    machine.receive_failure(START_US, "expired")
    assert machine.state is LicenseState.FAILED


def test_connected_failure_is_trust_based_with_unmoved_expiration() -> None:
    """A failing check starts using up trust and never moves its end."""
    machine = _connected()
    machine.receive_failure(START_US + HOUR_US, "unreadable")
    assert (machine.state, machine.trust) == (LicenseState.TRUST_BASED, Trust(START_US, START_US + WINDOW_US))


def test_connected_failure_after_the_window_is_failed() -> None:
    """With no trust left, as with a window of zero, a failing check fails at once."""
    machine = LicenseStateMachine()
    machine.receive_success(START_US, "lic_1", EXPIRES_US, 0)
    assert machine.state is LicenseState.CONNECTED
    machine.receive_failure(START_US + 1, "unreadable")
    assert machine.state is LicenseState.FAILED


def test_connected_success_renews_trust_without_a_transition() -> None:
    """Each success moves the end of trust and changes no state."""
    machine = _connected()
    _succeed(machine, START_US + HOUR_US)
    assert machine.trust == Trust(START_US + HOUR_US, START_US + HOUR_US + WINDOW_US)
    assert machine.take_output() == []


def test_connected_as_time_passes_stays_connected() -> None:
    """Only a failing check leaves Connected, never time alone."""
    machine = _connected()
    machine.tick(START_US + 10 * WINDOW_US)
    assert machine.state is LicenseState.CONNECTED


def test_success_near_the_end_of_the_license_counts_trust_from_that_end() -> None:
    """Trust is counted from the earlier of last success and expiry."""
    machine = LicenseStateMachine()
    machine.receive_success(EXPIRES_US + 30 * SECOND_US, "lic_1", EXPIRES_US, WINDOW_US)
    assert machine.trust == Trust(EXPIRES_US + 30 * SECOND_US, EXPIRES_US + WINDOW_US)


def test_trust_based_success_is_connected() -> None:
    """A success ends the use of trust."""
    machine = _trust_based()
    _succeed(machine, START_US + 2 * HOUR_US)
    assert machine.state is LicenseState.CONNECTED


def test_trust_based_failure_just_before_the_end_stays_and_at_the_end_fails() -> None:
    """Trust ends exactly at its expiration."""
    machine = _trust_based()
    machine.receive_failure(START_US + WINDOW_US - 1, "unreadable")
    assert machine.state is LicenseState.TRUST_BASED
    machine.receive_failure(START_US + WINDOW_US, "unreadable")
    assert machine.state is LicenseState.FAILED


def test_trust_based_as_time_passes_fails_at_the_end() -> None:
    """Trust runs out between checks, too."""
    machine = _trust_based()
    machine.tick(START_US + WINDOW_US - 1)
    assert machine.take_output() == []
    machine.tick(START_US + WINDOW_US)
    assert machine.state is LicenseState.FAILED


def test_failed_success_is_connected() -> None:
    """A renewed license brings the stack back."""
    machine = _failed()
    _succeed(machine, START_US + 2 * WINDOW_US)
    assert machine.state is LicenseState.CONNECTED


def test_failed_failure_stays_failed_even_when_the_clock_went_back() -> None:
    """No failing check leaves Failed, whatever time it claims."""
    machine = _failed()
    machine.receive_failure(START_US + HOUR_US, "unreadable")
    assert (machine.state, machine.take_output()) == (LicenseState.FAILED, [])


def test_revocation_in_every_state_is_failed() -> None:
    """Revocation skips the trust window wherever it arrives."""
    for machine in (LicenseStateMachine(), _connected(), _trust_based(), _failed()):
        machine.receive_revocation(START_US + HOUR_US, "lic_1")
        assert machine.state is LicenseState.FAILED


def test_revoked_license_is_never_accepted_again_but_another_is() -> None:
    """Revocation is remembered for its license alone."""
    machine = _connected()
    machine.receive_revocation(START_US, "lic_1")
    trust = machine.trust
    _succeed(machine, START_US + HOUR_US)
    assert (machine.state, machine.trust) == (LicenseState.FAILED, trust)
    _succeed(machine, START_US + HOUR_US, "lic_2")
    assert machine.state is LicenseState.CONNECTED
    _succeed(machine, START_US + 2 * HOUR_US, "lic_1")
    assert machine.state is LicenseState.FAILED


def test_license_revoked_in_an_earlier_run_is_not_accepted() -> None:
    """A restart does not forget a revocation."""
    machine = LicenseStateMachine(revoked=frozenset({"lic_1"}))
    _succeed(machine)
    assert (machine.state, machine.trust) == (LicenseState.FAILED, None)


_TIMES = st.integers(START_US - WINDOW_US, START_US + 3 * WINDOW_US)
_IDS = st.sampled_from(["lic_1", "lic_2"])
_EVENTS = st.one_of(
    st.tuples(st.just("success"), _TIMES, _IDS, _TIMES, st.sampled_from([0, HOUR_US, WINDOW_US])),
    st.tuples(st.just("failure"), _TIMES),
    st.tuples(st.just("revocation"), _TIMES, _IDS),
    st.tuples(st.just("tick"), _TIMES),
)
_STARTS = st.one_of(st.none(), st.builds(Trust, last_success_us=_TIMES, expiration_us=_TIMES))


def _feed(machine: LicenseStateMachine, event: tuple[object, ...]) -> None:
    match event:
        case ("success", int(now_us), str(license_id), int(expires_us), int(window_us)):
            machine.receive_success(now_us, license_id, expires_us, window_us)
        case ("failure", int(now_us)):
            machine.receive_failure(now_us, "unreadable")
        case ("revocation", int(now_us), str(license_id)):
            machine.receive_revocation(now_us, license_id)
        case ("tick", int(now_us)):
            machine.tick(now_us)


@given(trust=_STARTS, events=st.lists(_EVENTS, max_size=30))
def test_machine_under_any_history_keeps_its_table_and_invariants(
    trust: Trust | None, events: list[tuple[object, ...]]
) -> None:
    """Whatever happens, and however clocks jump, edges are allowed, only successes move trust, revocation is final."""
    machine = LicenseStateMachine(trust)
    for event in events:
        before, old_state = machine.trust, machine.state
        known_revoked = machine.revoked
        _feed(machine, event)
        transitions = machine.take_output()
        assert all((move.old, move.new) in ALLOWED_EDGES for move in transitions)
        assert len(transitions) == (machine.state is not old_state)
        assert known_revoked <= machine.revoked
        is_success = event[0] == "success" and event[2] not in known_revoked
        if not is_success:
            assert machine.trust == before
            assert machine.state is not LicenseState.CONNECTED or old_state is LicenseState.CONNECTED
            if old_state is LicenseState.FAILED:
                assert machine.state is LicenseState.FAILED
        else:
            assert machine.trust is not None
            assert machine.trust.expiration_us <= int(str(event[1])) + WINDOW_US
        if machine.state in SERVING_STATES:
            assert machine.trust is not None
