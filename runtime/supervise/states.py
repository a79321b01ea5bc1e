"""supervisord's process states, the sets of states questions are asked about, and the edges between them."""

from __future__ import annotations

from enum import StrEnum


class ProcessState(StrEnum):
    """State of one process, in supervisord's own words."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"


STATE_BY_CODE: dict[int, ProcessState] = {
    0: ProcessState.STOPPED,
    10: ProcessState.STARTING,
    20: ProcessState.RUNNING,
    30: ProcessState.BACKOFF,
    40: ProcessState.STOPPING,
    100: ProcessState.EXITED,
    200: ProcessState.FATAL,
    1000: ProcessState.UNKNOWN,
}

# It has a process id.
ALIVE = frozenset({ProcessState.STARTING, ProcessState.RUNNING, ProcessState.STOPPING})
# supervisord wants it to run; starting it again is refused.
WANTED = frozenset({ProcessState.STARTING, ProcessState.RUNNING, ProcessState.BACKOFF})
# No process, and none will come by itself; only from here can it be started.
AT_REST = frozenset({ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL, ProcessState.UNKNOWN})

EDGES: dict[ProcessState, frozenset[ProcessState]] = {
    ProcessState.STOPPED: frozenset({ProcessState.STARTING}),
    ProcessState.STARTING: frozenset({ProcessState.RUNNING, ProcessState.BACKOFF, ProcessState.STOPPING}),
    ProcessState.RUNNING: frozenset({ProcessState.STOPPING, ProcessState.EXITED}),
    ProcessState.BACKOFF: frozenset({ProcessState.STARTING, ProcessState.FATAL, ProcessState.STOPPED}),
    ProcessState.STOPPING: frozenset({ProcessState.STOPPED, ProcessState.UNKNOWN}),
    ProcessState.EXITED: frozenset({ProcessState.STARTING}),
    ProcessState.FATAL: frozenset({ProcessState.STARTING}),
    ProcessState.UNKNOWN: frozenset({ProcessState.STARTING}),
}


def may_follow(old: ProcessState, new: ProcessState) -> bool:
    """Return whether supervisord moves a process from one state to the other in one step."""
    return new in EDGES[old]
