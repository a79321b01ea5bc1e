"""Who may open a connection to a worker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.door import REFUSED_AT_ONCE, REPORT_INTERVAL_MS, Door, DoorLimits, Verdict, Visit, address_group

HERE, THERE = "192.0.2.1", "192.0.2.2"
FEW_FILES = 10


def door(sockets: int = 1_000, per_address: int = 0, handshakes: int = 0, descriptors: int = 20_000) -> Door:
    """Return a door with these limits."""
    return Door(DoorLimits(sockets, per_address, handshakes, descriptors))


def arrivals(at: Door, count: int, host: str = HERE, *, settled: bool = True) -> list[Visit]:
    """Let connections arrive, and end their handshakes."""
    visits = [at.arrive(host, FEW_FILES) for _ in range(count)]
    for visit in visits:
        if settled:
            at.settle(visit)
    return visits


def test_door_below_every_limit_admits() -> None:
    """The last connection within the limits is as welcome as the first."""
    visits = arrivals(door(sockets=5, per_address=5, handshakes=5), 5, settled=False)
    assert {visit.verdict for visit in visits} == {Verdict.ADMIT}


def test_door_more_sockets_than_allowed_is_full() -> None:
    """Whatever address it comes from, one connection too many is told that the worker is full."""
    full = door(sockets=3)
    arrivals(full, 3)
    assert full.arrive(THERE, FEW_FILES).verdict is Verdict.FULL


def test_door_flood_above_the_limit_is_dropped() -> None:
    """Only so many connections above the limit are spoken to."""
    full = door(sockets=3)
    verdicts = [visit.verdict for visit in arrivals(full, 3 + REFUSED_AT_ONCE + 2)]
    assert verdicts[3:-2] == [Verdict.FULL] * REFUSED_AT_ONCE
    assert verdicts[-2:] == [Verdict.DROP] * 2


@pytest.mark.parametrize(
    ("descriptor", "verdict"), [(899, Verdict.ADMIT), (900, Verdict.FULL), (969, Verdict.FULL), (970, Verdict.DROP)]
)
def test_door_files_run_out_leaves_a_rest(descriptor: int, verdict: Verdict) -> None:
    """Nine tenths of the open files are for sessions, a little more for refusals, the rest for the program itself."""
    assert door(descriptors=1_000).arrive(HERE, descriptor).verdict is verdict


def test_door_too_many_sockets_of_one_address_leaves_others_alone() -> None:
    """An address that has its share is refused, another one is not."""
    busy = door(per_address=2)
    arrivals(busy, 2)
    assert busy.arrive(HERE, FEW_FILES).verdict is Verdict.CROWDED
    assert busy.arrive(THERE, FEW_FILES).verdict is Verdict.ADMIT


def test_door_too_many_handshakes_of_one_address_leaves_others_alone() -> None:
    """Unfinished handshakes count for the address that does not finish them."""
    busy = door(handshakes=2)
    arrivals(busy, 2, settled=False)
    assert busy.arrive(HERE, FEW_FILES).verdict is Verdict.HURRIED
    assert busy.arrive(THERE, FEW_FILES).verdict is Verdict.ADMIT


def test_door_handshake_flood_of_one_address_is_dropped() -> None:
    """Refusals that the address does not take are handshakes too; at twice the limit nobody answers."""
    busy = door(handshakes=2)
    verdicts = [visit.verdict for visit in arrivals(busy, 6, settled=False)]
    assert verdicts == [Verdict.ADMIT] * 2 + [Verdict.HURRIED] * 2 + [Verdict.DROP] * 2


def test_door_finished_handshakes_make_room() -> None:
    """A handshake that is over, once or told twice, counts no more."""
    busy = door(handshakes=1)
    for _ in range(5):
        visit = busy.arrive(HERE, FEW_FILES)
        assert visit.verdict is Verdict.ADMIT
        busy.settle(visit)
        busy.settle(visit)


def test_door_leaving_makes_room() -> None:
    """A connection that ends, in its handshake or after it, gives its place back."""
    full = door(sockets=1, per_address=1, handshakes=1)
    for is_settled in (True, False, True):
        (visit,) = arrivals(full, 1, settled=is_settled)
        assert visit.verdict is Verdict.ADMIT
        full.leave(visit)
    assert full.sockets == 0


def test_door_without_limits_per_address_admits_all_of_one() -> None:
    """0 means no limit: the clients of a load balancer share an address."""
    visits = arrivals(door(sockets=3_000), 3_000, settled=False)
    assert {visit.verdict for visit in visits} == {Verdict.ADMIT}


def test_door_report_counts_refusals_by_verdict_and_not_too_often() -> None:
    """Operators learn how many were refused and why, at most once in ten seconds."""
    full = door(sockets=1, handshakes=0)
    assert full.take_report(0) == {}
    arrivals(full, 3)
    assert full.take_report(5) == {Verdict.FULL.value: 2}
    arrivals(full, 1)
    assert full.take_report(5 + REPORT_INTERVAL_MS - 1) == {}
    assert full.take_report(5 + REPORT_INTERVAL_MS) == {Verdict.FULL.value: 1}
    assert full.take_report(5 + 3 * REPORT_INTERVAL_MS) == {}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::1", "127.0.0.1", False),
        ("", "192.0.2.1", False),
    ],
)
def test_address_group_is_one_subscriber(one: str, other: str, *, same: bool) -> None:
    """An IPv4 address counts alone, also when it is mapped; whoever has an IPv6 address has all of its /64."""
    assert (address_group(one) == address_group(other)) is same


@given(st.lists(st.tuples(st.sampled_from(["arrive", "settle", "leave"]), st.integers(0, 5)), max_size=120))
def test_door_any_order_of_events_ends_with_nobody_there(events: list[tuple[str, int]]) -> None:
    """Counts never run off: when all have left, the door admits as on the first day."""
    tested = door(sockets=4, per_address=3, handshakes=2)
    there: list[Visit] = []
    for event, number in events:
        if event == "arrive":
            there.append(tested.arrive(f"192.0.2.{number % 2}", FEW_FILES))
        elif there:
            visit = there[number % len(there)]
            if event == "settle":
                tested.settle(visit)
            else:
                there.remove(visit)
                tested.leave(visit)
        assert tested.sockets == len(there)
    for visit in there:
        tested.leave(visit)
    assert {visit.verdict for visit in arrivals(tested, 2, "192.0.2.0", settled=False)} == {Verdict.ADMIT}
    assert tested.sockets == 2
