"""``aai-console config``: every setting with its value and where it comes from; are they good; where is the file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

from runtime.errors import ConfigError
from runtime.settings import (
    ENV_FILE_NAME,
    SettingRow,
    read_env_file,
    settings_table,
)
from runtime.supervise.home import check_tls
from runtime.supervise.host import Host
from runtime.supervise.launcher import conf_for
from runtime.supervise.settings_check import find_port_problems, find_setting_problems
from tui.answer import CONFIGURATION, Answer, Failure, add_common_options, answering, exit_code_text, sentence
from tui.commands.status import table

MASK = "(hidden)"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``config`` and its commands; each sets ``func``, which takes the arguments and returns an exit code."""
    parser = subparsers.add_parser(
        "config",
        help="show and check the settings",
        description="Show and check the settings.",
        epilog=exit_code_text(CONFIGURATION),
    )
    commands = parser.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    actions = (
        ("show", "show every setting with its value and where it comes from", _show),
        ("check", "check the environment and aai.env, unknown AAI_* names included", _check),
        ("path", "show where aai.env is", _path),
    )
    for name, summary, action in actions:
        command = commands.add_parser(
            name, help=summary, description=sentence(summary), epilog=exit_code_text(CONFIGURATION)
        )
        add_common_options(command, with_timeout=False)
        command.set_defaults(func=answering(action))


def _show(arguments: argparse.Namespace) -> Answer:
    del arguments
    host = Host.open()
    in_file = read_env_file(host.home / ENV_FILE_NAME)
    found = [setting(row, os.environ, in_file, str(host.home)) for row in settings_table()]
    rows = [("SETTING", "VALUE", "FROM", "MEANING")]
    rows += [(one["name"], one["value"] or "-", one["source"], one["sentence"]) for one in found]
    return Answer(tuple(table(rows)), {"settings": found})


def setting(row: SettingRow, environment: Mapping[str, str], in_file: Mapping[str, str], home: str) -> dict[str, Any]:
    """Return one setting as it stands; a secret value is never shown."""
    if row.name == "AAI_HOME":
        value, source = home, "environment" if environment.get(row.name) else "default"
    elif environment.get(row.name):
        value, source = environment[row.name], "environment"
    elif in_file.get(row.name):
        value, source = in_file[row.name], ENV_FILE_NAME
    else:
        value, source = row.default, "default"
    return {
        "name": row.name,
        "value": MASK if row.secret and value else value,
        "source": source,
        "accepts": row.accepts,
        "programs": row.programs,
        "sentence": row.sentence,
    }


def _check(arguments: argparse.Namespace) -> Answer:
    del arguments
    host = Host.open()
    problems = find_problems(host)
    if not problems:
        return Answer(("every setting is good",), {"problems": []})
    if len(problems) == 1:
        return Answer((), {"problems": problems}, CONFIGURATION, Failure("bad_setting", problems[0]))
    failure = Failure("bad_setting", f"{len(problems)} problems")
    return Answer((), {"problems": problems}, CONFIGURATION, failure, tuple(problems))


def find_problems(host: Host) -> list[str]:
    """Return every problem of the settings a start would use, each once and with its place."""
    problems = find_setting_problems(host.home, os.environ) or find_port_problems(host, os.environ)
    found = [str(problem) for problem in problems]
    if not found:
        try:
            check_tls(host.settings())
        except ConfigError as error:
            found.append(str(error))
    return found


def _path(arguments: argparse.Namespace) -> Answer:
    del arguments
    host = Host.open()
    path = host.home / ENV_FILE_NAME
    data = {"env_file": str(path), "home": str(host.home), "supervisord_conf": str(conf_for(host.home))}
    return Answer((str(path),), data)
