"""``aai-console keys``: who may connect while AAI_AUTH_MODE is keys or token."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from runtime.api_keys import add_api_key, read_api_keys, revoke_api_key
from runtime.clock import SystemClock
from runtime.settings import ConsoleSettings
from tui.answer import CONFIGURATION, ENVIRONMENT, Answer, add_common_options, answering, exit_code_text
from tui.commands.status import table


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``keys`` and its commands; each sets ``func``, which takes the arguments and returns an exit code."""
    parser = subparsers.add_parser("keys", help="make, list and revoke the keys of clients")
    commands = parser.add_subparsers(dest="keys_command", required=True, metavar="COMMAND")
    add = commands.add_parser(
        "add",
        help="make a key and show it once",
        description="Make a key. Only its hash is kept: the key is shown this once. Running gateways take it at once.",
        epilog=exit_code_text(ENVIRONMENT, CONFIGURATION),
    )
    add.add_argument("label", metavar="LABEL", help="whose key it is: letters, digits, dot, dash, underscore")
    add.add_argument(
        "--max-sessions", type=int, metavar="N", help="sessions it may have open on this host at once; default: any"
    )
    listing = commands.add_parser(
        "list",
        help="show labels and limits",
        description="Show every key's label, limit and date; never a key.",
        epilog=exit_code_text(CONFIGURATION),
    )
    revoke = commands.add_parser(
        "revoke",
        help="refuse a key from now on",
        description="Refuse a key, and tokens it fetched, from now on. Sessions that are open run on.",
        epilog=exit_code_text(ENVIRONMENT, CONFIGURATION),
    )
    revoke.add_argument("label", metavar="LABEL")
    for command, action in ((add, _add), (listing, _list), (revoke, _revoke)):
        add_common_options(command, with_timeout=False)
        command.set_defaults(func=answering(action))


def _add(arguments: argparse.Namespace) -> Answer:
    settings = ConsoleSettings.load()
    label, limit = arguments.label, arguments.max_sessions
    key = add_api_key(settings.api_keys_file, label, limit, int(SystemClock().wall_s()))
    data = {"label": label, "key": key, "max_sessions": limit, "auth_mode": settings.auth_mode}
    lines = [key]
    if not arguments.quiet:
        lines = [f"The key of {label}, shown this once:", "", f"  {key}", "", *_mode_lines(settings)]
    return Answer(tuple(lines), data)


def _mode_lines(settings: ConsoleSettings) -> tuple[str, ...]:
    if settings.auth_mode == "compat":
        return ("AAI_AUTH_MODE is compat: any Authorization value connects until it is keys or token.",)
    return ("Clients send it as the Authorization header.",)


def _list(arguments: argparse.Namespace) -> Answer:
    del arguments
    settings = ConsoleSettings.load()
    keys = read_api_keys(settings.api_keys_file)
    data = {
        "file": str(settings.api_keys_file),
        "auth_mode": settings.auth_mode,
        "keys": [
            {
                "label": key.label,
                "max_sessions": key.max_sessions,
                "created_at": _date(key.created_at_s),
                "fingerprint": key.fingerprint,
            }
            for key in keys
        ],
    }
    if not keys:
        return Answer((f"no key in {settings.api_keys_file}", *_mode_lines(settings)[:1]), data)
    rows = [("LABEL", "SESSIONS", "MADE", "FINGERPRINT")]
    rows += [
        (key.label, "any" if key.max_sessions is None else str(key.max_sessions), _date(key.created_at_s),
         key.fingerprint)
        for key in keys
    ]  # fmt: skip
    return Answer(tuple(table(rows)), data)


def _revoke(arguments: argparse.Namespace) -> Answer:
    settings = ConsoleSettings.load()
    revoke_api_key(settings.api_keys_file, arguments.label)
    return Answer((f"the key of {arguments.label} is refused from now on",), {"label": arguments.label})


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
