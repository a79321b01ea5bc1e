"""The command line: help, answers, exit codes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from runtime.errors import ConfigError, EnvironmentFault
from runtime.settings import settings_table
from runtime.supervise.errors import OperationLocked, ProgramFailed
from runtime.supervise.home import per_program_text
from runtime.supervise.host import Host
from runtime.supervise.progress import Note, SessionsLeft
from tui.answer import Answer, answering, failed, print_answer, reporter
from tui.cli import build_parser, run_command
from tui.commands.config import find_problems, setting
from tui.commands.status import table

VERBS = (
    "up", "down", "switch", "start", "stop", "restart", "status", "logs", "transcribe", "config", "config show",
    "config check", "config path", "license", "license verify", "version",
)  # fmt: skip
ROWS = {row.name: row for row in settings_table()}


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_command_documents_its_exit_codes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command says what its exit codes mean."""
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([*verb.split(), "--help"])

    assert ended.value.code == 0
    assert "exit codes: 0 " in " ".join(capsys.readouterr().out.split())


def test_no_command_without_a_terminal_prints_help_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe never gets a full-screen program."""
    assert run_command([]) == 2
    assert "usage: aai-console" in capsys.readouterr().err


def test_wrong_command_exits_2() -> None:
    """A typo is a usage error."""
    with pytest.raises(SystemExit) as ended:
        run_command(["frobnicate"])
    assert ended.value.code == 2


def test_json_answer_of_a_success_has_data_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs find the result in one object."""
    print_answer(Answer(("for people",), {"x": 1}), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "ok": True, "data": {"x": 1}, "error": None}


def test_json_answer_of_a_failure_has_code_message_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs tell failures apart by a constant word."""

    def fail(_arguments: argparse.Namespace) -> Answer:
        raise OperationLocked("another operation is under way", "wait")

    assert answering(fail)(argparse.Namespace(json=True)) == 9
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert answer["error"] == {"code": "locked", "message": "another operation is under way", "hint": "wait"}


def test_failure_for_people_is_one_line_after_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line holds cause and fix; nothing goes to stdout."""
    print_answer(failed(ProgramFailed("x", "x ended", "see its log", ("last words",))), as_json=False)
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.splitlines() == ["  | last words", "aai-console: x ended; see its log"]


@pytest.mark.parametrize(("error", "code"), [(ConfigError("x"), 78), (EnvironmentFault("x"), 69)])
def test_errors_of_other_parts_keep_their_exit_codes(error: ConfigError | EnvironmentFault, code: int) -> None:
    """One exit code for one kind of error, whoever raises it."""
    assert failed(error).exit_code == code


def test_setting_shows_where_it_comes_from() -> None:
    """The environment wins over the file, the file over the default."""
    row = ROWS["AAI_WSS_PORT"]
    home = "/srv/aai"
    in_file = {"AAI_WSS_PORT": "9000"}

    assert setting(row, {"AAI_WSS_PORT": "9100"}, in_file, home)["source"] == "environment"
    assert setting(row, {"AAI_WSS_PORT": ""}, in_file, home)["value"] == "9000"
    assert setting(row, {}, {}, home) | {"programs": ()} == {
        "name": "AAI_WSS_PORT", "value": "8080", "source": "default", "accepts": row.accepts, "programs": (),
        "sentence": row.sentence,
    }  # fmt: skip


def test_secret_setting_is_never_shown() -> None:
    """A key in the environment does not reach the screen."""
    found = setting(ROWS["USAGE_TRACKING_API_KEY"], {"USAGE_TRACKING_API_KEY": "hush"}, {}, "/srv/aai")
    assert "hush" not in str(found)


def test_config_problems_are_all_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown names, bad values and per-program ports are told together, ports that collide once values are good."""
    monkeypatch.setenv("AAI_HOME", str(tmp_path))
    (tmp_path / "aai.env").write_text("# first\n\nAAI_WSS_PRT=1\nAAI_WSS_PORT=0\nSERVER_PORT=50051\n")
    monkeypatch.setenv("MAX_OPEN_STREAMS", "none")
    assert find_problems(Host.open()) == [
        "AAI_WSS_PRT is not a setting; did you mean AAI_WSS_PORT? (aai.env line 3)",
        "AAI_WSS_PORT='0' is not accepted: expected whole number from 1 to 65535 (aai.env line 4)",
        "MAX_OPEN_STREAMS='none' is not accepted: expected whole number from 1 to 100000 (the environment)",
        f"{per_program_text('SERVER_PORT', tmp_path / 'aai.env')} (aai.env line 5)",
    ]

    monkeypatch.delenv("MAX_OPEN_STREAMS")
    (tmp_path / "aai.env").write_text("AAI_WSS_PORT=8081\n")
    [problem] = find_problems(Host.open())
    assert "AAI_ROUTER_PORT" in problem
    assert problem.endswith("(AAI_WSS_PORT: aai.env line 1)")

    (tmp_path / "aai.env").write_text("")
    assert find_problems(Host.open()) == []


def test_table_aligns_all_columns_but_the_last() -> None:
    """Rows line up and carry no trailing space."""
    assert table([("A", "B", "C"), ("long", "x", "")]) == ["A     B  C", "long  x"]


def test_config_check_prints_every_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """People read all problems, and the exit code is that of a bad setting."""
    monkeypatch.setenv("AAI_HOME", str(tmp_path))
    (tmp_path / "aai.env").write_text("AAI_WSS_PORT=0\nAAI_ROUTER_PORT=0\n")

    assert run_command(["config", "check"]) == 78

    *problems, last = capsys.readouterr().err.splitlines()
    assert [problem.split("=")[0] for problem in problems] == ["  | AAI_WSS_PORT", "  | AAI_ROUTER_PORT"]
    assert last == "aai-console: 2 problems"


def test_help_of_config_check_keeps_the_case_of_names(capsys: pytest.CaptureFixture[str]) -> None:
    """The first letter becomes a capital one, the others stay."""
    with pytest.raises(SystemExit):
        build_parser().parse_args(["config", "check", "--help"])
    assert "unknown AAI_* names" in capsys.readouterr().out


def test_version_option_answers_like_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Both ways to ask give the same line."""
    assert run_command(["version"]) == 0
    line = capsys.readouterr().out
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out == line


def test_reporter_says_how_to_end_a_wait_for_sessions(capsys: pytest.CaptureFixture[str]) -> None:
    """Only lines about open sessions carry the advice."""
    report = reporter(quiet=False, hurry="run again with --drain 0 to end them now")
    report(Note("a note"))
    report(SessionsLeft(1, 20.0))
    assert capsys.readouterr().err.splitlines() == [
        "a note",
        "1 open session, at most 20 s more; run again with --drain 0 to end them now",
    ]
