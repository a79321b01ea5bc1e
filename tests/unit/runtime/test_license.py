"""Licenses: what is accepted, what is refused and with which exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from runtime.errors import ConfigError
from runtime.license import (
    BillingMode,
    Claims,
    LicenseFiles,
    Verdict,
    ensure_development_license,
    find_license_files,
    inspect_token,
    issue_license,
    key_id,
    load_public_keys,
    load_signing_key,
    new_signing_key,
    parse_public_keys,
    pin,
    private_key_pem,
    public_keys_document,
    read_limited,
    record_issue,
    verify_files,
    verify_token,
)
from runtime.settings import LicenseProxySettings
from tests.support.licenses import NOW_S, assemble, claims_of_valid, order, sign, sign_hmac, write_license

KEY = new_signing_key()
FOREIGN_KEY = new_signing_key()
PINNED = (pin(KEY.public_key()),)
TOKEN = issue_license(order(), KEY, NOW_S).token.encode()
CLAIMS = claims_of_valid(KEY)
HEADER = {"alg": "EdDSA", "kid": key_id(KEY.public_key()), "typ": "aai-license+jwt"}
LEEWAY_S = 60
DAY_S = 86_400


def _verdict_of(token: bytes, now_s: float = NOW_S) -> Verdict:
    return verify_token(token, PINNED, now_s, LEEWAY_S).verdict


def _without(name: str) -> dict[str, Any]:
    return {claim: value for claim, value in CLAIMS.items() if claim != name}


def _changed(**claims: Any) -> bytes:
    return sign(CLAIMS | claims, KEY)


def _public_pem() -> bytes:
    return KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip


def test_verify_genuine_license_is_valid() -> None:
    """A license signed by a pinned key is valid and shows its claims."""
    found = verify_token(TOKEN + b"\n", PINNED, NOW_S, LEEWAY_S)
    assert (found.verdict, found.reason, found.kid) == (Verdict.VALID, "", PINNED[0].kid)
    assert found.claims is not None
    assert (found.claims.sub, found.claims.limits.max_concurrent_sessions) == ("cust_7Q2", 5)


SIGNATURE_ATTACKS: dict[str, Callable[[], bytes]] = {
    "alg none, no signature": lambda: assemble(HEADER | {"alg": "none"}, CLAIMS),
    "alg NoNe, no signature": lambda: assemble(HEADER | {"alg": "NoNe"}, CLAIMS),
    "alg none, genuine signature": lambda: assemble(HEADER | {"alg": "none"}, CLAIMS, b"\0" * 64),
    "HS256 keyed with the public PEM": lambda: sign_hmac(HEADER | {"alg": "HS256"}, CLAIMS, _public_pem()),
    "HS256 keyed with the key id": lambda: sign_hmac(HEADER | {"alg": "HS256"}, CLAIMS, HEADER["kid"].encode()),
    "RS256 under the kid of an Ed25519 key": lambda: sign(
        CLAIMS, rsa.generate_private_key(65537, 2048), {"kid": HEADER["kid"]}
    ),
    "foreign key, its own kid": lambda: sign(CLAIMS, FOREIGN_KEY),
    "foreign key, pinned kid": lambda: sign(CLAIMS, FOREIGN_KEY, {"kid": HEADER["kid"]}),
    "no kid": lambda: assemble({"alg": "EdDSA", "typ": "aai-license+jwt"}, CLAIMS, b"\0" * 64),
    "kid is a number": lambda: assemble(HEADER | {"kid": 7}, CLAIMS, b"\0" * 64),
    "no alg": lambda: assemble({"kid": HEADER["kid"], "typ": "aai-license+jwt"}, CLAIMS, b"\0" * 64),
    "alg is a list": lambda: assemble(HEADER | {"alg": ["EdDSA"]}, CLAIMS, b"\0" * 64),
    "jku": lambda: sign(CLAIMS, KEY, {"jku": "https://attacker.example/keys"}),
    "jwk": lambda: sign(CLAIMS, KEY, {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}),
    "x5u": lambda: sign(CLAIMS, KEY, {"x5u": "https://attacker.example/cert"}),
    "x5c": lambda: sign(CLAIMS, KEY, {"x5c": ["AAAA"]}),
    "unknown crit": lambda: assemble(HEADER | {"crit": ["aai"], "aai": 1}, CLAIMS, b"\0" * 64),
    "crit b64, detached": lambda: assemble(HEADER | {"crit": ["b64"], "b64": True}, CLAIMS, b"\0" * 64),
    "claims of another token": lambda: b".".join(
        [TOKEN.split(b".")[0], _changed(exp=NOW_S + 9 * DAY_S).split(b".")[1], TOKEN.split(b".")[2]]
    ),
    "empty signature": lambda: TOKEN.rsplit(b".", 1)[0] + b".",
}


@pytest.mark.parametrize("attack", SIGNATURE_ATTACKS)
def test_verify_forged_signature_is_untrusted(attack: str) -> None:
    """A token that no pinned key signed in its own algorithm is untrusted."""
    assert _verdict_of(SIGNATURE_ATTACKS[attack]()) is Verdict.UNTRUSTED


UNREADABLE_TOKENS: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \n",
    "one segment": TOKEN.split(b".")[0],
    "two segments cut in the claims": TOKEN[: TOKEN.rindex(b".")][:-9],
    "zero bytes": b"\0" * 300,
    "not base64": b"!!!.???.---",
    "header is not JSON": b"bm90IGpzb24." + TOKEN.split(b".", 1)[1],
    "header is a list": b"W10." + TOKEN.split(b".", 1)[1],
    "not ASCII": "\u00e4.\u00f6.\u00fc".encode(),
    "five segments": TOKEN + b".." + TOKEN,
    "huge": TOKEN + b"A" * 20_000,
}


@pytest.mark.parametrize("kind", UNREADABLE_TOKENS)
def test_verify_garbage_is_unreadable(kind: str) -> None:
    """Bytes that are no license at all are unreadable."""
    assert _verdict_of(UNREADABLE_TOKENS[kind]) is Verdict.UNREADABLE


def test_verify_license_cut_anywhere_is_refused() -> None:
    """A license cut at any byte is refused as unreadable or untrusted."""
    found = {_verdict_of(TOKEN[:length]) for length in range(len(TOKEN))}
    assert found == {Verdict.UNREADABLE, Verdict.UNTRUSTED}


@given(position=st.integers(0, len(TOKEN) - 1), value=st.integers(0, 255))
def test_verify_license_with_one_byte_changed_is_refused(position: int, value: int) -> None:
    """Changing any one byte never yields another valid license."""
    token = TOKEN[:position] + bytes([value]) + TOKEN[position + 1 :]
    assert token == TOKEN or token.strip() == TOKEN or _verdict_of(token) is not Verdict.VALID


@given(st.binary(max_size=600))
def test_verify_any_bytes_gives_a_verdict(token: bytes) -> None:
    """No input raises, and no random input is valid."""
    assert _verdict_of(token) is not Verdict.VALID


CLAIM_FAULTS: dict[str, Callable[[], bytes]] = {
    **{f"no {name}": (lambda name=name: sign(_without(name), KEY)) for name in CLAIMS},
    "aud of another product": lambda: _changed(aud="another-product"),
    "aud as a list": lambda: _changed(aud=["aai-self-hosted-streaming"]),
    "exp as a string": lambda: _changed(exp=str(NOW_S + DAY_S)),
    "exp as a fraction": lambda: _changed(exp=NOW_S + 0.5),
    "exp Infinity": lambda: sign(json.dumps(CLAIMS | {"exp": float("inf")}).encode(), KEY),
    "exp null": lambda: _changed(exp=None),
    "exp true": lambda: _changed(exp=True),
    "exp far beyond any date": lambda: _changed(exp=10**30),
    "exp before nbf": lambda: _changed(exp=NOW_S - 1),
    "nbf negative": lambda: _changed(nbf=-1),
    "ver of the future": lambda: _changed(ver=2),
    "iss of no authority": lambda: _changed(iss="https://example.com"),
    "jti with a line break": lambda: _changed(jti="lic_1\n"),
    "customer without a name": lambda: _changed(customer={"name": ""}),
    "unknown billing mode": lambda: _changed(billing={"mode": "free"}),
    "usage billing without a unit": lambda: _changed(billing={"mode": "usage"}),
    "no sessions": lambda: _changed(limits=CLAIMS["limits"] | {"max_concurrent_sessions": 0}),
    "unknown stack": lambda: _changed(stacks=["universal", "imaginary"]),
    "no stack": lambda: _changed(stacks=[]),
    "one stack twice": lambda: _changed(stacks=["universal", "universal"]),
    "unknown model": lambda: _changed(models=["imaginary"]),
    "trust window too long": lambda: _changed(trust_window_s=2_592_001),
    "trust window negative": lambda: _changed(trust_window_s=-1),
    "unknown check-in mode": lambda: _changed(checkin={"mode": "sometimes"}),
    "claims are a list": lambda: sign(b"[]", KEY),
    "claims are no JSON": lambda: sign(b"claims", KEY),
    "claims nested very deeply": lambda: sign(b"[" * 4000, KEY),
    "another kind of token": lambda: sign(CLAIMS, KEY, {"typ": "aai-checkin+jwt"}),
    "no kind": lambda: sign(CLAIMS, KEY, {"typ": "JWT"}),
}


@pytest.mark.parametrize("fault", CLAIM_FAULTS)
def test_verify_genuine_license_with_bad_claims_is_refused(fault: str) -> None:
    """Claims of the wrong type, value or number are refused although the signature is genuine."""
    found = verify_token(CLAIM_FAULTS[fault](), PINNED, NOW_S, LEEWAY_S)
    assert (found.verdict, found.claims) == (Verdict.BAD_CLAIMS, None)
    assert found.reason


def test_verify_unknown_claim_is_ignored() -> None:
    """An authority may add claims without breaking programs in the field."""
    assert _verdict_of(_changed(color="green")) is Verdict.VALID


@pytest.mark.parametrize(
    ("late_s", "verdict"),
    [
        (-61, Verdict.NOT_YET_VALID),
        (-60, Verdict.VALID),
        (30 * DAY_S + 59, Verdict.VALID),
        (30 * DAY_S + 60, Verdict.EXPIRED),
        (3000 * DAY_S, Verdict.EXPIRED),
    ],
)
def test_verify_at_the_edges_of_its_life_tolerates_the_leeway(late_s: int, verdict: Verdict) -> None:
    """A license is valid from nbf - leeway until exp + leeway."""
    assert _verdict_of(TOKEN, NOW_S + late_s) is verdict


def test_verify_future_iat_is_not_yet_valid() -> None:
    """A license issued in the future is refused even when nbf has passed."""
    assert _verdict_of(_changed(iat=NOW_S + 61)) is Verdict.NOT_YET_VALID


def test_verify_expired_license_still_shows_its_claims() -> None:
    """What expired is known to be genuine, so its claims are reported."""
    found = verify_token(TOKEN, PINNED, NOW_S + 90 * DAY_S, LEEWAY_S)
    assert found.claims is not None


def test_verify_revoked_license_is_revoked_even_when_expired() -> None:
    """Revocation is reported before expiry."""
    found = verify_token(TOKEN, PINNED, NOW_S + 90 * DAY_S, LEEWAY_S, revoked={_json_id(TOKEN)})
    assert found.verdict is Verdict.REVOKED


def _json_id(token: bytes) -> str:
    found = inspect_token(token)
    assert found is not None
    return str(found.claims["jti"])


def test_verify_rs256_license_with_pinned_rsa_key_is_valid() -> None:
    """RS256 is accepted when a pinned RSA key of 3072 bits stands for it."""
    key = rsa.generate_private_key(65537, 3072)
    keys = parse_public_keys(public_keys_document([*PINNED, pin(key.public_key())]))
    assert verify_token(sign(CLAIMS, key), keys, NOW_S, LEEWAY_S).verdict is Verdict.VALID
    eddsa_under_rsa_kid = sign(CLAIMS, KEY, {"kid": key_id(key.public_key())})
    assert verify_token(eddsa_under_rsa_kid, keys, NOW_S, LEEWAY_S).verdict is Verdict.UNTRUSTED


def test_verify_during_key_rotation_accepts_both_keys() -> None:
    """With old and new key pinned, licenses of both are valid."""
    keys = (*PINNED, pin(FOREIGN_KEY.public_key()))
    assert verify_token(sign(CLAIMS, FOREIGN_KEY), keys, NOW_S, LEEWAY_S).verdict is Verdict.VALID
    assert verify_token(TOKEN, keys, NOW_S, LEEWAY_S).verdict is Verdict.VALID


def test_verdict_values_are_the_documented_exit_codes() -> None:
    """Scripts rely on the numbers."""
    assert [verdict.value for verdict in Verdict] == [0, 2, 3, 4, 5, 6, 7]


def test_public_keys_survive_a_round_trip() -> None:
    """What is written is read back as the same keys."""
    found = parse_public_keys(public_keys_document(PINNED))
    assert [(key.kid, key.algorithm) for key in found] == [(PINNED[0].kid, "EdDSA")]
    assert key_id(found[0].public_key) == PINNED[0].kid


def test_key_id_of_a_known_key_is_the_start_of_its_spki_hash() -> None:
    """The identifier is 16 hex digits of SHA-256 over the DER form (the all-zero key, hashed with openssl)."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert key_id(key.public_key()) == "339e2ff917630507"


