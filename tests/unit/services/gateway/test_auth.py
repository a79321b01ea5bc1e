"""Who may open a session, whose session it is, and who may fetch a token."""

from __future__ import annotations

import pytest

from protos.session_v3 import Text
from runtime.api_keys import ApiKey, hash_key
from runtime.errors import Unauthorized
from runtime.tokens import OPERATOR, Grant, sign
from services.gateway.auth import AuthMode, Credentials, Principal, Rules, authenticate, fetching_key

NOW_S = 1_000.0
SECRET = b"a secret"
ACME, BOB = ApiKey("acme", hash_key("acme-key"), 3), ApiKey("bob", hash_key("bob-key"))
CHECKING = (AuthMode.KEYS, AuthMode.TOKEN)


def rules(mode: AuthMode) -> Rules:
    """Return rules with two keys."""
    return Rules(mode, (ACME, BOB), SECRET)


def token(key: str = "", *, life_s: int = 60, cap_s: int = 10_800, secret: bytes = SECRET) -> str:
    """Return a token made now."""
    return sign(Grant(int(NOW_S) + life_s, cap_s, key), secret)


def principal(mode: AuthMode, header: str = "", query_token: str = "") -> Principal:
    """Return who these credentials are."""
    return authenticate(Credentials.of(header, query_token), rules(mode), NOW_S)


def refusal(mode: AuthMode, header: str = "", query_token: str = "") -> str:
    """Return the text these credentials are refused with."""
    with pytest.raises(Unauthorized) as caught:
        principal(mode, header, query_token)
    assert caught.value.close_code == 1008
    return str(caught.value)


@pytest.mark.parametrize("mode", AuthMode)
@pytest.mark.parametrize(("header", "query_token"), [("", ""), ("  ", " ")])
def test_nothing_shown_is_refused_as_missing(mode: AuthMode, header: str, query_token: str) -> None:
    """Blanks are no credentials, in every mode."""
    assert refusal(mode, header, query_token) == "Unauthorized Connection: Missing Authorization header"


@pytest.mark.parametrize(
    ("header", "query_token"), [("self-hosted", ""), ("Bearer x", ""), ("Bearer", ""), ("", "any"), ("\udcff", "é")]
)
def test_compat_takes_anything(header: str, query_token: str) -> None:
    """Any non-empty value connects, without label and limit."""
    assert principal(AuthMode.COMPAT, header, query_token) == Principal("", None, 10_800)


@pytest.mark.parametrize("header", ["acme-key", "Bearer acme-key", "bearer  acme-key ", " acme-key"])
def test_key_in_the_header_opens_its_owners_session(header: str) -> None:
    """With or without Bearer; label and limit are the key's."""
    assert principal(AuthMode.KEYS, header) == Principal("acme", 3, 10_800)


@pytest.mark.parametrize(
    ("header", "query_token"),
    [
        ("self-hosted", ""), ("ACME-KEY", ""), ("Bearer", ""), ("Bearer bob-key x", ""), ("", "acme-key"),
        ("", "aai-local.x.y"), ("\udcff", ""), ("Bearerbob-key", ""), (hash_key("acme-key"), ""),
    ],
)  # fmt: skip
def test_unknown_key_is_refused(header: str, query_token: str) -> None:
    """A key counts in the header only, and only exactly."""
    assert refusal(AuthMode.KEYS, header, query_token) == "Unauthorized Connection: Invalid API key"


@pytest.mark.parametrize("mode", CHECKING)
@pytest.mark.parametrize("place", ["header", "bearer", "query", "query beside an unknown header"])
def test_token_opens_the_session_of_its_key(mode: AuthMode, place: str) -> None:
    """In the header or the query; the cap is the token's, label and limit are the key's."""
    text = token(ACME.fingerprint, cap_s=600)
    found = {
        "header": lambda: principal(mode, text),
        "bearer": lambda: principal(mode, f"Bearer {text}"),
        "query": lambda: principal(mode, "", text),
        "query beside an unknown header": lambda: principal(mode, "self-hosted", text),
    }[place]()
    assert found == Principal("acme", 3, 600)


