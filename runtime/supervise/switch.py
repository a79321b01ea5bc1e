"""Replace the running stack by the other one under a gateway that stays up.

plan -> preflight -> drain -> stop old -> ports free -> start new -> ready -> verify; whatever fails
after the plan brings the old stack back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from runtime.catalog import GATEWAY, LICENSE_PROXY, Model, Stack, models_of
from runtime.deployment import Deployment, whole_stack
from runtime.errors import AppError, UpstreamError
from runtime.operator_access import operator_credential
from runtime.supervise import admin
from runtime.supervise.errors import LicenseRefused, ProgramFailed, SuperviseError
from runtime.supervise.gates import count_sessions
from runtime.supervise.home import check_license
from runtime.supervise.lifecycle import Lifecycle
from runtime.supervise.lock import OperationLock
from runtime.supervise.moves import STOP_LIMIT_S, Moves, state_of
from runtime.supervise.observe import LICENSE_FAILED, license_status
from runtime.supervise.pace import holds_within
from runtime.supervise.plan import ProcessPlan, Site, check_ports_differ, processes_of
from runtime.supervise.progress import Done, Note, SessionsLeft, StepStarted, drain_text, sessions_text
from runtime.supervise.session_check import check_session
from runtime.supervise.settings_check import check_settings
from runtime.supervise.states import AT_REST

# Sessions get their last turn and Termination within this time after the limit.
DRAIN_GRACE_S = 10
DRAIN_POLL_S = 0.25
DRAIN_REPORT_S = 5.0
ROLLBACK_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """What a switch would do; deciding it changes nothing.

    Attributes:
        stops: names of the processes that end.
        starts: names of the processes that begin.
        sessions: open sessions of models that end.
        drain_s: how long those may run on.
    """

    old: Stack
    new: Stack
    stops: tuple[str, ...]
    starts: tuple[str, ...]
    sessions: int
    drain_s: int

    @property
    def is_needed(self) -> bool:
        """The other stack is not the one that runs."""
        return self.old is not self.new


def plan_switch(lifecycle: Lifecycle, new: Stack, drain_s: int | None = None) -> SwitchPlan:
    """Return what a switch would do.

    Args:
        lifecycle: the operation it would be part of.
        new: the stack to run.
        drain_s: seconds open sessions may run on; the running stack's drain limit when None.

    Raises:
        SuperviseError: no stack runs.
    """
    lifecycle.host.client.pid()
    site = lifecycle.host.site()
    old = lifecycle.host.stack()
    if old is None:
        raise SuperviseError("no stack is up that could be switched", f"start one: aai-console up {new}")
    models = [str(model) for model in models_of(old)]
    return SwitchPlan(
        old=old,
        new=new,
        stops=tuple(process.name for process in _servers(site, old)),
        starts=tuple(process.name for process in _servers(site, new)),
        sessions=count_sessions(lifecycle.moves.running(GATEWAY), models),
        drain_s=site.drain_limit_s if drain_s is None else drain_s,
    )


def switch_stack(lifecycle: Lifecycle, new: Stack, drain_s: int | None = None, *, rollback: bool = True) -> None:
    """Switch; the stack that runs already is left alone.

    Args:
        lifecycle: a new operation on the host.
        new: the stack to run.
        drain_s: seconds open sessions may run on; the running stack's drain limit when None.
        rollback: bring the old stack back when the new one fails.

    Raises:
        AppError: why it failed; the text says whether the old stack serves again.
    """
    lifecycle.host.client.pid()
    with OperationLock(lifecycle.host.run_dir, f"switch {new}"):
        plan = plan_switch(lifecycle, new, drain_s)
        if not plan.is_needed:
            # Nothing to do, unless an operation that was cut short left it half up.
            check_settings(lifecycle.host)
            lifecycle.complete(lifecycle.host.site(), new)
            return
        _Switch(lifecycle, plan).run(rollback=rollback)
        _done(lifecycle, f"the {new} stack serves", new, changed=True)


class _Switch:
    def __init__(self, lifecycle: Lifecycle, plan: SwitchPlan) -> None:
        self._lifecycle = lifecycle
        self._host = lifecycle.host
        self._moves = lifecycle.moves
        self._report = lifecycle.report
        self._plan = plan
        self._site = lifecycle.host.site()
        self._old_models = models_of(plan.old)
        self._new_models = models_of(plan.new)

    def run(self, *, rollback: bool) -> None:
        self._preflight()
        old_ended, complete = False, False
        try:
            self._drain()
            old_ended = True
            self._stop_old()
            self._start_new()
            self._verify(self._new_models)
            complete = True
        except AppError as error:
            if not old_ended or not rollback:
                raise
            complete = True
            self._roll_back()
            raise _rolled_back(error, self._plan) from error
        finally:
            # Interrupted or failed without a way back: at least say the truth about what serves.
            if not complete:
                self._settle(old_ended=old_ended, rollback=rollback)

    def _preflight(self) -> None:
        self._report(StepStarted("preflight", f"checking the switch from {self._plan.old} to {self._plan.new}"))
        check_settings(self._host)
        status = license_status(self._host)
        if status is not None and status.state == LICENSE_FAILED:
            raise LicenseRefused("the license is Failed", "put a valid one in place first: aai-console license verify")
        if status is None and self._moves.running(LICENSE_PROXY):
            self._report(Note("the license proxy does not answer; its last state holds"))
        check_license(self._host.home, self._plan.new)
        check_ports_differ(self._site, self._plan.new)
        old_ports = {process.port for process in _servers(self._site, self._plan.old)}
        infos = self._host.client.processes()
        # Servers a switch that was cut short left running hold their own ports.
        idle = [one for one in _servers(self._site, self._plan.new) if state_of(infos, one) in AT_REST]
        foreign = [one for one in idle if one.port not in old_ports]
        self._moves.wait_for_ports(foreign)

    def _drain(self) -> None:
        plan = self._plan
        after = f", {drain_text(plan.sessions, plan.drain_s)}" if plan.sessions else ""
        self._report(StepStarted("drain", f"closing {plan.old} for new sessions{after}"))
        self._moves.announce(
            Deployment(plan.old, (), draining=self._old_models, starting=self._new_models),
        )
        workers = self._moves.running(GATEWAY)
        for worker in workers:
            try:
                admin.drain(worker.admin_socket, self._old_models, plan.drain_s)
            except UpstreamError as error:
                self._report(Note(f"{worker.name} did not take the drain: {error}"))
        self._wait_for_sessions(workers)

    def _wait_for_sessions(self, workers: list[ProcessPlan]) -> None:
        pace = self._lifecycle.pace
        started_s = pace.now_s()
        told_s = started_s - DRAIN_REPORT_S
        names = [str(model) for model in self._old_models]

        def none_left() -> bool:
            nonlocal told_s
            count = count_sessions(workers, names)
            now_s = pace.now_s()
            if count and now_s - told_s >= DRAIN_REPORT_S:
                told_s = now_s
                self._report(SessionsLeft(count, self._plan.drain_s - (now_s - started_s)))
            return count == 0

        limit_s = float(self._plan.drain_s + DRAIN_GRACE_S)
        if not holds_within(none_left, limit_s, pace, "end of the old sessions", DRAIN_POLL_S):
            count = count_sessions(workers, names)
            self._report(Note(f"{sessions_text(count)} did not end in time, cut off when the old servers stop"))

    def _stop_old(self) -> None:
        old = _servers(self._site, self._plan.old)
        self._report(StepStarted("stop_old", f"stopping {_names(old)}"))
        self._moves.stop_processes(old, STOP_LIMIT_S, None)

    def _start_new(self) -> None:
        new = _servers(self._site, self._plan.new)
        self._report(StepStarted("start_new", f"starting {_names(new)}"))
        self._moves.announce(Deployment(self._plan.new, (), starting=self._new_models))
        self._moves.start_processes(new)
        self._moves.announce(whole_stack(self._plan.new))

    def _verify(self, models: tuple[Model, ...]) -> None:
        if not self._moves.running(GATEWAY):
            self._report(Note("the gateway does not run: the new stack is ready, but no session tried it"))
            return
        for model in models:
            self._report(StepStarted("verify", f"one second of silence through the gateway to {model}"))
            credential = operator_credential(self._site.token_key_file, time.time())
            check_session(self._site.gateway_url, credential, model)

    def _roll_back(self) -> None:
        """Bring the old stack back, with time of its own: the operation's may be over."""
        self._report(StepStarted("roll_back", f"bringing the {self._plan.old} stack back"))
        moves = Lifecycle(self._host, self._report, ROLLBACK_LIMIT_S).moves
        moves.stop_processes(_servers(self._site, self._plan.new), STOP_LIMIT_S, None)
        self._start_old(moves)

    def _settle(self, *, old_ended: bool, rollback: bool) -> None:
        moves = Lifecycle(self._host, self._report, ROLLBACK_LIMIT_S).moves
        if not old_ended:
            self._report(StepStarted("reopen", f"opening {self._plan.old} for new sessions again"))
            moves.announce(whole_stack(self._plan.old))
        elif rollback:
            self._roll_back()
        else:
            moves.stop_processes(_servers(self._site, self._plan.new), STOP_LIMIT_S, None)
            moves.announce(Deployment(None, ()))

    def _start_old(self, moves: Moves) -> None:
        try:
            moves.start_processes(_servers(self._site, self._plan.old))
        except AppError as error:
            moves.announce(Deployment(None, ()))
            raise SuperviseError(
                f"the old stack did not come back either: {error}", "aai-console down, then up"
            ) from error
        moves.announce(whole_stack(self._plan.old))


def _rolled_back(error: AppError, plan: SwitchPlan) -> SuperviseError:
    message = error.message if isinstance(error, SuperviseError) else str(error)
    text = f"the switch to {plan.new} failed and {plan.old} serves again: {message}"
    hint = error.hint if isinstance(error, SuperviseError) else ""
    if isinstance(error, ProgramFailed):
        return ProgramFailed(error.program, text, hint, error.log_lines)
    return SuperviseError(text, hint)


def _servers(site: Site, stack: Stack) -> tuple[ProcessPlan, ...]:
    return tuple(process for process in processes_of(site, stack) if process.stack is stack)


def _done(lifecycle: Lifecycle, detail: str, stack: Stack, *, changed: bool) -> None:
    lifecycle.host.client.close()
    lifecycle.report(Done(detail, stack, changed, lifecycle.pace.elapsed_s))


def _names(processes: tuple[ProcessPlan, ...]) -> str:
    return ", ".join(process.name for process in processes)
