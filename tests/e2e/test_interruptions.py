"""Operations that are refused, interrupted or killed halfway, under a real supervisord with dummy programs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.catalog import Stack, models_of
from runtime.deployment import Deployment, write_deployment
from runtime.supervise.host import Host
from runtime.supervise.lifecycle import Lifecycle
from runtime.supervise.moves import STOP_LIMIT_S
from runtime.supervise.plan import select_processes
from tests.support.console_answers import assert_nothing_left, pids_of, service_of, status_of
from tests.support.dummy_program import behave
from tests.support.private_stack import PrivateStack

CONSOLE = Path(sys.executable).parent / "aai-console"
WORKER = "streaming-api-00"


def bring_up(stack: PrivateStack) -> Lifecycle:
    """Start a stack, here rather than in a process of its own; returns another operation on it."""
    Lifecycle(Host.open(stack.environment), lambda _event: None).up()
    return Lifecycle(Host.open(stack.environment), lambda _event: None)


def patient(stack: PrivateStack) -> PrivateStack:
    """Return the same stack with a drain limit no test waits for."""
    return PrivateStack(stack.home, {**stack.environment, "AAI_DRAIN_LIMIT_S": "600"})


@contextmanager
def running_until(stack: PrivateStack, line_part: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run aai-console and give it at the moment it has printed a line."""
    with subprocess.Popen(
        [CONSOLE, *arguments], env=dict(stack.environment), stderr=subprocess.PIPE, text=True
    ) as console:
        assert console.stderr is not None
        next(line for line in console.stderr if line_part in line)
        yield console


@pytest.mark.parametrize(
    "arguments", [("restart", "streaming-asr-lb"), ("start", "streaming-asr-lb"), ("switch", "u3pro", "--yes")]
)
def test_bad_setting_is_refused_before_anything_stops(up_dummy_stack: PrivateStack, arguments: tuple[str, ...]) -> None:
    """A program that could not start again is not stopped."""
    before = pids_of(up_dummy_stack)
    settings_file = up_dummy_stack.home / "aai.env"
    text = settings_file.read_text()
    settings_file.write_text("MAX_OPEN_STREAMS=none\n")

    outcome = up_dummy_stack.console(*arguments)

    settings_file.write_text(text)
    assert outcome.returncode == 78
    assert "MAX_OPEN_STREAMS='none'" in outcome.stderr
    assert "(aai.env line 1)" in outcome.stderr
    assert pids_of(up_dummy_stack) == before


def test_stop_with_drain_ends_sessions_at_once(dummy_stack: PrivateStack) -> None:
    """A limit of 0 does not wait for the stack's."""
    stack = patient(dummy_stack)
    behave(stack.home, WORKER, "--sessions 1 --drain-on-term")
    bring_up(stack)

    outcome = stack.console("stop", WORKER, "--drain", "0", timeout_s=30)

    assert outcome.returncode == 0, outcome.stderr
    assert f"stopping {WORKER}, 1 open session ends now" in outcome.stderr
    assert service_of(stack, WORKER)["state"] == "STOPPED"


def test_interrupted_restart_says_what_is_left_and_the_next_one_hurries_it(dummy_stack: PrivateStack) -> None:
    """Ctrl-C leaves a worker draining; the same command with a limit of 0 ends the wait."""
    stack = patient(dummy_stack)
    behave(stack.home, WORKER, "--sessions 2 --drain-on-term")
    bring_up(stack)
    with running_until(stack, "run again with --drain 0 to end them now", "restart", WORKER) as console:
        console.send_signal(signal.SIGINT)
        assert console.stderr is not None
        said = console.stderr.read()
    assert console.returncode == 130
    assert f"still stopping: {WORKER} (2 open sessions)" in said
    assert f"aai-console restart {WORKER}" in said

    again = stack.console("restart", WORKER, "--drain", "0", timeout_s=30)

    assert again.returncode == 0, again.stderr
    assert service_of(stack, WORKER)["ready"]


def test_interrupted_down_is_finished_by_down_with_drain_0(dummy_stack: PrivateStack) -> None:
    """After Ctrl-C the sentence names both ways on, and down --drain 0 is quick."""
    stack = patient(dummy_stack)
    behave(stack.home, WORKER, "--sessions 1 --drain-on-term")
    bring_up(stack)
    with running_until(stack, "1 open session, at most", "down") as console:
        console.send_signal(signal.SIGINT)
        assert console.stderr is not None
        said = console.stderr.read()
    assert console.returncode == 130
    assert f"still stopping: {WORKER} (1 open session); still running:" in said
    assert "aai-console down (--drain 0 ends open sessions at once)" in said
    assert "aai-console up" in said

    again = stack.console("down", "--drain", "0", timeout_s=30)

    assert again.returncode == 0, again.stderr
    assert_nothing_left(stack)


