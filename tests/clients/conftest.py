"""Both stacks with TLS, and the runs of all selected tests, several at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Lock, Semaphore

import pytest

from tests.clients.environments import environment
from tests.clients.sessions import RUNS_AT_ONCE, ClientRun, Heard, start
from tests.support.private_stack import PrivateStack, private_environment, private_stack

TRACEBACK = "Traceback (most recent call last)"


class Runs:
    """All runs that the selected tests ask for, several at a time; each is waited for by the tests that look at it."""

    def __init__(self, asked_for: list[ClientRun], stacks: Mapping[str, PrivateStack]) -> None:
        self._stacks = stacks
        self._places = Semaphore(RUNS_AT_ONCE)
        self._door = Lock()
        self._pool = ThreadPoolExecutor(RUNS_AT_ONCE, thread_name_prefix="client")
        self._begun = {run: self._pool.submit(self._start, run) for run in asked_for}

    def heard(self, run: ClientRun) -> Heard:
        """Return what a run heard, as soon as it has ended."""
        return self._begun[run].result()

    def close(self) -> None:
        """Begin no further run, and wait for those that have begun."""
        self._pool.shutdown(cancel_futures=True)

    def _start(self, run: ClientRun) -> Heard:
        with self._door:  # in order, so that a run that needs many places gets them
            for _ in range(run.places):
                self._places.acquire()
        try:
            return start(run, self._stacks[run.stack])
        finally:
            self._places.release(run.places)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name tests after what they run."""
    return val.title if isinstance(val, ClientRun) else None


def _asked_for(session: pytest.Session) -> list[ClientRun]:
    """Return every run in the parameters of the selected tests, once, in their order."""
    values = [
        value
        for item in session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        for value in item.callspec.params.values()
    ]
    return list(dict.fromkeys(value for value in values if isinstance(value, ClientRun)))


@pytest.fixture(scope="session")
def stacks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, PrivateStack]]:
    """Give the real stacks that the selected tests need, by name, each with a plain and a TLS listener."""
    home = tmp_path_factory.mktemp("certificate")
    made = PrivateStack(home, private_environment(home)).console("tls", "self-signed")
    assert made.returncode == 0, made.stderr
    tls = {
        "AAI_TLS_CERT_FILE": str(home / "keys" / "tls-cert.pem"),
        "AAI_TLS_KEY_FILE": str(home / "keys" / "tls-key.pem"),
    }
    with ExitStack() as running:
        started = {
            name: running.enter_context(private_stack(name, **tls))
            for name in dict.fromkeys(run.stack for run in _asked_for(request.session))
        }
        yield started
        raised = [log for stack in started.values() for log in _logs(stack) if TRACEBACK in log]
    assert not raised, raised[0]


def _logs(stack: PrivateStack) -> list[str]:
    """Return what each program of a stack has logged."""
    return [path.read_text(errors="replace") for path in (stack.home / "logs").glob("*.log")]


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, stacks: dict[str, PrivateStack]) -> Iterator[Runs]:
    """Give the runs of all selected tests."""
    asked_for = _asked_for(request.session)
    for name in dict.fromkeys(run.client.environment for run in asked_for):
        environment(name)
    begun = Runs(asked_for, stacks)
    try:
        yield begun
    finally:
        begun.close()


@pytest.fixture
def heard(run: ClientRun, runs: Runs) -> Heard:
    """Give what the test's run heard: it ended by itself, well, and nothing was raised in it."""
    heard = runs.heard(run)
    assert heard.returncode == 0, heard.report()
    assert TRACEBACK not in heard.stderr, heard.report()
    return heard
