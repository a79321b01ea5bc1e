"""Starting and stopping: gated order, one operation at a time, nothing half done left behind.

Free of any front end: console, TUI and a monitor call the same methods and get the same events.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from runtime.catalog import ASR_SERVERS, GATEWAY, Stack, models_of
from runtime.deployment import FILE_NAME as DEPLOYMENT_FILE
from runtime.deployment import Deployment, whole_stack, write_deployment
from runtime.supervise.client import ProcessInfo
from runtime.supervise.errors import SuperviseError
from runtime.supervise.home import (
    check_installation,
    check_license,
    check_socket_paths,
    check_tls,
    make_directories,
    make_first_files,
)
from runtime.supervise.host import Host
from runtime.supervise.launcher import END_LIMIT_S, is_gone, start_supervisord
from runtime.supervise.leftovers import SUPERVISORD, end_leftovers, find_processes, process_name, remove_stale_files
from runtime.supervise.lock import OperationLock
from runtime.supervise.moves import STOP_LIMIT_S, Moves, state_of
from runtime.supervise.observe import open_gateway_note
from runtime.supervise.pace import Pace
from runtime.supervise.plan import (
    ProcessPlan,
    Site,
    check_ports_differ,
    plan_processes,
    processes_of,
    select_processes,
    stages_of,
)
from runtime.supervise.probes import probe
from runtime.supervise.progress import Done, Note, Report, StepStarted
from runtime.supervise.settings_check import check_settings
from runtime.supervise.stack_state import StackState, forget_stack_state, write_stack_state
from runtime.supervise.states import AT_REST, WANTED

ASR_STAGE = 1


class Lifecycle:
    """One operation on one host; make a new one for the next."""

    def __init__(
        self,
        host: Host,
        report: Report,
        limit_s: float | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        """Prepare an operation.

        Args:
            host: what to work on.
            report: told of progress, in the calling thread.
            limit_s: the whole operation may take this long.
            cancel: another thread may set it to end the operation at its next poll.
        """
        self.host = host
        self.report = report
        self.pace = Pace(limit_s, cancel)
        self.moves = Moves(host, self.pace, report)

    def up(self, wanted: Stack | None = None) -> None:
        """Have a stack running and ready.

        Without a name a running stack is kept, else the universal one starts. A failed cold start
        leaves nothing running.

        Raises:
            AppError: why it cannot start; or the other stack runs.
        """
        make_directories(self.host.home)
        with OperationLock(self.host.run_dir, f"up {wanted or ''}".strip()):
            if self.host.client.is_reachable():
                self._complete(wanted)
            else:
                self._cold_start(wanted or Stack.UNIVERSAL)

    def down(self, drain_s: int | None = None) -> None:
        """Stop everything: gateway first, so that sessions can drain, license proxy last; then supervisord.

        Args:
            drain_s: seconds open sessions may run on; the stack's drain limit when None.

        Raises:
            DeadlineExceeded: something did not end in time.
        """
        if not self.host.run_dir.is_dir():
            self._done("nothing is running", None, changed=False)
            return
        with OperationLock(self.host.run_dir, "down"):
            running = self.host.client.is_reachable()
            if running:
                self.end_supervised(self.host.site(), drain_s)
            left = end_leftovers(self.host.home, self.pace, self.report)
            self._forget()
        changed = running or left
        self._done("everything is stopped" if changed else "nothing was running", None, changed=changed)

    def start(self, names: Sequence[str]) -> None:
        """Start single processes and wait until they are ready.

        Raises:
            SuperviseError: an unknown name, a process of the other stack, or a failed start.
            ConfigError: a setting is bad; nothing was started.
        """
        _, chosen = self._select(names)
        check_settings(self.host)
        with OperationLock(self.host.run_dir, f"start {' '.join(names)}"):
            changed = self._start(chosen)
            self._done(f"{_names(chosen)} ready", self.host.stack(), changed=changed)

    def stop(self, names: Sequence[str], drain_s: int | None = None) -> None:
        """Stop single processes; a gateway worker drains first, and one that drains already is hurried.

        Args:
            names: processes or programs.
            drain_s: seconds open sessions may run on; the stack's drain limit when None.

        Raises:
            SuperviseError: an unknown name.
            DeadlineExceeded: one did not end in time; supervisord goes on waiting for it.
        """
        site, chosen = self._select(names)
        with OperationLock(self.host.run_dir, f"stop {' '.join(names)}"):
            changed = any(info.state not in AT_REST for info in self._infos(chosen))
            self._stop(site, chosen, drain_s)
            self._done(f"{_names(chosen)} stopped", self.host.stack(), changed=changed)

    def restart(self, names: Sequence[str], drain_s: int | None = None) -> None:
        """Stop and start single processes one after the other, so that gateway workers stand in for each other.

        Args:
            names: processes or programs.
            drain_s: seconds open sessions may run on; the stack's drain limit when None.

        Raises:
            SuperviseError: an unknown name, a process of the other stack, or a failed start.
            ConfigError: a setting is bad; nothing was stopped.
            DeadlineExceeded: one did not end in time.
        """
        site, chosen = self._select(names)
        check_settings(self.host)
        with OperationLock(self.host.run_dir, f"restart {' '.join(names)}"):
            self._refuse_other_stack(chosen)
            for process in chosen:
                self._stop(site, [process], drain_s)
                self._start([process])
            self._done(f"{_names(chosen)} ready again", self.host.stack(), changed=True)

    def _cold_start(self, stack: Stack) -> None:
        self.report(StepStarted("check", f"checking this machine for the {stack} stack"))
        check_settings(self.host)
        site = self.host.configured_site()
        check_tls(self.host.settings())
        check_ports_differ(site, stack)
        check_socket_paths(site, stack)
        check_installation(site.bin_dir)
        for sentence in make_first_files(site, self.host.settings().token_file):
            self.report(Note(sentence))
        check_license(site.home, stack)
        if any(process_name(process) == SUPERVISORD for process in find_processes(site.home)):
            raise SuperviseError("a supervisord of this stack runs but does not answer", "end it: aai-console down")
        end_leftovers(site.home, self.pace, self.report)
        self.moves.wait_for_ports(processes_of(site, stack))
        remove_stale_files(site.run_dir)
        if note := open_gateway_note(site):
            self.report(Note(note))
        complete = False
        try:
            self.report(StepStarted("supervisord", "starting supervisord"))
            pid = start_supervisord(site, self.host.client, self.pace)
            write_stack_state(site.run_dir, StackState(site, pid, time.time()))
            write_deployment(site.run_dir, Deployment(stack, (), starting=models_of(stack)))
            self._bring_up(site, stack)
            complete = True
        finally:
            if not complete:
                self._undo_cold_start(site)
        self._done(f"the {stack} stack is ready", stack, changed=True)

    def _undo_cold_start(self, site: Site) -> None:
        self.report(StepStarted("undo", "stopping what was started"))
        # The operation's own time may be over: what was started is ended all the same.
        rescue = Lifecycle(self.host, self.report)
        if self.host.client.is_reachable():
            rescue.end_supervised(site, drain_s=0)
        end_leftovers(site.home, rescue.pace, self.report)
        self._forget()

    def _complete(self, wanted: Stack | None) -> None:
        check_settings(self.host)
        site = self.host.site()
        if changed := changed_settings(site, self.host.configured_site()):
            words = ", ".join(changed)
            self.report(Note(f"the running stack keeps its settings; {words} hold after aai-console down and up"))
        self.complete(site, self._stack_to_keep(site, wanted))

    def complete(self, site: Site, stack: Stack) -> None:
        """Have all of a stack ready under the running supervisord; the caller holds the lock.

        What an operation left that was cut short is put right: servers of the other stack end, and
        the stack takes new sessions again.

        Raises:
            AppError: a program did not become ready; what was started is stopped again.
        """
        processes = processes_of(site, stack)
        infos = self.host.client.processes()
        if all(_is_ready(plan, infos) for plan in processes) and self.host.deployment() == whole_stack(stack):
            self._done(f"the {stack} stack is running and ready already", stack, changed=False)
            return
        if self.host.deployment() != whole_stack(stack):
            self.report(Note(f"an earlier operation was cut short; completing the {stack} stack"))
        started = [plan for plan in processes if state_of(infos, plan) in AT_REST]
        complete = False
        try:
            self._stop_other_stack(site, stack)
            self._bring_up(site, stack)
            complete = True
        finally:
            if not complete and started:
                self.report(StepStarted("undo", "stopping what was started"))
                Lifecycle(self.host, self.report).moves.stop_processes(started, STOP_LIMIT_S, None)
        self._done(f"the {stack} stack is ready", stack, changed=True)

    def _stack_to_keep(self, site: Site, wanted: Stack | None) -> Stack:
        infos = self.host.client.processes()
        current = self.host.stack()
        running = {plan.stack for plan in plan_processes(site) if plan.stack and state_of(infos, plan) not in AT_REST}
        others = running - {wanted}
        if wanted and others:
            other = ", ".join(sorted(str(stack) for stack in others))
            raise SuperviseError(f"the {other} stack is running", f"change it with: aai-console switch {wanted}")
        if wanted:
            return wanted
        # What runs counts more than a record an interrupted operation may have left.
        return current if current and (not running or current in running) else next(iter(running), Stack.UNIVERSAL)

    def _stop_other_stack(self, site: Site, stack: Stack) -> None:
        """Stop servers that an interrupted switch left running beside the stack that stays."""
        others = [process for process in plan_processes(site) if process.stack not in (None, stack)]
        self.moves.stop_processes(others, STOP_LIMIT_S, None)

    def _bring_up(self, site: Site, stack: Stack) -> None:
        stages = stages_of(processes_of(site, stack))
        for stage in stages:
            self.report(StepStarted("start", f"starting {_names(stage)}"))
            self.moves.start_processes(stage)
            if stage[0].stage == ASR_STAGE:
                self.moves.announce(whole_stack(stack))

    def end_supervised(self, site: Site, drain_s: int | None) -> None:
        """Stop every program in order, then supervisord; the caller holds the lock."""
        for stage in reversed(stages_of(plan_processes(site))):
            if stage[0].program == GATEWAY:
                self.moves.stop_gateway(site, stage, drain_s)
            else:
                self.moves.stop_processes(stage, STOP_LIMIT_S, None)
        pid = self.host.client.pid()
        self.report(StepStarted("supervisord", "stopping supervisord"))
        self.host.client.shutdown()
        self.host.client.close()
        self.pace.until(lambda: is_gone(pid), END_LIMIT_S, "end of supervisord")

    def _select(self, names: Sequence[str]) -> tuple[Site, tuple[ProcessPlan, ...]]:
        self.host.client.pid()  # says so when there is no supervisord
        site = self.host.site()
        return site, select_processes(site, names)

    def _start(self, chosen: Sequence[ProcessPlan]) -> bool:
        self._refuse_other_stack(chosen)
        idle = any(info.state in AT_REST for info in self._infos(chosen))
        for stage in stages_of(chosen):
            self.moves.start_processes(stage)
        return idle

    def _stop(self, site: Site, chosen: Sequence[ProcessPlan], drain_s: int | None) -> None:
        workers = [process for process in chosen if process.program == GATEWAY]
        others = [process for process in chosen if process.program != GATEWAY]
        if workers:
            self.moves.stop_gateway(site, workers, drain_s)
        if others:
            self.moves.stop_processes(others, STOP_LIMIT_S, None)

    def _refuse_other_stack(self, chosen: Sequence[ProcessPlan]) -> None:
        current = self.host.stack()
        for process in chosen:
            if process.stack not in (None, current):
                raise SuperviseError(
                    f"{process.name} belongs to the {process.stack} stack; {current or 'no stack'} is up",
                    f"change it with: aai-console switch {process.stack}",
                )

    def _infos(self, chosen: Sequence[ProcessPlan]) -> list[ProcessInfo]:
        infos = self.host.client.processes()
        return [infos[plan.supervisor_name] for plan in chosen if plan.supervisor_name in infos]

    def _forget(self) -> None:
        remove_stale_files(self.host.run_dir)
        forget_stack_state(self.host.run_dir)
        (self.host.run_dir / DEPLOYMENT_FILE).unlink(missing_ok=True)

    def _done(self, detail: str, stack: Stack | None, *, changed: bool) -> None:
        self.host.client.close()
        self.report(Done(detail, stack, changed, self.pace.elapsed_s))


def changed_settings(running: Site, configured: Site) -> list[str]:
    """Return which settings, as NAME=value, would be different after a new start."""
    pairs = {
        "AAI_BIND_HOST": (running.bind_host, configured.bind_host),
        "AAI_WSS_PORT": (running.wss_port, configured.wss_port),
        "AAI_ROUTER_PORT": (running.router_port, configured.router_port),
        "AAI_PROXY_PORT": (running.proxy_port, configured.proxy_port),
        "AAI_TLS_PORT": (running.tls_port or "none", configured.tls_port or "none"),
        "AAI_METRICS_PORT": (running.metrics_port or 0, configured.metrics_port or 0),
        "AAI_AUTH_MODE": (running.auth_mode, configured.auth_mode),
        "AAI_GATEWAY_WORKERS": (running.gateway_workers, configured.gateway_workers),
    }
    pairs |= {
        server.port_variable: (running.asr_ports[server.program], configured.asr_ports[server.program])
        for server in ASR_SERVERS
    }
    return [f"{name}={new}" for name, (old, new) in pairs.items() if old != new]


def _is_ready(plan: ProcessPlan, infos: dict[str, ProcessInfo]) -> bool:
    info = infos.get(plan.supervisor_name)
    # One that is stopping may still answer.
    return info is not None and info.state in WANTED and probe(plan, info.pid).ready


def _names(processes: Sequence[ProcessPlan]) -> str:
    return ", ".join(process.name for process in processes)