def _one_key(**changes: Any) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(public_keys_document(PINNED))["keys"][0]
    return entry | changes


def _short_rsa_key() -> dict[str, Any]:
    numbers: dict[str, Any] = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
    return {"kty": "RSA", "alg": "RS256", "n": numbers["n"], "e": numbers["e"]}


BAD_KEY_SETS: dict[str, Callable[[], object]] = {
    "private member": lambda: {"keys": [_one_key(d="AAAA")]},
    "no keys": lambda: {"keys": []},
    "five keys": lambda: {"keys": [_one_key()] * 5},
    "one key twice": lambda: {"keys": [_one_key(), _one_key()]},
    "symmetric key": lambda: {"keys": [{"kty": "oct", "alg": "HS256"}]},
    "algorithm of another key": lambda: {"keys": [_one_key(alg="HS256")]},
    "Ed448": lambda: {"keys": [_one_key(crv="Ed448")]},
    "x too short": lambda: {"keys": [_one_key(x="AAAA")]},
    "x missing": lambda: {"keys": [{"kty": "OKP", "crv": "Ed25519"}]},
    "x a number": lambda: {"keys": [_one_key(x=7)]},
    "wrong label": lambda: {"keys": [_one_key(kid="0" * 16)]},
    "RSA of 2048 bits": lambda: {"keys": [_short_rsa_key()]},
    "a key that is no object": lambda: {"keys": ["key"]},
    "no object": list,
}


