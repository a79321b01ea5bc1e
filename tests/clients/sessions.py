"""Run a client's driver script in the client's environment against a real stack, and keep what it reported."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.environments import environment
from tests.support.private_stack import PrivateStack
from tests.support.streaming import SAMPLES

DRIVERS = Path(__file__).with_name("drivers")
RUN_LIMIT_S = 60
RUNS_AT_ONCE = 5  # sessions mostly wait, so two cores carry more than two
REPORTED_EVENT_CHARACTERS = 300  # the words of a turn are long


@dataclass(frozen=True, slots=True)
class Client:
    """A client: the name of its pins in ``environments/`` and of its script in ``drivers/``."""

    environment: str
    driver: str


@dataclass(frozen=True, slots=True)
class ClientRun:
    """One run of a driver; equal runs are done once and shared by the tests that look at them."""

    client: Client
    stack: str
    secure: bool
    options: str  # JSON, so that runs can be compared
    label: str = field(default="", compare=False)
    places: int = field(default=1, compare=False)

    @property
    def title(self) -> str:
        """What tells this run from others, for the names of tests."""
        parts = [self.client.environment, self.client.driver, self.stack, "wss" if self.secure else "ws", self.label]
        return "-".join(part for part in parts if part)


def client_run(
    client: Client, stack: str, *, secure: bool = False, label: str = "", places: int = 1, **options: Any
) -> ClientRun:
    """Describe a run.

    Args:
        client: what to run.
        stack: "universal" or "u3pro".
        secure: tell the driver the wss:// URL, and trust the stack's certificate.
        label: what the name of a test shows beside client, stack and transport.
        places: of how many ordinary runs it takes the place; ``RUNS_AT_ONCE`` runs it alone.
        options: what the driver understands; ``audio`` is the name of a recording in samples/.
    """
    return ClientRun(client, stack, secure, json.dumps(options, sort_keys=True), label, places)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a driver printed: one event per line, each with ``event`` and ``at_s``, its time since the start."""

    events: tuple[dict[str, Any], ...]
    returncode: int
    stderr: str

    @property
    def kinds(self) -> list[str]:
        """The names of all events in order."""
        return [event["event"] for event in self.events]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one name."""
        return [event for event in self.events if event["event"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """Return the only event of a name.

        Raises:
            AssertionError: there is none, or more than one.
        """
        (found,) = self.of(kind) if self.kinds.count(kind) == 1 else self._fail(f"expected one {kind}")
        return found

    def _fail(self, reason: str) -> Any:
        raise AssertionError(f"{reason}, got\n{self.report()}")

    @property
    def finals(self) -> list[dict[str, Any]]:
        """The Turn events that ended a turn."""
        return [turn for turn in self.of("Turn") if turn["end_of_turn"]]

    @property
    def text(self) -> str:
        """All final transcripts, joined; of a turn that is sent twice, the formatted one."""
        last = {turn["turn_order"]: turn["transcript"] for turn in self.finals}
        return " ".join(last.values())

    def report(self) -> str:
        """Return everything the driver said, for the message of a failure."""
        lines = [json.dumps(event)[:REPORTED_EVENT_CHARACTERS] for event in self.events]
        return "\n".join([*lines, f"exit code {self.returncode}", self.stderr])


def start(run: ClientRun, stack: PrivateStack) -> Heard:
    """Run a driver to its end.

    Raises:
        CannotInstall: its environment cannot be built.
        AssertionError: it did not end in time.
    """
    home = environment(run.client.environment)
    options = {**addresses(stack, secure=run.secure), **json.loads(run.options)}
    if "audio" in options:
        options["audio"] = str(SAMPLES / options["audio"])
    try:
        done = subprocess.run(
            [home.program, DRIVERS / run.client.driver, json.dumps(options)],
            env=_variables(home.variables, stack if run.secure else None),
            cwd=stack.home,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        raise AssertionError(
            f"{run} has not ended after {RUN_LIMIT_S} s\n{_text(expired.stdout)}\n{_text(expired.stderr)}"
        ) from None
    return Heard(_events(done.stdout), done.returncode, done.stderr)


def addresses(stack: PrivateStack, *, secure: bool) -> dict[str, str]:
    """Return where a driver finds the stack: ``url`` of the gateway, ``host`` with the TLS port, ``http_url``."""
    host = f"localhost:{stack.environment['AAI_TLS_PORT']}"
    return {
        "url": f"wss://{host}" if secure else stack.endpoint,
        "host": host,
        "http_url": stack.endpoint.replace("ws:", "http:"),
    }


def _variables(own: Mapping[str, str], trusted: PrivateStack | None) -> dict[str, str]:
    """Return what a driver's process gets: nothing of ours, no proxy, and the certificate where it is wanted."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AAI_", "PYTHON", "VIRTUAL_ENV", "NODE_", "SSL_"))
        and not name.lower().endswith("_proxy")
    }
    certificate = trusted.environment["AAI_TLS_CERT_FILE"] if trusted else None
    trust = {"SSL_CERT_FILE": certificate, "NODE_EXTRA_CA_CERTS": certificate} if certificate else {}
    return {**kept, "PYTHONUNBUFFERED": "1", **own, **trust}


def _events(output: str) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in output.splitlines() if line.startswith("{"))


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
