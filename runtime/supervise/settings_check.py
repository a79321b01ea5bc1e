"""Everything wrong with the settings programs would read, each problem with the place it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import psutil
from dotenv.parser import parse_stream

from runtime.catalog import Stack
from runtime.errors import ConfigError
from runtime.settings import (
    ENV_FILE_NAME,
    PREFIX,
    PROGRAM_SETTINGS,
    SettingProblem,
    read_env_text,
    reject_unknown,
    settings_table,
    value_problems,
)
from runtime.supervise.errors import SupervisorUnreachable
from runtime.supervise.home import PER_PROGRAM_VARIABLES, per_program_text
from runtime.supervise.host import Host
from runtime.supervise.plan import check_ports_differ

ENVIRONMENT = "the environment"
SUPERVISOR_ENVIRONMENT = "the environment of the running stack"
VARIABLE_NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


@dataclass(frozen=True, slots=True)
class PlacedProblem:
    """A problem and where to correct it.

    Attributes:
        place: such as ``aai.env line 4`` or ``the environment``; empty when no single place is at fault.
    """

    text: str
    place: str

    def __str__(self) -> str:
        """Return the line an operator reads."""
        return f"{self.text} ({self.place})" if self.place else self.text


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where values come from.

    Attributes:
        environment: variables that win over the file.
        place: what the environment is called.
        in_file: variables of aai.env.
        lines: the line each of them stands on.
    """

    environment: Mapping[str, str]
    place: str
    in_file: Mapping[str, str]
    lines: Mapping[str, int]

    def of(self, name: str) -> str:
        """Return the place of a variable's value; empty for a default."""
        if self.environment.get(name):
            return self.place
        return self.in_file_at(name) if self.in_file.get(name) else ""

    def in_file_at(self, name: str) -> str:
        """Return the place of a variable in aai.env."""
        return f"{ENV_FILE_NAME} line {self.lines[name]}"

    def of_all(self, text: str) -> str:
        """Return the places of every variable a text names."""
        places = {name: self.of(name) for name in dict.fromkeys(VARIABLE_NAME.findall(text))}
        return "; ".join(f"{name}: {place}" for name, place in places.items() if place)


def find_setting_problems(
    home: Path, environment: Mapping[str, str], place: str = ENVIRONMENT
) -> tuple[PlacedProblem, ...]:
    """Return every problem of the variables that programs would read, of all programs.

    Args:
        home: AAI_HOME, absolute; its aai.env is read.
        environment: variables that win over the file.
        place: what the environment is called in the answer.
    """
    path = home / ENV_FILE_NAME
    try:
        in_file, lines, broken = _read_lines(path)
    except ConfigError as error:
        return (PlacedProblem(str(error), ""),)
    sources = _Sources(environment, place, in_file, lines)
    # The line itself is not shown: it may hold a secret.
    found = [
        PlacedProblem("not a setting; write NAME=value, or # before a comment", f"{ENV_FILE_NAME} line {number}")
        for number in broken
    ]
    if "AAI_HOME" in in_file:
        found.append(PlacedProblem("AAI_HOME cannot be set inside itself; export it", sources.in_file_at("AAI_HOME")))
    found += [PlacedProblem(text, sources.in_file_at(name)) for name, text in _unknown(in_file).items()]
    found += [PlacedProblem(text, place) for name, text in _unknown(environment).items()]
    values = {**_given(in_file), **_given(environment), "AAI_HOME": str(home)}
    for problem in _value_problems(values):
        where = sources.of(problem.name) if problem.name else sources.of_all(problem.text)
        found.append(PlacedProblem(problem.text, where))
    found += [
        PlacedProblem(per_program_text(name, path), sources.in_file_at(name))
        for name in PER_PROGRAM_VARIABLES
        if in_file.get(name)
    ]
    return tuple(dict.fromkeys(found))


def find_port_problems(host: Host, environment: Mapping[str, str]) -> tuple[PlacedProblem, ...]:
    """Return where settings give two programs of one stack the same port; the settings must be good otherwise.

    Raises:
        ConfigError: they are not.
    """
    in_file, lines, _ = _read_lines(host.home / ENV_FILE_NAME)
    sources = _Sources(environment, ENVIRONMENT, in_file, lines)
    site = host.configured_site()
    found = []
    for stack in Stack:
        try:
            check_ports_differ(site, stack)
        except ConfigError as error:
            found.append(PlacedProblem(str(error), sources.of_all(str(error))))
    return tuple(dict.fromkeys(found))


def check_settings(host: Host) -> None:
    """Refuse to go on when a program that is started now would stop at a setting.

    Programs get supervisord's environment and read aai.env anew; the variables of this shell are
    checked as well, so that the answer is that of ``aai-console config check``.

    Raises:
        ConfigError: the first problem, and how many more there are.
    """
    found = [*find_setting_problems(host.home, host.environment)]
    if (inherited := _supervisor_environment(host)) is not None:
        texts = {problem.text for problem in found}
        others = find_setting_problems(host.home, inherited, SUPERVISOR_ENVIRONMENT)
        found += [problem for problem in others if problem.text not in texts]
    if found:
        more = f"; {len(found) - 1} more: aai-console config check" if len(found) > 1 else ""
        raise ConfigError(f"{found[0]}{more}")


def _supervisor_environment(host: Host) -> Mapping[str, str] | None:
    try:
        return psutil.Process(host.client.pid()).environ()
    except (SupervisorUnreachable, psutil.Error):
        return None


def _read_lines(path: Path) -> tuple[dict[str, str], dict[str, int], list[int]]:
    """Return the variables of a file, the line each stands on last, and the lines that are no settings.

    Raises:
        ConfigError: the file cannot be read.
    """
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    broken: list[int] = []
    for binding in parse_stream(StringIO(read_env_text(path))):
        original = binding.original.string
        # A binding includes the empty lines before it.
        blank = original[: len(original) - len(original.lstrip())]
        number = binding.original.line + blank.count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            broken.append(number)
        elif binding.key is not None:
            values[binding.key] = binding.value or ""
            lines[binding.key] = number
    return values, lines, broken


def _given(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value != ""}


def _unknown(names: Mapping[str, str]) -> dict[str, str]:
    texts = {}
    for name in names:
        if name.startswith(PREFIX):
            try:
                reject_unknown([name])
            except ConfigError as error:
                texts[name] = str(error)
    return texts


def _value_problems(values: Mapping[str, str]) -> list[SettingProblem]:
    found = {problem: None for settings in PROGRAM_SETTINGS for problem in value_problems(settings, values)}
    order = {row.name: number for number, row in enumerate(settings_table())}
    return sorted(found, key=lambda problem: order.get(problem.name, len(order)))