@pytest.mark.parametrize("kind", BAD_KEY_SETS)
def test_public_keys_that_are_not_acceptable_are_refused(kind: str) -> None:
    """A key set with private, weak, foreign, doubled or too many keys is refused."""
    with pytest.raises(ConfigError):
        parse_public_keys(json.dumps(BAD_KEY_SETS[kind]()).encode())


@pytest.mark.parametrize("document", [b"", b"keys", b"\xff\xfe", b"[" * 9000])
def test_public_keys_that_are_not_json_are_refused(document: bytes) -> None:
    """Garbage is refused with our error, never with a parser's."""
    with pytest.raises(ConfigError):
        parse_public_keys(document)


def test_signing_key_with_passphrase_needs_exactly_that_one(tmp_path: Path) -> None:
    """An encrypted key opens with its passphrase and with no other or none."""
    path = tmp_path / "key.pem"
    path.write_bytes(private_key_pem(KEY, b"correct"))
    assert key_id(load_signing_key(path, b"correct").public_key()) == PINNED[0].kid
    for wrong in (None, b"wrong"):
        with pytest.raises(ConfigError):
            load_signing_key(path, wrong)


@pytest.mark.parametrize("content", [b"", b"garbage", b"A" * 20_000])
def test_signing_key_file_with_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that holds no key is a configuration error."""
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="key"):
        load_signing_key(path)


def test_signing_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Licenses are signed with Ed25519 only."""
    path = tmp_path / "key.pem"
    key = rsa.generate_private_key(65537, 2048)
    none = serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none))
    with pytest.raises(ConfigError, match="Ed25519"):
        load_signing_key(path)


