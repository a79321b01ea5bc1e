"""``aai-console license``: make keys, issue licenses, look at them and verify them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from protos.license_v1 import timestamp
from runtime.catalog import Model, Stack
from runtime.clock import SystemClock
from runtime.errors import AppError, ConfigError
from runtime.license import (
    HINTS,
    PUBLIC_KEYS_NAME,
    SIGNING_KEY_NAME,
    TRUST_WINDOW_DEFAULT_S,
    UNCONFIRMED_MAX_DAYS,
    BillingMode,
    CheckinMode,
    Claims,
    LicenseOrder,
    Verdict,
    find_license_files,
    hint_for,
    inspect_token,
    issue_license,
    load_signing_key,
    new_signing_key,
    pin,
    pin_public_key,
    private_key_pem,
    read_limited,
    record_issue,
    verify_files,
)
from runtime.private_files import atomic_write_private, create_private
from runtime.settings import LicenseProxySettings

JSON_SCHEMA = 1
UNVERIFIED_BANNER = "UNVERIFIED: anybody can write this; `aai-console license verify` says whether it is genuine"
_WRITE_CODES = "exit codes: 0 done, 2 wrong command line, 69 cannot write a file, 78 a file or value is not usable"
_VERIFY_CODES = (
    "exit codes: 0 valid, 2 signature, algorithm or key (or wrong command line), 3 expired, 4 not yet valid, "
    "5 claims, 6 revoked, 7 unreadable, 78 bad setting"
)
_INSPECT_CODES = "exit codes: 0 shown, 2 wrong command line, 7 unreadable or no license, 78 bad setting"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a command found: lines for people, data for programs.

    Attributes:
        error_code: empty when the command reached its aim.
    """

    lines: tuple[str, ...]
    data: dict[str, Any]
    exit_code: int = 0
    error_code: str = ""
    message: str = ""
    hint: str = ""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``license`` and its commands; each sets ``func``, which takes the arguments and returns an exit code."""
    parser = subparsers.add_parser(
        "license",
        help="make keys, issue, inspect and verify licenses",
        description="Make keys, issue, inspect and verify licenses.",
        epilog=f"{_WRITE_CODES}; of verify: {_VERIFY_CODES.removeprefix('exit codes: ')}; "
        f"of inspect: {_INSPECT_CODES.removeprefix('exit codes: ')}",
    )
    commands = parser.add_subparsers(dest="license_command", required=True, metavar="COMMAND")
    _add_keygen(commands)
    _add_issue(commands)
    _add_inspect(commands)
    _add_verify(commands)


def _add_keygen(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add_command(
        commands, "keygen", _keygen, summary="make a signing key and pin its public key",
        description=f"Writes DIR/{SIGNING_KEY_NAME} (Ed25519, readable by its owner only) and adds the public key to "
        f"DIR/{PUBLIC_KEYS_NAME}. Keep the signing key off the machines that serve.",
        exit_codes=_WRITE_CODES,
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory of the two files")
    _add_passphrase(parser, "encrypt the key with the first line of this file")


def _add_issue(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add_command(
        commands, "issue", _issue, summary="sign a license",
        description="Signs a license, valid from now on, and adds a line about it to the issue log beside KEY.",
        exit_codes=_WRITE_CODES,
    )  # fmt: skip
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="signing key made by keygen")
    _add_passphrase(parser, "the first line of this file decrypts the key")
    parser.add_argument("--customer-id", required=True, help="letters, digits, dot, dash, underscore; at most 64")
    parser.add_argument("--customer-name", required=True, help="shown to operators")
    parser.add_argument(
        "--days", type=int, required=True, help=f"life; without check-in at most {UNCONFIRMED_MAX_DAYS}"
    )  # fmt: skip
    parser.add_argument("--sessions", type=int, required=True, help="sessions at once")
    parser.add_argument("--billing", choices=list(BillingMode), default=BillingMode.FLAT, help="default: flat")
    parser.add_argument(
        "--stack", action="append", choices=list(Stack), help="may be repeated; default: every stack"
    )  # fmt: skip
    parser.add_argument(
        "--model", action="append", choices=list(Model), help="may be repeated; default: the models of the stacks"
    )  # fmt: skip
    parser.add_argument("--gateways", type=int, default=8, help="gateway processes at once; default: 8")
    parser.add_argument("--session-limit-s", type=int, default=10_800, help="longest session; default: 10800")
    parser.add_argument(
        "--trust-window-s", type=int, default=TRUST_WINDOW_DEFAULT_S,
        help=f"how long checks may fail before service ends; 0 to 2592000, default: {TRUST_WINDOW_DEFAULT_S}",
    )  # fmt: skip
    parser.add_argument(
        "--checkin", choices=list(CheckinMode), help="default: required for usage billing, none for flat"
    )  # fmt: skip
    parser.add_argument("--authority", default="local", help="name of the issuer; default: local")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the license to write")
    parser.add_argument("--force", action="store_true", help="replace FILE when it exists")


def _add_inspect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add_command(
        commands, "inspect", _inspect, summary="show what a license says, without verifying it",
        description="Shows header and claims as they are written. Nothing shown is verified.",
        exit_codes=_INSPECT_CODES,
    )  # fmt: skip
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="default: the license this stack uses")


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add_command(
        commands, "verify", _verify, summary="verify a license like the license proxy does",
        description="Without FILE: the license this stack uses.", exit_codes=_VERIFY_CODES,
    )  # fmt: skip
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="default: the license this stack uses")
    parser.add_argument(
        "--keys", type=Path, metavar="JWKS",
        help=f"public keys; default: {PUBLIC_KEYS_NAME} beside FILE, else the one this stack uses",
    )  # fmt: skip


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    action: Callable[[argparse.Namespace], _Answer],
    *,
    summary: str,
    description: str,
    exit_codes: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=description, epilog=exit_codes)
    parser.add_argument("--json", action="store_true", help="answer as one JSON object")

    def run(arguments: argparse.Namespace) -> int:
        try:
            answer = action(arguments)
        except AppError as error:
            code = {69: "environment", 78: "configuration"}.get(error.exit_code, "failed")
            answer = _Answer((), {}, error.exit_code, code, str(error))
        _print(answer, as_json=arguments.json)
        return answer.exit_code

    parser.set_defaults(func=run)
    return parser


def _add_passphrase(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help=meaning)


def _keygen(arguments: argparse.Namespace) -> _Answer:
    key_file: Path = arguments.out / SIGNING_KEY_NAME
    keys_file: Path = arguments.out / PUBLIC_KEYS_NAME
    in_the_way = ConfigError(f"{key_file} exists; choose another directory or move it away")
    if key_file.exists():
        raise in_the_way
    key = new_signing_key()
    document = private_key_pem(key, _passphrase(arguments.passphrase_file))
    pinned = pin(key.public_key())
    pin_public_key(keys_file, pinned)
    if not create_private(key_file, document):
        raise in_the_way
    data = {"kid": pinned.kid, "signing_key": str(key_file), "public_keys": str(keys_file)}
    return _Answer((f"key {pinned.kid}", f"signing key  {key_file}", f"public keys  {keys_file}"), data)


def _issue(arguments: argparse.Namespace) -> _Answer:
    out: Path = arguments.out
    if out.exists() and not arguments.force:
        raise ConfigError(f"{out} exists; --force replaces it")
    key = load_signing_key(arguments.key, _passphrase(arguments.passphrase_file))
    order = LicenseOrder(
        customer_id=arguments.customer_id,
        customer_name=arguments.customer_name,
        days=arguments.days,
        max_concurrent_sessions=arguments.sessions,
        billing=BillingMode(arguments.billing),
        stacks=tuple(Stack(name) for name in arguments.stack or Stack),
        models=tuple(Model(name) for name in arguments.model) if arguments.model else None,
        max_gateways=arguments.gateways,
        max_session_s=arguments.session_limit_s,
        trust_window_s=arguments.trust_window_s,
        checkin=CheckinMode(arguments.checkin) if arguments.checkin else None,
        authority=arguments.authority,
    )
    issued = issue_license(order, key, int(SystemClock().wall_s()))
    log = record_issue(arguments.key.absolute().parent, issued)
    atomic_write_private(out, issued.token.encode() + b"\n")
    data = {"license": str(out), "issue_log": str(log), "kid": issued.kid, "claims": msgspec.to_builtins(issued.claims)}
    return _Answer((*_claim_lines(issued.claims), f"signed by   {issued.kid}", f"written to  {out}"), data)


def _inspect(arguments: argparse.Namespace) -> _Answer:
    path: Path = arguments.file or find_license_files(LicenseProxySettings.load()).license
    try:
        found = inspect_token(read_limited(path))
    except OSError as error:
        return _unreadable(path, f"{path} cannot be read: {error.strerror or error}")
    if found is None:
        return _unreadable(path, f"{path} is not a license")
    document = msgspec.json.format(msgspec.json.encode(found.claims), indent=2).decode()
    lines = [UNVERIFIED_BANNER, f"header {msgspec.json.encode(found.header).decode()}", f"claims {document}"]
    if found.problem:
        lines.append(f"a verifier would refuse these claims: {found.problem}")
    data = {
        "license": str(path), "verified": False, "header": found.header, "claims": found.claims,
        "claims_problem": found.problem or None,
    }  # fmt: skip
    return _Answer(tuple(lines), data)


def _verify(arguments: argparse.Namespace) -> _Answer:
    settings = LicenseProxySettings.load()
    if arguments.file is not None:
        settings = settings.model_copy(update={"license_file": arguments.file})
    if arguments.keys is not None:
        settings = settings.model_copy(update={"public_keys_file": arguments.keys})
    files = find_license_files(settings)
    found = verify_files(files.license, files.public_keys, SystemClock().wall_s(), settings.clock_leeway_s)
    verdict = found.verdict.name.lower()
    data = {
        "license": str(files.license), "public_keys": str(files.public_keys), "verdict": verdict,
        "kid": found.kid, "claims": None if found.claims is None else msgspec.to_builtins(found.claims),
    }  # fmt: skip
    details = _claim_lines(found.claims) if found.claims else ()
    if found.verdict is Verdict.VALID:
        return _Answer((f"valid: {files.license}", *details, f"signed by   {found.kid}"), data)
    message = f"{files.license} is not valid: {found.reason}"
    return _Answer(details, data, int(found.verdict), verdict, message, hint_for(found, files))


def _unreadable(path: Path, message: str) -> _Answer:
    verdict = Verdict.UNREADABLE
    return _Answer((), {"license": str(path)}, int(verdict), verdict.name.lower(), message, HINTS[verdict])


def _claim_lines(claims: Claims) -> tuple[str, ...]:
    return (
        f"license     {claims.jti} of {claims.iss}",
        f"customer    {claims.sub} ({claims.customer.name})",
        f"billing     {claims.billing.mode}, check-in {claims.checkin.mode}",
        f"valid       {timestamp(claims.nbf * 1_000_000)} to {timestamp(claims.exp * 1_000_000)}",
        f"sessions    {claims.limits.max_concurrent_sessions} at once, {claims.limits.max_session_s} s each",
        f"stacks      {', '.join(claims.stacks)}; models {', '.join(claims.models)}",
        f"trust       {claims.trust_window_s} s",
    )


def _passphrase(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        passphrase = read_limited(path).split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise ConfigError(f"cannot read the passphrase file {path}: {error.strerror or error}") from error
    if not passphrase:
        raise ConfigError(f"the first line of the passphrase file {path} is empty")
    return passphrase


def _print(answer: _Answer, *, as_json: bool) -> None:
    if as_json:
        error = None
        if answer.error_code:
            error = {"code": answer.error_code, "message": answer.message, "hint": answer.hint}
        body = {"schema": JSON_SCHEMA, "ok": error is None, "data": answer.data, "error": error}
        print(msgspec.json.encode(body).decode())
        return
    for line in answer.lines:
        print(line)
    if answer.error_code:
        print(answer.message, file=sys.stderr)
        if answer.hint:
            print(f"fix: {answer.hint}", file=sys.stderr)
