"""``aai-console version``."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform

from runtime.supervise.home import DISTRIBUTION
from tui.answer import Answer, add_common_options, answering, exit_code_text


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``version``; it sets ``func``, which takes the arguments and returns an exit code."""
    parser = subparsers.add_parser(
        "version", help="show the version", description="Show the version of this product.", epilog=exit_code_text()
    )
    add_common_options(parser, with_timeout=False)
    parser.set_defaults(func=answering(_version))


def _version(arguments: argparse.Namespace) -> Answer:
    del arguments
    try:
        version = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        version = "not installed"
    python = platform.python_version()
    return Answer((f"aai-console {version} (Python {python})",), {"version": version, "python": python})
