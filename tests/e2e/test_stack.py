"""The real programs under supervisord, from start to the last process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from runtime.supervise.leftovers import find_processes
from runtime.supervise.pace import Pace
from tests.support.console_answers import assert_nothing_left, pids_of, status_of, supervisord_pid
from tests.support.private_stack import PrivateStack

CHECKOUT = Path(__file__).resolve().parents[2]


def supervisorctl(conf: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run supervisorctl in an environment without any variable."""
    program = Path(sys.executable).parent / "supervisorctl"
    command = [str(program), "-c", str(conf), *arguments]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False, timeout=60)


def test_status_of_the_running_stack_names_every_service(running_stack: PrivateStack) -> None:
    """Every process of every stack is listed with name, state, readiness, pid and port; the running ones are ready."""
    status = status_of(running_stack)

    assert (status["stack"], status["ready"]) == ("universal", True)
    assert status["license"]["state"] == "Connected"
    services = {one["name"]: one for one in status["services"]}
    assert set(services) == {
        "license-and-usage-proxy", "streaming-asr-english", "streaming-asr-multilang", "streaming-asr-u3pro",
        "streaming-asr-lb", "streaming-api-00", "streaming-api-01",
    }  # fmt: skip
    for name, one in services.items():
        running = name != "streaming-asr-u3pro"
        assert (one["state"], one["ready"]) == (("RUNNING" if running else "STOPPED"), running)
        assert psutil.pid_exists(one["pid"]) if running else one["pid"] is None
    whole = json.loads(running_stack.console("status", "--json").stdout)
    assert [one["name"] for one in whole["services"]] == list(services)
    assert services["streaming-api-01"]["port"] == int(running_stack.environment["AAI_WSS_PORT"])


def test_second_up_keeps_every_process(running_stack: PrivateStack) -> None:
    """What runs is left alone."""
    before = pids_of(running_stack)

    outcome = running_stack.console("up", "--json")

    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["data"]["changed"] is False
    assert pids_of(running_stack) == before


def test_supervisorctl_without_any_variable_lists_the_running_stack(running_stack: PrivateStack) -> None:
    """Operators can use supervisord's own tool with the written configuration."""
    outcome = supervisorctl(running_stack.home / "supervisord.conf", "status")

    assert "universal:streaming-asr-english" in outcome.stdout
    assert outcome.stdout.count("RUNNING") == 6


def test_supervisorctl_reads_the_checkouts_configuration_without_any_variable() -> None:
    """The file in the repository points at the socket below var, whoever runs it."""
    outcome = supervisorctl(CHECKOUT / "etc" / "supervisord.conf", "pid")

    said = outcome.stdout + outcome.stderr
    assert "Error" not in said
    assert outcome.stdout.strip().isdigit() or str(CHECKOUT / "var" / "run" / "supervisor.sock") in said


def test_killed_supervisord_takes_every_program_along(real_stack: PrivateStack) -> None:
    """No program and no recogniser worker survives; a new start succeeds at once; down leaves nothing."""
    assert real_stack.console("up").returncode == 0
    os.kill(supervisord_pid(real_stack), signal.SIGKILL)
    Pace().until(lambda: not find_processes(real_stack.home), 10.0, "every program has ended")

    outcome = real_stack.console("up")

    assert outcome.returncode == 0, outcome.stderr
    assert status_of(real_stack)["ready"]
    assert real_stack.console("down").returncode == 0
    assert_nothing_left(real_stack)
