"""What state an operation that was interrupted leaves behind, and what to do next, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.catalog import GATEWAY
from runtime.errors import AppError
from runtime.supervise.gates import count_sessions
from runtime.supervise.host import Host
from runtime.supervise.plan import plan_processes, select_processes
from runtime.supervise.progress import sessions_text
from runtime.supervise.states import AT_REST, ProcessState

HURRY = "--drain 0 ends open sessions at once"


def describe_aftermath(host: Host, verb: str, names: Sequence[str]) -> str:
    """Look at the processes an interrupted ``down``, ``stop``, ``start`` or ``restart`` was about.

    Args:
        host: the host it worked on.
        verb: the command.
        names: its arguments; none for ``down``.
    """
    try:
        host.client.close()  # its last call may have been cut in the middle
        infos = host.client.processes()
        plans = select_processes(host.site(), names) if names else plan_processes(host.site())
        states = {plan.name: infos[plan.supervisor_name].state for plan in plans if plan.supervisor_name in infos}
        sessions = count_sessions(plan for plan in plans if plan.program == GATEWAY)
    except AppError:
        return (
            f"supervisord does not answer; make sure that nothing is left: aai-console {verb} {' '.join(names)}".strip()
        )
    return aftermath_text(verb, names, states, sessions)


def aftermath_text(verb: str, names: Sequence[str], states: Mapping[str, ProcessState], sessions: int) -> str:
    """Return what runs, what is stopping, what has stopped, and the commands that go on from there.

    Args:
        verb: the interrupted command.
        names: its arguments; none for ``down``.
        states: of the processes it was about.
        sessions: open sessions of the gateway workers among them.
    """
    stopping = [name for name, state in states.items() if state is ProcessState.STOPPING]
    resting = [name for name, state in states.items() if state in AT_REST]
    running = [name for name in states if name not in stopping and name not in resting]
    parts = []
    if stopping:
        open_sessions = f" ({sessions_text(sessions)})" if sessions else ""
        parts.append(f"still stopping: {', '.join(stopping)}{open_sessions}")
    if running:
        parts.append(f"still running: {', '.join(running)}")
    if resting and verb != "down":
        parts.append(f"stopped: {', '.join(resting)}")
    return f"{'; '.join(parts) or 'every program has stopped'}. {_advice(verb, names, stopping, resting)}"


def _advice(verb: str, names: Sequence[str], stopping: Sequence[str], resting: Sequence[str]) -> str:
    again = f"aai-console {verb} {' '.join(names)}".strip()
    if verb == "down":
        return f"Finish with {again} ({HURRY}), or have everything back with aai-console up"
    gone = [*stopping, *resting]
    if not gone:
        return f"Nothing is stopped; run {again} again when wanted"
    back = f"aai-console start {' '.join(gone)}"
    if verb == "stop":
        return f"What is stopping ends by itself; hurry it with {again} --drain 0, or have it back with {back}"
    if verb == "restart":
        return f"What is stopping or stopped does not come back by itself: {again} ({HURRY}), or {back}"
    return f"Go on with {again}"
