"""``aai-console up``, ``down`` and ``switch``: the stack as a whole."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from runtime.catalog import GATEWAY, Stack
from runtime.supervise.aftermath import describe_aftermath
from runtime.supervise.errors import SuperviseError
from runtime.supervise.host import Host
from runtime.supervise.lifecycle import Lifecycle
from runtime.supervise.progress import Done, Event, Report, drain_text
from runtime.supervise.switch import SwitchPlan, plan_switch, switch_stack
from tui.answer import (
    ENVIRONMENT,
    FAILED,
    LICENSE_FAILED,
    LOCKED,
    SUPERVISOR_UNREACHABLE,
    TIMEOUT,
    Answer,
    add_common_options,
    answering,
    exit_code_text,
    reporter,
)

DRAIN_MAX_S = 10_800


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the three commands; each sets ``func``, which takes the arguments and returns an exit code."""
    _add_up(subparsers)
    _add_down(subparsers)
    _add_switch(subparsers)


def _add_up(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "up",
        help="start supervisord and a stack, and wait until every program is ready",
        description="Start supervisord and a stack in order, each program when those before it are ready. "
        "What runs already is left alone. A failed start leaves nothing running.",
        epilog=exit_code_text(FAILED, LICENSE_FAILED, TIMEOUT, LOCKED, ENVIRONMENT),
    )
    parser.add_argument(
        "stack", nargs="?", choices=[str(stack) for stack in Stack], help="default: the running one, else universal"
    )
    add_common_options(parser)
    parser.set_defaults(func=answering(_up))


def _add_down(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "down",
        help="stop every program and supervisord",
        description="Stop the gateway (open sessions may run on to the drain limit), then the rest, then supervisord; "
        "clean up what a killed supervisord left behind. No process and no socket stays.",
        epilog=exit_code_text(FAILED, TIMEOUT, LOCKED),
    )
    add_drain_option(parser)
    add_common_options(parser)
    parser.set_defaults(func=answering(_down), names=[])


def _add_switch(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "switch",
        help="replace the running stack by another while the gateway stays up",
        description="Open sessions of the old stack may run on to the drain limit, then they get their final turn and "
        "end. When the new stack does not come up, the old one is brought back.",
        epilog=exit_code_text(FAILED, SUPERVISOR_UNREACHABLE, LICENSE_FAILED, TIMEOUT, LOCKED, ENVIRONMENT),
    )
    parser.add_argument("stack", choices=[str(stack) for stack in Stack])
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")
    parser.add_argument(
        "--rollback", choices=["auto", "off"], default="auto", help="bring the old stack back on failure; default: auto"
    )
    add_drain_option(parser)
    add_common_options(parser)
    parser.set_defaults(func=answering(_switch))


def add_drain_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--drain``."""
    parser.add_argument(
        "--drain", type=_drain_seconds, metavar="S",
        help="seconds open sessions may run on, 0 ends them at once; default: AAI_DRAIN_LIMIT_S of the running stack",
    )  # fmt: skip


def _drain_seconds(text: str) -> int:
    if not text.isdigit() or int(text) > DRAIN_MAX_S:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {DRAIN_MAX_S}")
    return int(text)


class _Outcome:
    """Remembers the last event of an operation while passing all of them on."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._done: Done | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Done):
            self._done = event
        else:
            self._report(event)

    def answer(self) -> Answer:
        """Return what the operation achieved."""
        done = self._done
        assert done is not None, "an operation that did not raise reports its end"
        data: dict[str, Any] = {"stack": done.stack, "changed": done.changed, "elapsed_s": round(done.elapsed_s, 2)}
        took = f" ({done.elapsed_s:.1f} s)" if done.changed else ""
        return Answer((done.detail + took,), data)


def run_operation(arguments: argparse.Namespace) -> tuple[Lifecycle, _Outcome]:
    """Return a new operation on this host, and who remembers its outcome."""
    outcome = _Outcome(reporter(quiet=arguments.quiet, hurry=_hurry_text(arguments)))
    return Lifecycle(Host.open(), outcome, arguments.timeout), outcome


def _hurry_text(arguments: argparse.Namespace) -> str:
    if "drain" not in arguments:
        return f"end them now with Ctrl-C and aai-console stop {GATEWAY} --drain 0"
    return "" if arguments.drain == 0 else "run again with --drain 0 to end them now"


@contextlib.contextmanager
def aftermath_told(host: Host, arguments: argparse.Namespace) -> Iterator[None]:
    """Have an operation that is interrupted inside say what it leaves behind and what to do next."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(describe_aftermath(host, arguments.command, arguments.names)) from None
    except SystemExit:  # TERM
        text = describe_aftermath(host, arguments.command, arguments.names)
        print(f"aai-console: terminated; {text}", file=sys.stderr, flush=True)
        raise


def _up(arguments: argparse.Namespace) -> Answer:
    lifecycle, outcome = run_operation(arguments)
    lifecycle.up(Stack(arguments.stack) if arguments.stack else None)
    return outcome.answer()


def _down(arguments: argparse.Namespace) -> Answer:
    lifecycle, outcome = run_operation(arguments)
    with aftermath_told(lifecycle.host, arguments):
        lifecycle.down(arguments.drain)
    return outcome.answer()


def _switch(arguments: argparse.Namespace) -> Answer:
    lifecycle, outcome = run_operation(arguments)
    new = Stack(arguments.stack)
    plan = plan_switch(lifecycle, new, arguments.drain)
    if arguments.dry_run:
        return Answer(plan_lines(plan), plan)
    if plan.is_needed and not arguments.yes:
        _ask(plan)
    switch_stack(lifecycle, new, arguments.drain, rollback=arguments.rollback == "auto")
    return outcome.answer()


def plan_lines(plan: SwitchPlan) -> tuple[str, ...]:
    """Return what a switch would do, for people."""
    if not plan.is_needed:
        return (f"{plan.new} is the running stack; the switch would start what is missing of it and stop nothing",)
    if plan.sessions:
        sessions = f"{drain_text(plan.sessions, plan.drain_s)}; each gets its final turn first"
    else:
        sessions = f"no open session of {plan.old}"
    return (
        f"switch from {plan.old} to {plan.new}",
        f"  stops   {', '.join(plan.stops)}",
        f"  starts  {', '.join(plan.starts)}",
        f"  {sessions}",
    )


def _ask(plan: SwitchPlan) -> None:
    if not sys.stdin.isatty():
        raise SuperviseError("a switch needs a confirmation and there is no terminal to ask on", "add --yes")
    for line in plan_lines(plan):
        print(line, file=sys.stderr)
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise SuperviseError("not confirmed, nothing was changed")
