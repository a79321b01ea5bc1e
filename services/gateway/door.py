"""Who may open a connection to this worker: counts of sockets and unfinished handshakes, without any I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Address

# The kernel hands out the lowest free number, so a socket numbered n means that n files are open.
DESCRIPTORS_FOR_SESSIONS = 0.9
DESCRIPTORS_FOR_REFUSALS = 0.97
# Sockets above the limit that are still told why, and can ask for health.
REFUSED_AT_ONCE = 64
# An address gets this many times its unfinished handshakes before nobody answers any more.
PATIENCE_FACTOR = 2
REPORT_INTERVAL_MS = 10_000


class Verdict(Enum):
    """What happens to a new connection."""

    ADMIT = "admitted"
    FULL = "worker full"  # its request is read and answered 503, health excepted
    CROWDED = "too many sockets of one address"  # the same with 429
    HURRIED = "too many handshakes of one address"  # 429 at once
    DROP = "dropped"  # closed without a word


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """What one worker holds.

    Attributes:
        sockets: connections of all kinds.
        sockets_per_address: of them, from one address; 0 for no limit.
        handshakes_per_address: of them, not upgraded or refused yet; 0 for no limit.
        descriptors: files the process may have open, from the kernel.
    """

    sockets: int
    sockets_per_address: int
    handshakes_per_address: int
    descriptors: int


@dataclass(eq=False, slots=True)
class Visit:
    """One connection, from its arrival until it leaves."""

    address: str
    verdict: Verdict = Verdict.DROP
    is_shaking_hands: bool = True


@dataclass(slots=True)
class _Caller:
    sockets: int = 0
    handshakes: int = 0


@dataclass(slots=True)
class _Refusals:
    since_report: Counter[Verdict] = field(default_factory=Counter)
    reported_ms: int | None = None


class Door:
    """Counts visits and judges each when it arrives."""

    def __init__(self, limits: DoorLimits) -> None:
        """Start with nobody there."""
        self._limits = limits
        self._callers: dict[str, _Caller] = {}
        self._refusals = _Refusals()
        self.sockets = 0

    def arrive(self, host: str, descriptor: int) -> Visit:
        """Count a new connection, whatever becomes of it; it must leave later.

        Args:
            host: address of the peer.
            descriptor: number of its socket in this process.
        """
        visit = Visit(address_group(host))
        caller = self._callers.setdefault(visit.address, _Caller())
        self.sockets += 1
        caller.sockets += 1
        caller.handshakes += 1
        visit.verdict = self._judge(caller, descriptor)
        if visit.verdict is not Verdict.ADMIT:
            self._refusals.since_report[visit.verdict] += 1
        return visit

    def settle(self, visit: Visit) -> None:
        """Take the end of a handshake, good or bad; a second time does nothing."""
        if visit.is_shaking_hands:
            visit.is_shaking_hands = False
            self._callers[visit.address].handshakes -= 1

    def leave(self, visit: Visit) -> None:
        """Take the end of a connection."""
        self.settle(visit)
        self.sockets -= 1
        caller = self._callers[visit.address]
        caller.sockets -= 1
        if caller.sockets == 0:
            del self._callers[visit.address]

    def take_report(self, now_ms: int) -> dict[str, int]:
        """Return how many connections were refused since the last report, by verdict; empty when it is too early."""
        refusals = self._refusals
        too_early = refusals.reported_ms is not None and now_ms - refusals.reported_ms < REPORT_INTERVAL_MS
        if too_early or not refusals.since_report:
            return {}
        report = {verdict.value: count for verdict, count in refusals.since_report.items()}
        refusals.since_report.clear()
        refusals.reported_ms = now_ms
        return report

    def _judge(self, caller: _Caller, descriptor: int) -> Verdict:
        limits = self._limits
        handshakes = limits.handshakes_per_address
        if (
            self.sockets > limits.sockets + REFUSED_AT_ONCE
            or descriptor >= limits.descriptors * DESCRIPTORS_FOR_REFUSALS
            or (handshakes and caller.handshakes > handshakes * PATIENCE_FACTOR)
        ):
            return Verdict.DROP
        if handshakes and caller.handshakes > handshakes:
            return Verdict.HURRIED
        if self.sockets > limits.sockets or descriptor >= limits.descriptors * DESCRIPTORS_FOR_SESSIONS:
            return Verdict.FULL
        if limits.sockets_per_address and caller.sockets > limits.sockets_per_address:
            return Verdict.CROWDED
        return Verdict.ADMIT


def address_group(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 network of an IPv6 one."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> 64:016x}::/64"
