"""``aai-console tls``: a certificate for development."""

from __future__ import annotations

import argparse
import socket

from runtime.clock import SystemClock
from runtime.errors import ConfigError
from runtime.private_files import atomic_write_private
from runtime.self_signed import LOCAL_NAMES, VALID_DAYS, make_self_signed
from runtime.settings import ENV_FILE_NAME, ConsoleSettings
from tui.answer import CONFIGURATION, ENVIRONMENT, Answer, add_common_options, answering, exit_code_text

CERT_NAME = "tls-cert.pem"
KEY_NAME = "tls-key.pem"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``tls`` and its command; it sets ``func``, which takes the arguments and returns an exit code."""
    parser = subparsers.add_parser("tls", help="make a certificate for development")
    commands = parser.add_subparsers(dest="tls_command", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "self-signed",
        help="make a self-signed certificate and say how to use it",
        description=f"Write {CERT_NAME} and {KEY_NAME} to AAI_HOME/keys, valid for {VALID_DAYS} days, for "
        f"{', '.join(LOCAL_NAMES)}, this host's name and the hosts given.",
        epilog=exit_code_text(ENVIRONMENT, CONFIGURATION),
    )
    command.add_argument(
        "--host", action="append", default=[], metavar="NAME",
        help="host name or IP address clients connect to; may be repeated",
    )  # fmt: skip
    command.add_argument("--force", action="store_true", help="replace the files of an earlier call")
    add_common_options(command, with_timeout=False)
    command.set_defaults(func=answering(_self_signed))


def _self_signed(arguments: argparse.Namespace) -> Answer:
    settings = ConsoleSettings.load()
    cert_file, key_file = settings.keys_dir / CERT_NAME, settings.keys_dir / KEY_NAME
    for path in (cert_file, key_file):
        if path.exists() and not arguments.force:
            raise ConfigError(f"{path} exists; --force replaces it")
    names = tuple(dict.fromkeys((*LOCAL_NAMES, socket.gethostname(), *arguments.host)))
    cert, key = make_self_signed(names, SystemClock().wall_s())
    atomic_write_private(key_file, key)
    atomic_write_private(cert_file, cert)
    variables = {"AAI_TLS_CERT_FILE": str(cert_file), "AAI_TLS_KEY_FILE": str(key_file)}
    env_file = settings.home / ENV_FILE_NAME
    lines = (
        f"wrote {cert_file} and {key_file}",
        f"for {', '.join(names)}, {VALID_DAYS} days",
        "",
        f"Put these lines into {env_file}, then aai-console down and up:",
        *(f"  {name}={value}" for name, value in variables.items()),
        "",
        f"Clients connect to wss://localhost:{settings.tls_port} and must trust the certificate:",
        f"  Python  SSL_CERT_FILE={cert_file}",
        f"  Node    NODE_EXTRA_CA_CERTS={cert_file}",
    )
    data = {"names": names, "days": VALID_DAYS, "settings": variables, "env_file": str(env_file)}
    return Answer(lines, data)
