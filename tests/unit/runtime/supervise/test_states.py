"""The table of process states."""

from __future__ import annotations

import pytest
from supervisor.states import ProcessStates

from runtime.supervise.states import ALIVE, AT_REST, EDGES, STATE_BY_CODE, WANTED, ProcessState, may_follow


def test_states_are_supervisords_own() -> None:
    """Names and codes equal those of the installed supervisor."""
    theirs = {code: name for name, code in vars(ProcessStates).items() if not name.startswith("_")}
    assert {code: str(state) for code, state in STATE_BY_CODE.items()} == theirs


def test_sets_cover_every_state() -> None:
    """Each state either has, or may get, a process, or is at rest; none is both."""
    assert set(ProcessState) == ALIVE | WANTED | AT_REST
    assert not AT_REST & (ALIVE | WANTED)


@pytest.mark.parametrize(("old", "new"), [(old, new) for old, targets in EDGES.items() for new in targets])
def test_edge_in_the_table_is_allowed(old: ProcessState, new: ProcessState) -> None:
    """Every listed edge may be taken."""
    assert may_follow(old, new)


def test_edge_outside_the_table_is_not_allowed() -> None:
    """A stopping process never runs again by itself, and nothing skips STARTING."""
    assert not may_follow(ProcessState.STOPPING, ProcessState.RUNNING)
    assert not may_follow(ProcessState.STOPPED, ProcessState.RUNNING)


def test_every_way_to_running_leads_through_starting() -> None:
    """RUNNING has one predecessor."""
    assert [old for old in ProcessState if ProcessState.RUNNING in EDGES[old]] == [ProcessState.STARTING]
