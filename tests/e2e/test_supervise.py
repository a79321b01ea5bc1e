"""The lifecycle under a real supervisord, with dummy programs that misbehave on request."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from runtime.supervise.host import Host
from runtime.supervise.leftovers import end_leftovers, find_processes
from runtime.supervise.lifecycle import Lifecycle
from runtime.supervise.lock import OperationLock
from runtime.supervise.pace import Pace
from runtime.supervise.stack_state import read_stack_state
from tests.support.console_answers import assert_nothing_left, pids_of, service_of, status_of, supervisord_pid
from tests.support.dummy_program import behave
from tests.support.private_stack import PrivateStack


def requests_of(stack: PrivateStack) -> list[str]:
    """Return the admin requests the dummies got, without probes."""
    lines = (stack.home / "requests").read_text().splitlines()
    return [line.strip() for line in lines if "/health" not in line and "/sessions" not in line]


def bring_up(stack: PrivateStack) -> None:
    """Start a stack, here rather than in a process of its own."""
    Lifecycle(Host.open(stack.environment), lambda _event: None).up()


def wait_gone(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    Pace().until(lambda: not psutil.pid_exists(pid), 10.0, f"end of {pid}")


def test_up_from_nothing_starts_in_gated_order(dummy_stack: PrivateStack) -> None:
    """Each stage starts when the one before it is ready, although supervisord would not wait."""
    behave(dummy_stack.home, "license-and-usage-proxy", "--boot-s 0.5")
    behave(dummy_stack.home, "streaming-asr-multilang", "--boot-s 0.5")

    outcome = dummy_stack.console("up")

    assert outcome.returncode == 0, outcome.stderr
    ready = [line.split()[0] for line in outcome.stderr.splitlines() if " is ready after " in line]
    assert ready[0] == "license-and-usage-proxy"
    assert ready[1:3] == ["streaming-asr-english", "streaming-asr-multilang"]
    assert ready[3] == "streaming-asr-lb"
    assert sorted(ready[4:]) == ["streaming-api-00", "streaming-api-01"]
    assert json.loads((dummy_stack.home / "run" / "deployment.json").read_text())["serving"] == [
        "en-default",
        "ml-default",
    ]


def test_up_of_a_running_stack_changes_nothing(up_dummy_stack: PrivateStack) -> None:
    """A second up says so, exits 0 and restarts nothing."""
    before = pids_of(up_dummy_stack)

    outcome = up_dummy_stack.console("up", "--json")

    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["data"]["changed"] is False
    assert pids_of(up_dummy_stack) == before


def test_up_of_the_other_stack_points_to_switch(up_dummy_stack: PrivateStack) -> None:
    """Two stacks never run at once."""
    outcome = up_dummy_stack.console("up", "u3pro")

    assert outcome.returncode == 1
    assert "aai-console switch u3pro" in outcome.stderr
    assert status_of(up_dummy_stack)["stack"] == "universal"


def test_down_leaves_no_process_and_no_socket(dummy_stack: PrivateStack) -> None:
    """After down nothing of the stack is left, and a second down is fine."""
    bring_up(dummy_stack)
    assert dummy_stack.console("down", "--drain", "0").returncode == 0
    assert_nothing_left(dummy_stack)
    shortened = '/drain {"models":["en-default","ml-default","u3-pro"],"limit_s":0}'
    assert [line.split()[0] for line in requests_of(dummy_stack) if shortened in line] == [
        "streaming-api-00",
        "streaming-api-01",
    ]

    again = dummy_stack.console("down")

    assert again.returncode == 0
    assert "nothing was running" in again.stdout


def test_status_without_supervisord_lists_services_and_exits_4(dummy_stack: PrivateStack) -> None:
    """A stack that is down still has its list of services."""
    outcome = dummy_stack.console("status", "--json")

    answer = json.loads(outcome.stdout)
    assert outcome.returncode == 4
    assert answer["error"]["code"] == "supervisor_unreachable"
    assert {one["state"] for one in answer["data"]["services"]} == {"STOPPED"}


@pytest.mark.parametrize("exit_code", [69, 78])
def test_up_with_a_hopeless_program_fails_fast_and_leaves_nothing(dummy_stack: PrivateStack, exit_code: int) -> None:
    """A program that says it cannot run ends the start at once, with the end of its log."""
    behave(dummy_stack.home, "streaming-asr-lb", f"--exit-code {exit_code}")

    outcome = dummy_stack.console("up")

    assert outcome.returncode == 1
    assert f"streaming-asr-lb ended with exit code {exit_code}" in outcome.stderr
    assert "the cause of the end" in outcome.stderr
    assert_nothing_left(dummy_stack)


def test_up_with_a_failed_license_exits_6(dummy_stack: PrivateStack) -> None:
    """A gateway that ends because the license is Failed gives the license's exit code."""
    behave(dummy_stack.home, "streaming-api-00", "--exit-code 70")

    assert dummy_stack.console("up").returncode == 6
    assert_nothing_left(dummy_stack)