def test_read_limited_of_a_pipe_or_directory_is_refused(tmp_path: Path) -> None:
    """Only regular files are read, so that no check can hang."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError):
            read_limited(path)


def test_issue_flat_license_needs_no_checkin() -> None:
    """Flat billing defaults to no check-in, usage billing to a required one counted in session time."""
    flat = issue_license(order(), KEY, NOW_S).claims
    usage = issue_license(order(billing=BillingMode.USAGE, days=1000), KEY, NOW_S).claims
    assert (flat.checkin.mode, flat.billing.unit) == ("none", None)
    assert (usage.checkin.mode, usage.billing.unit) == ("required", "session_ms")


def test_issue_header_names_algorithm_key_and_kind_only() -> None:
    """The header is exactly the documented one."""
    found = inspect_token(TOKEN)
    assert found is not None
    assert found.header == HEADER


@pytest.mark.parametrize(
    "change",
    [
        {"days": 401}, {"days": 0}, {"days": -1}, {"days": 10**9, "billing": BillingMode.USAGE},
        {"max_concurrent_sessions": 0}, {"customer_id": "a b"}, {"customer_name": ""}, {"stacks": ()},
        {"trust_window_s": 2_592_001}, {"max_session_s": 86_401}, {"authority": "No Name"}, {"models": ()},
    ],
)  # fmt: skip
def test_issue_order_out_of_bounds_is_refused(change: dict[str, Any]) -> None:
    """Nothing is signed that a verifier would refuse, and no unconfirmed license lives longer than 400 days."""
    with pytest.raises(ConfigError):
        issue_license(order(**change), KEY, NOW_S)


def test_issue_twice_gives_two_identifiers() -> None:
    """Each license can be revoked on its own."""
    ids = {issue_license(order(), KEY, NOW_S).claims.jti for _ in range(20)}
    assert len(ids) == 20


def test_record_issue_appends_a_line_without_the_license_itself(tmp_path: Path) -> None:
    """The issue log grows by one line a license and holds nothing that could be used as one."""
    issued = [issue_license(order(), KEY, NOW_S) for _ in range(2)]
    for each in issued:
        path = record_issue(tmp_path, each)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["jti"] for line in lines] == [each.claims.jti for each in issued]
    assert issued[0].token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_inspect_shows_forged_claims_and_their_problem() -> None:
    """Inspection shows what is written, right or wrong, and why a verifier would refuse it."""
    found = inspect_token(assemble({"alg": "none"}, CLAIMS | {"aud": ["x"], "extra": 1}))
    assert found is not None
    assert (found.claims["aud"], found.claims["extra"]) == (["x"], 1)
    assert "aud" in found.problem


@given(st.binary(max_size=300))
def test_inspect_any_bytes_never_raises(token: bytes) -> None:
    """Inspection of garbage shows nothing."""
    assert inspect_token(token) is None


def test_verify_files_missing_license_is_unreadable(tmp_path: Path) -> None:
    """A missing license and missing keys are verdicts, not exceptions."""
    license_file = tmp_path / "license.jwt"
    assert verify_files(license_file, tmp_path / "keys", NOW_S, LEEWAY_S).verdict is Verdict.UNREADABLE
    license_file.write_bytes(TOKEN)
    assert verify_files(license_file, tmp_path / "keys", NOW_S, LEEWAY_S).verdict is Verdict.UNTRUSTED


def test_verify_files_garbage_without_keys_is_unreadable(tmp_path: Path) -> None:
    """Garbage is told as such even when the keys are missing, too."""
    (tmp_path / "license.jwt").write_bytes(b"garbage")
    assert verify_files(tmp_path / "license.jwt", tmp_path / "keys", NOW_S, LEEWAY_S).verdict is Verdict.UNREADABLE


def test_verify_files_private_key_among_the_pinned_is_untrusted(tmp_path: Path) -> None:
    """A pinned file that leaks a private key stops everything until it is cleaned."""
    license_file = write_license(tmp_path, KEY, NOW_S)
    keys = tmp_path / "license-public-keys.json"
    keys.write_text(json.dumps({"keys": [_one_key(d="AAAA")]}))
    found = verify_files(license_file, keys, NOW_S, LEEWAY_S)
    assert found.verdict is Verdict.UNTRUSTED
    assert "private member" in found.reason


def test_claims_encode_to_the_documented_names() -> None:
    """The wire names of the claims are a contract."""
    assert {field.name for field in msgspec.structs.fields(Claims)} == {
        "iss", "aud", "sub", "jti", "iat", "nbf", "exp", "ver", "customer", "billing", "limits", "stacks", "models",
        "trust_window_s", "checkin",
    }  # fmt: skip


def _settings(home: Path, **variables: str) -> LicenseProxySettings:
    return LicenseProxySettings.load({"AAI_HOME": str(home), **variables})


def test_find_license_files_prefers_the_setting_then_the_checkout_then_home(tmp_path: Path) -> None:
    """The license is the set one, else the checkout's, else the one in AAI_HOME."""
    home, checkout = tmp_path / "home", tmp_path / "checkout"
    checkout.mkdir()
    assert find_license_files(_settings(home), checkout).license == home / "license.jwt"
    (checkout / "license.jwt").touch()
    assert find_license_files(_settings(home), checkout).license == checkout / "license.jwt"
    given = _settings(home, LICENSE_FILE_PATH="/somewhere/else.jwt")
    assert find_license_files(given, checkout).license == Path("/somewhere/else.jwt")


