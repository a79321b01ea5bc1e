"""The gateway's door with its files: keys that change while it runs, tokens, the answers of the token endpoint."""

from __future__ import annotations

import http
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime.api_keys import add_api_key, revoke_api_key
from runtime.errors import ConfigError, Unauthorized
from runtime.operator_access import operator_credential
from runtime.settings import GatewaySettings
from services.gateway.access import Access
from services.gateway.auth import Principal
from tests.support.fake_clock import FakeClock


def gateway(home: Path, **variables: str) -> GatewaySettings:
    """Return settings of a gateway that checks keys."""
    return GatewaySettings.load({"AAI_HOME": str(home), "AAI_AUTH_MODE": "keys", **variables})


def refused(access: Access, key: str) -> bool:
    """Return whether a key opens no session."""
    try:
        access.authenticate(key, "")
    except Unauthorized:
        return True
    return False


def test_added_and_revoked_keys_hold_at_once(tmp_path: Path) -> None:
    """Without a restart, and with the limit of the key."""
    settings = gateway(tmp_path)
    access = Access(settings, FakeClock())
    key = add_api_key(settings.api_keys_file, "acme", 2, 0)
    assert access.authenticate(key, "") == Principal("acme", 2)
    revoke_api_key(settings.api_keys_file, "acme")
    assert refused(access, key)


def test_file_that_turns_bad_leaves_the_last_keys_and_says_so_once(tmp_path: Path) -> None:
    """Broken or gone, clients that were known stay known."""
    settings = gateway(tmp_path)
    key = add_api_key(settings.api_keys_file, "acme", None, 0)
    access = Access(settings, FakeClock())
    with capture_logs() as logs:
        settings.api_keys_file.write_text("{")
        assert not refused(access, key)
        assert not refused(access, key)
        settings.api_keys_file.unlink()
        assert not refused(access, key)
        assert not refused(access, key)
    assert [entry["event"] for entry in logs] == [
        "keys file not usable: the last keys stay valid", "keys file is gone: the last keys stay valid",
    ]  # fmt: skip
    assert key not in str(logs)


def test_broken_file_at_the_start_stops_it(tmp_path: Path) -> None:
    """There is no last good state to keep."""
    settings = gateway(tmp_path)
    settings.api_keys_file.parent.mkdir(parents=True)
    settings.api_keys_file.write_text("{")
    with pytest.raises(ConfigError, match="is broken"):
        Access(settings, FakeClock())


def test_start_without_any_key_warns(tmp_path: Path) -> None:
    """Keys may be added later, but nobody can connect until then."""
    with capture_logs() as logs:
        Access(gateway(tmp_path), FakeClock())
        Access(gateway(tmp_path, AAI_AUTH_MODE="compat"), FakeClock())
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_token_of_one_worker_opens_sessions_of_another_until_it_expires(tmp_path: Path) -> None:
    """All workers share one key file, made by the first."""
    settings, clock = gateway(tmp_path), FakeClock()
    key = add_api_key(settings.api_keys_file, "acme", 2, 0)
    one, two = Access(settings, clock), Access(settings, clock)
    status, answer = one.answer_token_request(key, "expires_in_seconds=5&max_session_duration_seconds=60")
    assert (status, set(answer), answer["expires_in_seconds"]) == (
        http.HTTPStatus.OK, {"token", "expires_in_seconds"}, 5,
    )  # fmt: skip
    for _ in range(2):
        assert two.authenticate("", f"sample_rate=16000&token={answer['token']}") == Principal("acme", 2, 60)
    clock.advance_s(6)
    with pytest.raises(Unauthorized, match="Signature has expired"):
        two.authenticate(answer["token"], "")
    assert settings.token_key_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("authorization", "query", "status", "member"),
    [
        ("", "expires_in_seconds=5", 401, {"error": "Missing Authorization header"}),
        ("nobody", "expires_in_seconds=5", 401, {"error": "Invalid API key"}),
        ("", "", 401, {"error": "Missing Authorization header"}),
        ("", "expires_in_seconds=5&token=x", 401, {"error": "Missing Authorization header"}),
    ],
)
def test_token_request_without_a_key_is_answered_401(
    tmp_path: Path, authorization: str, query: str, status: int, member: dict[str, str]
) -> None:
    """Credentials come before parameters, and a token in the query is none."""
    assert Access(gateway(tmp_path), FakeClock()).answer_token_request(authorization, query) == (status, member)


def test_token_request_with_bad_parameters_is_answered_422(tmp_path: Path) -> None:
    """With the list of what is wrong."""
    access = Access(gateway(tmp_path, AAI_AUTH_MODE="compat"), FakeClock())
    status, answer = access.answer_token_request("self-hosted", "expires_in_seconds=x")
    assert (status, [one["loc"] for one in answer["detail"]]) == (422, [["query", "expires_in_seconds"]])


def test_operator_of_this_host_gets_through(tmp_path: Path) -> None:
    """The console's own credential opens a session where keys are checked."""
    settings, clock = gateway(tmp_path), FakeClock()
    access = Access(settings, clock)
    credential = operator_credential(settings.token_key_file, clock.wall_s())
    assert access.authenticate(credential, "") == Principal()


def test_operator_without_the_stacks_secret_has_what_anybody_has(tmp_path: Path) -> None:
    """Who may not read the private file is a client like others."""
    assert operator_credential(tmp_path / "token.key", 0) == "self-hosted"