def test_up_over_its_time_exits_7_and_leaves_nothing(dummy_stack: PrivateStack) -> None:
    """A program that never gets ready does not hold up a start with a time limit."""
    behave(dummy_stack.home, "streaming-asr-english", "--never-ready")

    outcome = dummy_stack.console("up", "--timeout", "2")

    assert outcome.returncode == 7
    assert_nothing_left(dummy_stack)


def test_interrupted_up_exits_130_and_leaves_nothing(dummy_stack: PrivateStack) -> None:
    """Ctrl-C in the middle of a start stops what was started."""
    behave(dummy_stack.home, "streaming-asr-english", "--never-ready")
    console = Path(sys.executable).parent / "aai-console"
    with subprocess.Popen([console, "up"], env=dict(dummy_stack.environment), stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        next(line for line in up.stderr if line.startswith("streaming-asr-multilang is ready"))
        up.send_signal(signal.SIGINT)
        assert "aai-console: interrupted\n" in up.stderr.read()

    assert up.returncode == 130
    assert_nothing_left(dummy_stack)


def test_up_on_a_taken_port_names_holder_and_setting(dummy_stack: PrivateStack) -> None:
    """The one line says who holds the port and which setting moves it; nothing was started."""
    with socket.create_server(("127.0.0.1", int(dummy_stack.environment["AAI_WSS_PORT"]))):
        outcome = dummy_stack.console("up")

    assert outcome.returncode == 69
    last = outcome.stderr.splitlines()[-1]
    assert f"(pid {os.getpid()})" in last
    assert "AAI_WSS_PORT" in last
    assert_nothing_left(dummy_stack)


def test_up_with_a_broken_license_says_what_to_do(dummy_stack: PrivateStack) -> None:
    """A license that is none stops the start before anything runs."""
    (dummy_stack.home / "license.jwt").write_text("not a license\n")

    outcome = dummy_stack.console("up")

    assert outcome.returncode == 78
    assert str(dummy_stack.home / "license.jwt") in outcome.stderr.splitlines()[-1]
    assert_nothing_left(dummy_stack)


def test_up_without_a_program_names_it(dummy_stack: PrivateStack) -> None:
    """An incomplete installation is reported before anything runs."""
    (Path(dummy_stack.environment["AAI_BIN_DIR"]) / "streaming-asr").unlink()

    outcome = dummy_stack.console("up")

    assert outcome.returncode == 69
    assert "streaming-asr is not in" in outcome.stderr.splitlines()[-1]


def test_supervisorctl_without_any_variable_operates_the_stack(up_dummy_stack: PrivateStack) -> None:
    """The written configuration lets supervisorctl work in an empty environment."""
    program = str(Path(sys.executable).parent / "supervisorctl")

    outcome = subprocess.run(
        [program, "-c", str(up_dummy_stack.home / "supervisord.conf"), "restart", "streaming-asr-lb"],
        env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "streaming-asr-lb: started" in outcome.stdout


def test_killed_supervisord_leaves_no_orphan_and_up_works_again(dummy_stack: PrivateStack) -> None:
    """Programs end with their supervisord, and a start right after it succeeds."""
    bring_up(dummy_stack)
    pid = supervisord_pid(dummy_stack)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)

    outcome = dummy_stack.console("up")

    assert outcome.returncode == 0, outcome.stderr
    assert status_of(dummy_stack)["ready"]
    assert dummy_stack.console("down").returncode == 0
    assert_nothing_left(dummy_stack)


def test_orphan_that_ignores_term_is_killed_by_the_cleaning(dummy_stack: PrivateStack) -> None:
    """What a killed supervisord left behind and does not end is killed, sockets included."""
    behave(dummy_stack.home, "streaming-asr-lb", "--ignore-term")
    bring_up(dummy_stack)
    pid = supervisord_pid(dummy_stack)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    Pace().until(lambda: len(find_processes(dummy_stack.home)) == 1, 10.0, "only the stubborn one is left")

    end_leftovers(dummy_stack.home, Pace(), lambda _event: None, patience_s=0.3)

    assert find_processes(dummy_stack.home) == ()
    assert dummy_stack.console("down").returncode == 0
    assert_nothing_left(dummy_stack)


def test_killed_program_comes_back_alone(up_dummy_stack: PrivateStack) -> None:
    """Supervisord restarts a killed program; its neighbours keep their processes."""
    before = pids_of(up_dummy_stack)
    killed = before["streaming-asr-english"]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    def is_back() -> bool:
        found = service_of(up_dummy_stack, "streaming-asr-english")
        return bool(found["ready"]) and found["pid"] != killed

    Pace().until(is_back, 10.0, "the killed program is back")
    after = pids_of(up_dummy_stack)
    assert {name for name in before if before[name] != after[name]} == {"streaming-asr-english"}


def test_stop_start_restart_take_process_and_program_names(up_dummy_stack: PrivateStack) -> None:
    """A worker is addressed alone, a program as all its processes; the state follows."""
    assert up_dummy_stack.console("stop", "streaming-api-01").returncode == 0
    assert service_of(up_dummy_stack, "streaming-api-01")["state"] == "STOPPED"
    assert up_dummy_stack.console("status").returncode == 3
    first = service_of(up_dummy_stack, "streaming-api-00")["pid"]

    assert up_dummy_stack.console("start", "streaming-api").returncode == 0
    assert service_of(up_dummy_stack, "streaming-api-00")["pid"] == first
    assert up_dummy_stack.console("restart", "streaming-api-00").returncode == 0
    assert service_of(up_dummy_stack, "streaming-api-00")["pid"] != first
    assert up_dummy_stack.console("status").returncode == 0


def test_start_of_the_other_stacks_server_is_refused(up_dummy_stack: PrivateStack) -> None:
    """A server of the stack that is not up would collide; the answer names switch."""
    outcome = up_dummy_stack.console("start", "streaming-asr-u3pro")

    assert outcome.returncode == 1
    assert "aai-console switch u3pro" in outcome.stderr


def test_switch_drains_moves_and_verifies(dummy_stack: PrivateStack) -> None:
    """A switch drains the old models at every worker, moves the servers and ends with the new stack serving."""
    bring_up(dummy_stack)
    outcome = dummy_stack.console("switch", "u3pro", "--yes", "--drain", "0")

    assert outcome.returncode == 0, outcome.stderr
    assert status_of(dummy_stack)["stack"] == "u3pro"
    assert service_of(dummy_stack, "streaming-asr-u3pro")["ready"]
    assert service_of(dummy_stack, "streaming-asr-english")["state"] == "STOPPED"
    seen = requests_of(dummy_stack)
    for worker in ("streaming-api-00", "streaming-api-01"):
        assert f'{worker} POST /drain {{"models":["en-default","ml-default"],"limit_s":0}}' in seen
        assert seen.count(f"{worker} POST /deployment/reload") == 3
    assert dummy_stack.console("switch", "u3pro", "--yes").returncode == 0


def test_switch_waits_for_sessions_to_the_limit_only(dummy_stack: PrivateStack) -> None:
    """Open sessions of the old stack run on to the limit, then the switch goes on."""
    behave(dummy_stack.home, "streaming-api-00", "--sessions 2")
    bring_up(dummy_stack)

    outcome = dummy_stack.console("switch", "u3pro", "--yes", "--drain", "1")

    assert outcome.returncode == 0, outcome.stderr
    assert "closing universal for new sessions, 2 open sessions may run on 1 s" in outcome.stderr
    assert "run again with --drain 0 to end them now" in outcome.stderr


def test_switch_to_servers_that_fail_brings_the_old_stack_back(up_dummy_stack: PrivateStack) -> None:
    """A new stack that does not come up costs the old one only an interruption."""
    behave(up_dummy_stack.home, "streaming-asr-u3pro", "--exit-code 78")

    outcome = up_dummy_stack.console("switch", "u3pro", "--yes", "--drain", "0")

    assert outcome.returncode == 1
    assert "universal serves again" in outcome.stderr
    assert "the cause of the end" in outcome.stderr
    status = status_of(up_dummy_stack)
    assert (status["stack"], status["ready"]) == ("universal", True)


def test_switch_without_confirmation_changes_nothing(up_dummy_stack: PrivateStack) -> None:
    """Without a terminal and without --yes nothing happens."""
    outcome = up_dummy_stack.console("switch", "u3pro")

    assert outcome.returncode == 1
    assert "--yes" in outcome.stderr
    assert status_of(up_dummy_stack)["stack"] == "universal"


def test_operation_under_another_one_is_refused_with_its_holder(up_dummy_stack: PrivateStack) -> None:
    """Two operations never run at once; the second is told who works."""
    with OperationLock(up_dummy_stack.home / "run", "switch u3pro"):
        outcome = up_dummy_stack.console("restart", "streaming-asr-lb")
        status = status_of(up_dummy_stack)

    assert outcome.returncode == 9
    assert f"switch u3pro, process {os.getpid()}" in outcome.stderr
    assert status["operation"]["verb"] == "switch u3pro"


def test_other_variables_in_a_later_shell_still_reach_the_running_stack(up_dummy_stack: PrivateStack) -> None:
    """A running stack keeps the ports it was started with, whatever another shell has set."""
    other = {"AAI_ROUTER_PORT": "19999", "AAI_GATEWAY_WORKERS": "5"}
    outcome = PrivateStack(up_dummy_stack.home, {**up_dummy_stack.environment, **other}).console("status", "--json")

    answer = json.loads(outcome.stdout)
    assert outcome.returncode == 0
    assert sum(1 for one in answer["data"]["services"] if one["program"] == "streaming-api") == 2
    state = read_stack_state(up_dummy_stack.home / "run")
    assert state is not None
    assert state.supervisord_pid == supervisord_pid(up_dummy_stack)
    assert Host.open(up_dummy_stack.environment).site() == state.site


def test_logs_show_the_last_lines_of_each_worker(up_dummy_stack: PrivateStack) -> None:
    """Workers are told apart by their number, and -n counts the lines of all of them."""
    for number in (0, 1):
        log = up_dummy_stack.home / "logs" / f"streaming-api-{number:02d}.log"
        with log.open("a") as file:
            file.write(f"2099-01-01T00:00:0{number}Z one\n2099-01-01T00:00:0{number + 2}Z two\n  its traceback\n")

    outcome = up_dummy_stack.console("logs", "streaming-api", "-n", "5")

    assert outcome.stdout.splitlines() == [
        "01 | 2099-01-01T00:00:01Z one",
        "00 | 2099-01-01T00:00:02Z two",
        "00 |   its traceback",
        "01 | 2099-01-01T00:00:03Z two",
        "01 |   its traceback",
    ]
