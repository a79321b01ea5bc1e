"""The moves operations are made of: start a stage, stop a stage, free ports, announce what serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.catalog import GATEWAY, ROUTER, Model
from runtime.deployment import Deployment, write_deployment
from runtime.errors import EnvironmentFault, UpstreamError
from runtime.supervise import admin
from runtime.supervise.client import ALREADY_STARTED, BAD_NAME, ProcessInfo, fault_error
from runtime.supervise.errors import SupervisorFault
from runtime.supervise.gates import count_sessions, log_marks, wait_at_rest, wait_ready
from runtime.supervise.host import Host
from runtime.supervise.leftovers import find_processes
from runtime.supervise.pace import Pace, holds_within
from runtime.supervise.plan import Listener, ProcessPlan, Site, plan_processes
from runtime.supervise.ports import holder_of, is_free, taken_text
from runtime.supervise.progress import Note, Report, StepStarted, drain_text
from runtime.supervise.states import AT_REST, WANTED, ProcessState

# More than the longest stopwaitsecs of a program that does not drain, and the kill after it.
STOP_LIMIT_S = 45.0
# A port whose program was just killed is free again within this time.
PORT_FREE_LIMIT_S = 10.0


class Moves:
    """Steps on one host, for one operation."""

    def __init__(self, host: Host, pace: Pace, report: Report) -> None:
        """Prepare the steps of one operation."""
        self.host = host
        self.pace = pace
        self.report = report

    def start_processes(self, processes: Sequence[ProcessPlan]) -> None:
        """Start processes of one stage that do not run, and wait until all of them are ready."""
        infos = self.host.client.processes()
        marks = log_marks(processes)
        idle = [plan for plan in processes if state_of(infos, plan) not in WANTED]
        stopping = [plan for plan in idle if state_of(infos, plan) not in AT_REST]
        if stopping:
            site = self.host.site()
            names = ", ".join(process.name for process in stopping)
            self.report(StepStarted("drain", f"waiting for the end of {names}, which is still stopping"))
            limit_s = site.gateway_stop_wait_s + STOP_LIMIT_S
            wait_at_rest(self.host.client, stopping, limit_s, self.pace, self.report, drain_limit_s=site.drain_limit_s)
        self.wait_for_ports(idle)
        for process in idle:
            try:
                self.host.client.start(process.supervisor_name)
            except SupervisorFault as error:
                if error.fault != ALREADY_STARTED:
                    raise
        if processes:
            wait_ready(self.host.client, processes, marks, self.pace, self.report)

    def wait_for_ports(self, processes: Sequence[ProcessPlan]) -> None:
        """Wait a little for the ports of processes that are about to start, if our own dying programs hold them.

        Raises:
            EnvironmentFault: somebody else holds one.
        """
        for listener in _one_per_port(processes):
            if is_free(listener.host, listener.port):
                continue
            holder = holder_of(listener.port)
            if listener.program == GATEWAY and holder is not None and holder.pid in self._supervised_pids():
                continue  # workers share their port
            dying = holder is not None and holder.pid in {found.pid for found in find_processes(self.host.home)}
            limit_s = PORT_FREE_LIMIT_S if dying else 0.5
            if not holds_within(
                lambda one=listener: is_free(one.host, one.port),  # type: ignore[misc]
                limit_s, self.pace, f"port {listener.port} is free",
            ):  # fmt: skip
                raise EnvironmentFault(taken_text(listener, holder_of(listener.port)))

    def stop_processes(self, processes: Sequence[ProcessPlan], limit_s: float, drain_limit_s: float | None) -> None:
        """Ask processes to end and wait until they have."""
        infos = self.host.client.processes()
        known = [plan for plan in processes if plan.supervisor_name in infos]
        running = [plan for plan in known if infos[plan.supervisor_name].state not in AT_REST]
        for process in running:
            self.host.client.stop(process.supervisor_name)
        if running:
            wait_at_rest(self.host.client, running, limit_s, self.pace, self.report, drain_limit_s=drain_limit_s)

    def announce(self, deployment: Deployment) -> None:
        """Write what serves now and have the running router and gateway workers read it."""
        write_deployment(self.host.run_dir, deployment)
        for process in self.running(ROUTER) + self.running(GATEWAY):
            try:
                admin.reload_deployment(process.admin_socket)
            except UpstreamError as error:
                # It reads the file anew whenever it starts; one that is up and deaf is shown as not ready.
                self.report(Note(f"{process.name} did not take the new deployment: {error}"))

    def running(self, program: str) -> list[ProcessPlan]:
        """Return the processes of a program that have a process id."""
        infos = self.host.client.processes()
        plans = [plan for plan in plan_processes(self.host.site()) if plan.program == program]
        return [plan for plan in plans if plan.supervisor_name in infos and infos[plan.supervisor_name].pid]

    def stop_gateway(self, site: Site, workers: Sequence[ProcessPlan], drain_s: int | None) -> None:
        """Stop gateway workers at once; those that are stopping already get a shorter limit, too.

        Args:
            site: of the running stack.
            workers: the workers to stop.
            drain_s: seconds sessions may run on; the stack's drain limit when None, and never more than that.
        """
        limit_s = site.drain_limit_s if drain_s is None else min(drain_s, site.drain_limit_s)
        if drain_s is not None and drain_s > limit_s:
            self.report(Note(f"the running stack lets sessions run on {limit_s} s at most (AAI_DRAIN_LIMIT_S)"))
        asked = {worker.name for worker in workers}
        everyone = self.running(GATEWAY)
        running = [worker for worker in everyone if worker.name in asked]
        if running:
            who = "the gateway" if len(running) == len(everyone) else ", ".join(worker.name for worker in running)
            count = count_sessions(running)
            after = f", {drain_text(count, limit_s)}" if count else ""
            self.report(StepStarted("drain", f"stopping {who}{after}"))
        if limit_s < site.drain_limit_s:
            self._shorten_drain(running, limit_s)
        self.stop_processes(workers, site.gateway_stop_wait_s + STOP_LIMIT_S, limit_s)

    def _shorten_drain(self, workers: Sequence[ProcessPlan], limit_s: int) -> None:
        for worker in workers:
            try:
                admin.drain(worker.admin_socket, tuple(Model), limit_s)
            except UpstreamError as error:
                self.report(Note(f"{worker.name} did not take the drain limit: {error}"))

    def _supervised_pids(self) -> set[int | None]:
        if not self.host.client.is_reachable():
            return set()
        return {info.pid for info in self.host.client.processes().values()}


def state_of(infos: Mapping[str, ProcessInfo], plan: ProcessPlan) -> ProcessState:
    """Return the state supervisord reports for a process.

    Raises:
        SupervisorFault: it knows none of that name.
    """
    info = infos.get(plan.supervisor_name)
    if info is None:
        raise fault_error(BAD_NAME, "", plan.name)
    return info.state


def _one_per_port(processes: Sequence[ProcessPlan]) -> list[Listener]:
    return list({(one.host, one.port): one for process in processes for one in process.listeners}.values())
