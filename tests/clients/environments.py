"""Give each client an environment of its own, built once from pins and kept outside the checkout.

``environments/<name>.txt`` holds the pins of a Python client, ``environments/<name>/`` the ``package.json`` and
``package-lock.json`` of a Node client. ``python -m tests.clients.environments [NAME...]`` builds what is missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PINS = Path(__file__).with_name("environments")
BUILD_LIMIT_S = 600
NODE_FILES = ("package.json", "package-lock.json")


Builder = Callable[[str, list[Path], Path], None]


class CannotInstall(Exception):
    """A client could not be installed; holds what the installer said."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An installed client: its program and the variables that program needs."""

    program: Path
    variables: dict[str, str]


def names() -> list[str]:
    """Return every client that has pins, sorted."""
    return sorted(
        path.name if path.is_dir() else path.stem
        for path in PINS.iterdir()
        if path.suffix == ".txt" or (path / NODE_FILES[0]).is_file()
    )


def environment(name: str) -> Environment:
    """Return the environment of a client, building it first when it is not there.

    Raises:
        CannotInstall: there are no pins of that name, its language is not installed here, or the installer failed.
    """
    pins = PINS / f"{name}.txt"
    if pins.is_file():
        home = _cached(name, [pins], f"{sys.version} {Path(sys.executable).resolve()}", _build_python)
        return Environment(home / "bin" / "python", {})
    files = [PINS / name / file for file in NODE_FILES]
    if not all(file.is_file() for file in files):
        raise CannotInstall(f"{name}: no {pins.name} and no {name}/ with {' and '.join(NODE_FILES)} in {PINS}")
    node = _installed("node", name)
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    home = _cached(name, files, f"{version} {node}", _build_node)
    return Environment(node, {"NODE_PATH": str(home / "node_modules")})


def _cached(name: str, files: list[Path], version: str, build: Builder) -> Path:
    """Return the directory of these pins and this interpreter; one that exists is complete."""
    digest = hashlib.sha256(version.encode())
    for file in files:
        digest.update(file.read_bytes())
    home = _cache_directory() / f"{name}-{digest.hexdigest()[:16]}"
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    print(f"{name}: building {home}", flush=True)
    started_s = time.monotonic()
    # A directory gets its name only when everything is in it, so a build that was cut off leaves nothing to trust.
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=home.parent) as building:
        made = Path(building) / "made"
        build(name, files, made)
        try:
            made.rename(home)
        except OSError:
            if not home.is_dir():
                raise  # else another run was faster
    print(f"{name}: built in {time.monotonic() - started_s:.0f} s", flush=True)
    return home


def _cache_directory() -> Path:
    chosen = os.environ.get("CLIENTS_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "aai-streaming" / "clients"


def _build_python(name: str, files: list[Path], home: Path) -> None:
    _install(name, [sys.executable, "-m", "venv", str(home)])
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    _install(name, [*pip, "install", "--quiet", "--requirement", str(files[0])])
    _install(name, [*pip, "check"])


def _build_node(name: str, files: list[Path], home: Path) -> None:
    npm = _installed("npm", name)
    home.mkdir()
    for file in files:
        shutil.copy(file, home)
    _install(name, [str(npm), "ci", "--prefix", str(home), "--ignore-scripts", "--no-audit", "--no-fund"])


def _install(name: str, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=BUILD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"{name}: {' '.join(command)}\ntook more than {BUILD_LIMIT_S} s") from None
    if done.returncode != 0:
        raise CannotInstall(f"{name}: {' '.join(command)}\nended with {done.returncode}\n{done.stdout}{done.stderr}")


def _installed(program: str, name: str) -> Path:
    found = shutil.which(program)
    if found is None:
        raise CannotInstall(f"{name}: {program} is not installed (Debian: apt-get install nodejs npm)")
    return Path(found)


def main(chosen: list[str]) -> int:
    """Build the environments of these clients, or of all; return the exit code."""
    failed = 0
    for name in chosen or names():
        try:
            environment(name)
        except CannotInstall as error:
            failed += 1
            print(f"cannot install {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
