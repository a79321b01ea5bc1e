"""Every command of the README works as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest

from tests.support.private_stack import BIN_DIR, CHECKOUT, PrivateStack

README = re.sub(r"```.*?```", "", (CHECKOUT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
COMMANDS = re.findall(r"^    (\S.*)$", README, flags=re.MULTILINE)
DEFAULT_ENDPOINT = "ws://localhost:8080"
# These replace the running stack; tests/e2e/test_stack.py and test_operations.py run them on stacks of their own.
TESTED_ELSEWHERE = ("up", "down", "switch")


def test_readme_shows_only_make_and_installed_commands() -> None:
    """Nothing a fresh machine lacks is asked for."""
    assert {command.split()[0] for command in COMMANDS} == {
        "make",
        ".venv/bin/python",
        ".venv/bin/aai-console",
        ".venv/bin/supervisorctl",
    }


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make")])
def test_make_target_of_the_readme_exists(command: str) -> None:
    """Asking make what it would do succeeds."""
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=CHECKOUT, check=True, capture_output=True)


@pytest.mark.parametrize(
    "command",
    [
        command
        for command in COMMANDS
        if not command.startswith("make") and not set(shlex.split(command)) & set(TESTED_ELSEWHERE)
    ],
)
def test_command_of_the_readme_succeeds(running_stack: PrivateStack, command: str) -> None:
    """With this stack's address in place of the default one, the command exits 0 and says something."""
    command = command.replace(".venv/bin", str(BIN_DIR)).replace(DEFAULT_ENDPOINT, running_stack.endpoint)
    if "stream_file.py" in command and "--endpoint" not in command:
        command += f" --endpoint {running_stack.endpoint}"
    # Another AAI_HOME than ./var has its own copy of the supervisor file.
    command = command.replace("etc/supervisord.conf", str(running_stack.home / "supervisord.conf"))
    done = subprocess.run(
        shlex.split(command),
        cwd=CHECKOUT,
        env=dict(running_stack.environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # supervisorctl reports the stopped servers of the other stack with exit code 3.
    assert done.returncode in ((0, 3) if "supervisorctl" in command else (0,)), done.stdout + done.stderr
    assert done.stdout.strip()
