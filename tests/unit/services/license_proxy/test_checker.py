"""One check: every cause is told in one line with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.license import BillingMode, LicenseFiles, new_signing_key
from services.license_proxy.checker import LicenseChecker, Outcome
from tests.support.fake_clock import FakeClock
from tests.support.licenses import NOW_S, write_license

KEY = new_signing_key()
DAY_S = 86_400


def _checker(home: Path, clock: FakeClock, *, has_usage_key: bool = False) -> LicenseChecker:
    files = LicenseFiles(home / "license.jwt", home / "license-public-keys.json")
    return LicenseChecker(files, clock, 60, has_usage_key)


def test_check_of_a_valid_license_is_ok_with_its_claims(tmp_path: Path) -> None:
    """A success carries the claims and the time of the check in microseconds."""
    write_license(tmp_path, KEY, NOW_S)
    result = _checker(tmp_path, FakeClock(NOW_S + 0.25)).check()
    assert (result.outcome, result.problem, result.moment_us) == (Outcome.OK, "", NOW_S * 1_000_000 + 250_000)
    assert result.claims is not None


def test_check_reads_the_files_anew_each_time(tmp_path: Path) -> None:
    """A swapped, lost or renewed file shows in the next check."""
    path = write_license(tmp_path, KEY, NOW_S)
    checker = _checker(tmp_path, FakeClock(NOW_S))
    good = path.read_bytes()
    outcomes = [checker.check().outcome]
    path.write_bytes(b"garbage")
    outcomes.append(checker.check().outcome)
    path.unlink()
    outcomes.append(checker.check().outcome)
    path.write_bytes(good)
    outcomes.append(checker.check().outcome)
    assert outcomes == [Outcome.OK, Outcome.FAILED, Outcome.FAILED, Outcome.OK]


@pytest.mark.parametrize(
    ("days_later", "cause", "fix"),
    [(31, "expired at", "renewed license"), (-1, "valid from", "clock")],
)
def test_check_at_a_wrong_time_names_cause_and_fix(tmp_path: Path, days_later: int, cause: str, fix: str) -> None:
    """Expired and not yet valid licenses are told apart in one line."""
    path = write_license(tmp_path, KEY, NOW_S)
    result = _checker(tmp_path, FakeClock(NOW_S + days_later * DAY_S)).check()
    assert result.outcome is Outcome.FAILED
    assert all(part in result.problem for part in (str(path), cause, fix))
    assert "\n" not in result.problem


def test_check_of_a_usage_license_without_key_names_the_setting(tmp_path: Path) -> None:
    """A license that bills by usage needs the tracker's key."""
    write_license(tmp_path, KEY, NOW_S, billing=BillingMode.USAGE)
    result = _checker(tmp_path, FakeClock(NOW_S)).check()
    assert result.outcome is Outcome.FAILED
    assert "USAGE_TRACKING_API_KEY" in result.problem
    assert _checker(tmp_path, FakeClock(NOW_S), has_usage_key=True).check().outcome is Outcome.OK
