"""Sessions counted per worker, key, backend and license; each Admission below stands for one worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.catalog import Model
from runtime.errors import CapacityError
from services.gateway.admission import Admission, SessionLimits
from services.gateway.auth import Principal

ANYBODY = Principal()
ACME = Principal("acme", 1)
TOO_MANY = "^Unauthorized Connection: Too many concurrent sessions$"


def test_worker_has_its_own_limit(tmp_path: Path) -> None:
    """It says nothing about other workers."""
    one, two = Admission(tmp_path, 2), Admission(tmp_path, 2)
    first = one.admit(ANYBODY, Model.ENGLISH)
    one.admit(ANYBODY, Model.MULTILANG)
    with pytest.raises(CapacityError, match=TOO_MANY):
        one.admit(ANYBODY, Model.ENGLISH)
    two.admit(ANYBODY, Model.ENGLISH)
    one.release(first)
    one.admit(ANYBODY, Model.ENGLISH)
    assert one.sessions == 2


def test_without_limits_everybody_comes_in(tmp_path: Path) -> None:
    """Nothing is known of backends of another host."""
    admission = Admission(tmp_path, None)
    for _ in range(100):
        admission.admit(ANYBODY, Model.ENGLISH)
    assert admission.used(Model.ENGLISH) == 100
    assert admission.used_ratio() == 0.0


def test_backend_is_counted_over_workers(tmp_path: Path) -> None:
    """Another backend is not concerned."""
    one, two = Admission(tmp_path, None), Admission(tmp_path, None)
    one.limits = two.limits = SessionLimits({Model.ENGLISH: 3})
    held = [one.admit(ANYBODY, Model.ENGLISH), two.admit(ANYBODY, Model.ENGLISH), one.admit(ANYBODY, Model.ENGLISH)]
    with pytest.raises(CapacityError, match=TOO_MANY):
        two.admit(ANYBODY, Model.ENGLISH)
    two.admit(ANYBODY, Model.MULTILANG)
    assert two.used_ratio() == 1.0
    one.release(held[0])
    two.admit(ANYBODY, Model.ENGLISH)


def test_license_is_counted_over_workers_and_backends(tmp_path: Path) -> None:
    """The license does not care which model it is."""
    one, two = Admission(tmp_path, None), Admission(tmp_path, None)
    one.limits = two.limits = SessionLimits(license_sessions=2)
    one.admit(ANYBODY, Model.ENGLISH)
    two.admit(ANYBODY, Model.MULTILANG)
    with pytest.raises(CapacityError, match=TOO_MANY):
        one.admit(ANYBODY, Model.ENGLISH)
    assert one.used_ratio() == 1.0


def test_refused_session_leaves_nothing_taken(tmp_path: Path) -> None:
    """The place at the backend is given back when the key has none left."""
    admission = Admission(tmp_path, None)
    admission.limits = SessionLimits({Model.ENGLISH: 10}, 10)
    admission.admit(ACME, Model.ENGLISH)
    for _ in range(20):
        with pytest.raises(CapacityError, match=TOO_MANY):
            admission.admit(ACME, Model.ENGLISH)
    assert (admission.sessions, admission.used(Model.ENGLISH)) == (1, 1)


def test_places_of_a_worker_that_ended_are_free(tmp_path: Path) -> None:
    """The kernel gives them back, however the worker ended."""
    one, two = Admission(tmp_path, None), Admission(tmp_path, None)
    two.limits = SessionLimits({Model.ENGLISH: 1}, 1)
    one.admit(ANYBODY, Model.ENGLISH)
    with pytest.raises(CapacityError):
        two.admit(ANYBODY, Model.ENGLISH)
    one.close()
    two.admit(ANYBODY, Model.ENGLISH)