def test_token_mode_refuses_keys() -> None:
    """Keys only fetch tokens there."""
    assert refusal(AuthMode.TOKEN, "acme-key") == Text.INVALID_API_KEY


@pytest.mark.parametrize("mode", CHECKING)
def test_token_of_a_revoked_key_is_refused(mode: AuthMode) -> None:
    """A token goes with its key, also when the label was given again."""
    assert refusal(mode, token("0123456789abcdef")) == Text.INVALID_API_KEY


@pytest.mark.parametrize("mode", CHECKING)
def test_token_fetched_while_keys_were_not_checked_is_refused(mode: AuthMode) -> None:
    """A stricter mode does not honour what anybody could fetch before."""
    assert refusal(mode, token("")) == Text.INVALID_API_KEY


@pytest.mark.parametrize("mode", CHECKING)
def test_token_of_another_secret_is_refused(mode: AuthMode) -> None:
    """Only our own signature counts."""
    assert refusal(mode, token(ACME.fingerprint, secret=b"other")) == Text.INVALID_API_KEY


@pytest.mark.parametrize("mode", AuthMode)
@pytest.mark.parametrize(("header", "in_query"), [(True, False), (False, True)])
def test_expired_token_is_refused_with_its_own_text(mode: AuthMode, header: bool, in_query: bool) -> None:
    """From its last second on, in every mode and place."""
    text = token(ACME.fingerprint, life_s=0)
    assert refusal(mode, text if header else "", text if in_query else "") == (
        "Unauthorized Connection: Signature has expired"
    )


def test_expired_token_beside_an_unknown_key_says_expired() -> None:
    """What a client can act on is what it is told."""
    assert refusal(AuthMode.KEYS, "self-hosted", token(ACME.fingerprint, life_s=-5)) == Text.TOKEN_EXPIRED


def test_compat_honours_the_cap_of_its_own_tokens() -> None:
    """A session of a token is no longer than the token says."""
    assert principal(AuthMode.COMPAT, "self-hosted", token(cap_s=60)) == Principal("", None, 60)


def test_compat_takes_a_forged_token_as_any_other_text() -> None:
    """Signed by somebody else, it is just a value."""
    assert principal(AuthMode.COMPAT, token(secret=b"other", life_s=-5)) == Principal()


@pytest.mark.parametrize("mode", AuthMode)
def test_operator_token_opens_a_session_without_a_key(mode: AuthMode) -> None:
    """The console of this host gets through in every mode, uncounted."""
    assert principal(mode, token(OPERATOR)) == Principal("", None, 10_800)


@pytest.mark.parametrize("mode", CHECKING)
def test_key_fetches_a_token_of_its_own(mode: AuthMode) -> None:
    """The token will carry the key's fingerprint."""
    assert fetching_key(Credentials.of("Bearer bob-key", ""), rules(mode)) == BOB.fingerprint


@pytest.mark.parametrize("mode", CHECKING)
@pytest.mark.parametrize("header", ["self-hosted", token(ACME.fingerprint), token(OPERATOR)])
def test_other_credentials_fetch_no_token(mode: AuthMode, header: str) -> None:
    """A token fetches no token: it would outlive itself."""
    with pytest.raises(Unauthorized, match="Invalid API key"):
        fetching_key(Credentials.of(header, ""), rules(mode))


def test_compat_gives_everybody_a_token_but_not_for_nothing() -> None:
    """Some credential has to be shown."""
    assert fetching_key(Credentials.of("self-hosted", ""), rules(AuthMode.COMPAT)) == ""
    with pytest.raises(Unauthorized, match="Missing Authorization"):
        fetching_key(Credentials.of("", ""), rules(AuthMode.COMPAT))
