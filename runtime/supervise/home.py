"""AAI_HOME made ready for a start, and everything checked that can be checked before one."""

from __future__ import annotations

import importlib.metadata
import os
import re
import tempfile
import time
from pathlib import Path

from runtime.catalog import Stack
from runtime.errors import EnvironmentFault, LicenseError
from runtime.private_files import create_private, ensure_internal_token, ensure_secret
from runtime.settings import ENV_FILE_NAME, HostSettings, LicenseProxySettings, env_file_template
from runtime.supervise.errors import LicenseRefused
from runtime.supervise.plan import Site, processes_of

DISTRIBUTION = "aai-streaming"
PROGRAM_FILES = ("streaming-api", "streaming-asr-lb", "streaming-asr", "license-and-usage-proxy")
DIRECTORY_MODE = 0o700
# supervisord first binds its socket's name with ".<pid>" behind it.
PID_SUFFIX = ".4194304"
SOCKET_PATH_MAX_BYTES = 107
# Variables several programs read; one value on a host would give them all the same port.
PER_PROGRAM_VARIABLES = ("SERVER_PORT", "HTTP_PORT")


def make_directories(home: Path) -> None:
    """Create the directories of a stack, private to their owner.

    Raises:
        EnvironmentFault: one cannot be made or written.
    """
    for directory in (home, home / "run", home / "logs", home / "keys"):
        try:
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            directory.chmod(DIRECTORY_MODE)
            with tempfile.TemporaryFile(dir=directory):
                pass
        except OSError as error:
            reason = error.strerror or str(error)
            raise EnvironmentFault(
                f"cannot write the directory {directory}: {reason}; make it writable or set AAI_HOME to one that is"
            ) from error


def check_socket_paths(site: Site, stack: Stack) -> None:
    """Refuse a home whose sockets' paths the kernel would not take.

    Raises:
        EnvironmentFault: naming the longest path and by how much it is too long.
    """
    paths = [f"{site.supervisor_socket}{PID_SUFFIX}"]
    paths += [str(process.admin_socket) for process in processes_of(site, stack)]
    longest = max(paths, key=lambda path: len(os.fsencode(path)))
    excess_bytes = len(os.fsencode(longest)) - SOCKET_PATH_MAX_BYTES
    if excess_bytes > 0:
        raise EnvironmentFault(
            f"the socket path {longest} is {excess_bytes} bytes longer than the kernel takes; "
            f"set AAI_HOME to a shorter directory"
        )


def check_installation(bin_dir: Path) -> None:
    """Refuse to start when a program or a Python package it needs is missing.

    Raises:
        EnvironmentFault: naming it.
    """
    for name in PROGRAM_FILES:
        if not os.access(bin_dir / name, os.X_OK):
            raise EnvironmentFault(f"the program {name} is not in {bin_dir}; install the package: pip install .")
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return  # run from a source tree on the path; the programs above are there
    for requirement in requirements:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[\s;<>=!~\[(]", requirement, maxsplit=1)[0]
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise EnvironmentFault(
                f"the Python package {name} is missing; install it: pip install '{requirement}'"
            ) from None


def per_program_text(name: str, path: Path) -> str:
    """Return why a variable of single programs must not stand in the file all programs read."""
    return (
        f"{name} in {path} would hold for every program; "
        "set AAI_PROXY_PORT or the AAI_ASR_*_PORT of the one that is meant"
    )


def check_tls(settings: HostSettings) -> None:
    """Refuse certificate and key files the programs could not use.

    Raises:
        ConfigError: naming the setting and what is wrong with its file.
    """
    from runtime.tls import load_context, pair_of, tls_files

    grpc_files = pair_of(settings.grpc_tls_cert_file, settings.grpc_tls_key_file, "AAI_GRPC_TLS")
    for files in (tls_files(settings), grpc_files):
        if files is not None:
            load_context(files)


def make_first_files(site: Site, token_file: Path, now_s: float | None = None) -> tuple[str, ...]:
    """Write what a first start needs and is not there: aai.env, secrets, development license.

    Args:
        site: of the stack.
        token_file: where the internal token belongs.
        now_s: Unix time; now when None.

    Returns:
        One sentence for each file that was made and that an operator should know.

    Raises:
        ConfigError: a file is there but not usable.
        EnvironmentFault: a directory cannot be written.
    """
    from runtime.license import ensure_development_license, find_license_files

    made: list[str] = []
    if create_private(site.home / ENV_FILE_NAME, env_file_template().encode()):
        made.append(f"wrote {site.home / ENV_FILE_NAME} with every setting, commented out")
    ensure_internal_token(token_file)
    ensure_secret(site.token_key_file, "token key")
    own = find_license_files(_license_settings(site.home))
    if own.license.parent == site.home:
        found = ensure_development_license(site.home, int(time.time() if now_s is None else now_s))
        if found.is_new:
            made.append(f"wrote a development license, {own.license}")
    return tuple(made)


def check_license(home: Path, stack: Stack, now_s: float | None = None) -> None:
    """Verify the license the proxy will read, and that it covers a stack.

    Raises:
        LicenseError: it is missing, broken or not valid now.
        LicenseRefused: it is valid and does not cover the stack.
    """
    from runtime.license import Verdict, find_license_files, hint_for, verify_files

    settings = _license_settings(home)
    files = find_license_files(settings)
    now_s = time.time() if now_s is None else now_s
    found = verify_files(files.license, files.public_keys, now_s, settings.clock_leeway_s)
    if found.verdict is not Verdict.VALID or found.claims is None:
        raise LicenseError(f"the license {files.license} is not usable: {found.reason}; {hint_for(found, files)}")
    if stack not in found.claims.stacks:
        licensed = ", ".join(found.claims.stacks)
        raise LicenseRefused(
            f"the license {files.license} does not cover the stack {stack} (it covers: {licensed})",
            "ask its issuer for one that does",
        )


def _license_settings(home: Path) -> LicenseProxySettings:
    return LicenseProxySettings.load({**os.environ, "AAI_HOME": str(home)})
