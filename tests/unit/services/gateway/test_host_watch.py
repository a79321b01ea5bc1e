"""What a gateway makes of the answers of the other programs."""

from __future__ import annotations

from runtime.catalog import Model
from services.gateway.host_watch import BackendReport, HostReport

ENGLISH = BackendReport("streaming-asr-english", 48)
LOADING = BackendReport("streaming-asr-multilang", 48, "loading the model")


def test_limits_are_those_of_programs_that_named_one() -> None:
    """An unknown limit does not limit."""
    report = HostReport({Model.ENGLISH: ENGLISH, Model.MULTILANG: BackendReport("x")}, 200)
    assert report.limits.backends == {Model.ENGLISH: 48}
    assert report.limits.license_sessions == 200


def test_problems_name_program_and_cause() -> None:
    """Only of the models that were asked for."""
    report = HostReport({Model.ENGLISH: ENGLISH, Model.MULTILANG: LOADING})
    assert report.problems((Model.ENGLISH, Model.MULTILANG)) == ["streaming-asr-multilang: loading the model"]
    assert report.problems((Model.ENGLISH, Model.PRO)) == []


def test_program_that_does_not_answer_keeps_its_limit() -> None:
    """While it restarts its sessions still count; a new answer counts at once."""
    silent = BackendReport("streaming-asr-english", None, "does not answer")
    former = HostReport({Model.ENGLISH: ENGLISH}, 200)
    merged = HostReport({Model.ENGLISH: silent}).merged_into(former)
    assert merged.limits.backends == {Model.ENGLISH: 48}
    assert merged.limits.license_sessions == 200
    assert merged.problems((Model.ENGLISH,)) == ["streaming-asr-english: does not answer"]
    again = HostReport({Model.ENGLISH: BackendReport("streaming-asr-english", 8)}, 5).merged_into(merged)
    assert (again.limits.backends, again.limits.license_sessions) == ({Model.ENGLISH: 8}, 5)