def test_find_license_files_takes_keys_beside_the_license_before_home(tmp_path: Path) -> None:
    """The keys are the set ones, else those beside the license if there are any, else those in AAI_HOME."""
    home, checkout = tmp_path / "home", tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "license.jwt").touch()
    name = "license-public-keys.json"
    assert find_license_files(_settings(home), checkout).public_keys == home / name
    (checkout / name).touch()
    assert find_license_files(_settings(home), checkout).public_keys == checkout / name
    given = _settings(home, LICENSE_PUBLIC_KEYS_PATH="/keys.json")
    assert find_license_files(given, checkout).public_keys == Path("/keys.json")


def _verdict_in(files: LicenseFiles, now_s: float) -> Verdict:
    return verify_files(files.license, files.public_keys, now_s, LEEWAY_S).verdict


def test_development_license_on_first_start_is_valid_flat_and_private(tmp_path: Path) -> None:
    """A first start gets a year of both stacks, 200 sessions, no check-in and four days of trust."""
    home = tmp_path / "home"
    made = ensure_development_license(home, NOW_S)
    found = verify_files(made.files.license, made.files.public_keys, NOW_S, LEEWAY_S).claims
    assert made.is_new
    assert found is not None
    assert (found.exp - found.iat, found.limits.max_concurrent_sessions) == (365 * DAY_S, 200)
    assert (found.billing.mode, found.checkin.mode, found.trust_window_s) == ("flat", "none", 345_600)
    assert (set(found.stacks), set(found.models)) == ({"universal", "u3pro"}, {"en-default", "ml-default", "u3-pro"})
    files = [home / "keys" / "license-signing.pem", home / "license.jwt", home / "license-public-keys.json"]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600] * 3
    assert [path.stat().st_mode & 0o777 for path in (home, home / "keys")] == [0o700] * 2