@pytest.mark.parametrize("next_stack", ["u3pro", "universal"])
@pytest.mark.parametrize(
    "step",
    ["closing universal", "stopping streaming-asr-english", "starting streaming-asr-u3pro", "one second of silence"],
)
def test_switch_killed_at_a_step_is_repaired_by_the_next_switch(
    dummy_stack: PrivateStack, step: str, next_stack: str
) -> None:
    """Wherever the console was killed, a switch to either stack ends with that stack serving."""
    behave(dummy_stack.home, "streaming-asr-u3pro", "--boot-s 0.5")
    bring_up(dummy_stack)
    with running_until(dummy_stack, step, "switch", "u3pro", "--yes", "--drain", "0") as console:
        console.kill()

    outcome = dummy_stack.console("switch", next_stack, "--yes", "--drain", "0")

    assert outcome.returncode == 0, outcome.stderr
    assert_serves(dummy_stack, Stack(next_stack))


def half_stopped(lifecycle: Lifecycle) -> None:
    """Leave what a switch leaves that was killed after it stopped one of two servers."""
    halfway = Deployment(Stack.UNIVERSAL, (), draining=models_of(Stack.UNIVERSAL), starting=models_of(Stack.U3PRO))
    write_deployment(lifecycle.host.run_dir, halfway)
    english = select_processes(lifecycle.host.site(), ["streaming-asr-english"])
    lifecycle.moves.stop_processes(english, STOP_LIMIT_S, None)
    lifecycle.host.client.close()


def half_rolled_back(lifecycle: Lifecycle) -> None:
    """Leave what a rollback leaves that was killed: the new stack on record, the old servers running."""
    write_deployment(lifecycle.host.run_dir, Deployment(Stack.U3PRO, (), starting=models_of(Stack.U3PRO)))


@pytest.mark.parametrize("leave", [half_stopped, half_rolled_back])
@pytest.mark.parametrize(
    ("command", "served"),
    [(("up",), Stack.UNIVERSAL), (("switch", "universal"), Stack.UNIVERSAL), (("switch", "u3pro"), Stack.U3PRO)],
)
def test_half_done_switch_is_told_by_status_and_repaired(
    dummy_stack: PrivateStack, leave: object, command: tuple[str, ...], served: Stack
) -> None:
    """Status says what to do, and each of the ways it names works."""
    lifecycle = bring_up(dummy_stack)
    assert callable(leave)
    leave(lifecycle)

    status = dummy_stack.console("status")
    assert status.returncode == 3
    assert "was cut short" in status.stdout
    assert "aai-console up" in status.stdout

    yes = ("--yes", "--drain", "0") if command[0] == "switch" else ()
    outcome = dummy_stack.console(*command, *yes)

    assert outcome.returncode == 0, outcome.stderr
    assert_serves(dummy_stack, served)


def test_down_after_a_killed_switch_leaves_nothing(dummy_stack: PrivateStack) -> None:
    """Whatever was half done, down ends it."""
    half_stopped(bring_up(dummy_stack))

    assert dummy_stack.console("down").returncode == 0
    assert_nothing_left(dummy_stack)


def test_status_of_a_stack_that_is_down_has_no_note_about_its_address(dummy_stack: PrivateStack) -> None:
    """Nobody can transcribe on a stack that does not run."""
    stack = PrivateStack(dummy_stack.home, {**dummy_stack.environment, "AAI_BIND_HOST": "0.0.0.0"})
    outcome = stack.console("status")
    assert outcome.returncode == 4
    assert "note:" not in outcome.stdout


def assert_serves(stack: PrivateStack, wanted: Stack) -> None:
    """Fail unless a stack, and only it, is ready and takes sessions."""
    status = status_of(stack)
    assert (status["stack"], status["ready"]) == (wanted, True)
    others = [one for one in status["services"] if one["stack"] not in (None, wanted)]
    assert {one["state"] for one in others} <= {"STOPPED", "EXITED"}
    assert stack.console("status").returncode == 0