def test_development_license_on_second_start_changes_nothing(tmp_path: Path) -> None:
    """A second start leaves every file as it is."""
    ensure_development_license(tmp_path, NOW_S)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not ensure_development_license(tmp_path, NOW_S + 300 * DAY_S).is_new
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("days", [336, 365, 4000])
def test_development_license_near_or_past_its_end_is_renewed_with_the_same_key(tmp_path: Path, days: int) -> None:
    """Within the last 30 days and after expiry a new license is issued by the same key."""
    first = ensure_development_license(tmp_path, NOW_S)
    keys = first.files.public_keys.read_bytes()
    later_s = NOW_S + days * DAY_S
    assert ensure_development_license(tmp_path, later_s).is_new
    assert (_verdict_in(first.files, later_s), first.files.public_keys.read_bytes()) == (Verdict.VALID, keys)


@pytest.mark.parametrize("lost", ["keys/license-signing.pem", "license-public-keys.json", "license.jwt"])
def test_development_license_with_a_lost_file_becomes_valid_again(tmp_path: Path, lost: str) -> None:
    """Whatever of the three files is lost, the next start has a valid license."""
    first = ensure_development_license(tmp_path, NOW_S)
    (tmp_path / lost).unlink()
    ensure_development_license(tmp_path, NOW_S)
    assert _verdict_in(first.files, NOW_S) is Verdict.VALID


@pytest.mark.parametrize(
    "content", [b"garbage", issue_license(order(), FOREIGN_KEY, NOW_S - 90 * DAY_S).token.encode()]
)
def test_development_license_never_replaces_a_foreign_file(tmp_path: Path, content: bytes) -> None:
    """A license.jwt that is not our development license is somebody's, valid or not."""
    (tmp_path / "license.jwt").write_bytes(content)
    assert not ensure_development_license(tmp_path, NOW_S).is_new
    assert [path.name for path in tmp_path.iterdir()] == ["license.jwt"]
    assert (tmp_path / "license.jwt").read_bytes() == content


def test_development_license_with_full_key_set_is_refused_and_keeps_it(tmp_path: Path) -> None:
    """Four pinned keys of others are not touched."""
    path = tmp_path / "license-public-keys.json"
    path.write_bytes(public_keys_document([pin(new_signing_key().public_key()) for _ in range(4)]))
    with pytest.raises(ConfigError, match="no room"):
        ensure_development_license(tmp_path, NOW_S)
    assert len(load_public_keys(path)) == 4
