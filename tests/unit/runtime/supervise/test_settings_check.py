"""Every problem of the settings, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import ConfigError
from runtime.supervise.host import Host
from runtime.supervise.settings_check import check_settings, find_setting_problems


def places(home: Path, text: str, **environment: str) -> list[tuple[str, str]]:
    """Return the first word and the place of each problem of an aai.env and an environment."""
    (home / "aai.env").write_text(text)
    found = find_setting_problems(home, environment)
    return [(problem.text.split("=")[0].split()[0], problem.place) for problem in found]


def test_value_of_the_file_is_placed_on_its_line(tmp_path: Path) -> None:
    """Empty lines, comments and exports count."""
    text = "# a\n\n\nexport AAI_LOG_LEVEL=LOUD\n#x\nMAX_OPEN_STREAMS=0\n"
    assert places(tmp_path, text) == [("AAI_LOG_LEVEL", "aai.env line 4"), ("MAX_OPEN_STREAMS", "aai.env line 6")]


def test_bad_alias_and_host_are_found(tmp_path: Path) -> None:
    """Before a start, with the line and the entry at fault."""
    (tmp_path / "aai.env").write_text("AAI_MODEL_ALIASES=a=b,b=u3-pro\nAAI_WEBHOOK_ALLOWED_HOSTS=*.example.com\n")
    alias, host = (str(problem) for problem in find_setting_problems(tmp_path, {}))
    assert "'a' means 'b', which is an alias itself" in alias
    assert alias.endswith("(aai.env line 1)")
    assert "'*.example.com' is no host name" in host
    assert host.endswith("(aai.env line 2)")


def test_environment_wins_over_the_file_also_as_the_place(tmp_path: Path) -> None:
    """A bad line nobody reads is no problem, a bad variable is."""
    assert places(tmp_path, "AAI_WSS_PORT=0\n", AAI_WSS_PORT="8080") == []
    assert places(tmp_path, "AAI_WSS_PORT=8080\n", AAI_WSS_PORT="x") == [("AAI_WSS_PORT", "the environment")]


def test_setting_given_twice_is_placed_on_the_line_that_counts(tmp_path: Path) -> None:
    """The last one wins."""
    assert places(tmp_path, "AAI_WSS_PORT=1\nAAI_WSS_PORT=0\n") == [("AAI_WSS_PORT", "aai.env line 2")]


def test_line_that_is_no_setting_is_told(tmp_path: Path) -> None:
    """It would be ignored silently, and is not shown: it may hold a secret."""
    (tmp_path / "aai.env").write_text("AAI_WSS_PORT=8080\n'USAGE hush\n")
    [problem] = find_setting_problems(tmp_path, {})
    assert problem.place == "aai.env line 2"
    assert "hush" not in str(problem)


def test_file_that_is_no_text_is_one_problem(tmp_path: Path) -> None:
    """Nothing else can be said about it."""
    (tmp_path / "aai.env").write_bytes(b"\xff\xfe")
    [problem] = find_setting_problems(tmp_path, {})
    assert "UTF-8" in str(problem)


def test_far_name_gets_no_suggestion(tmp_path: Path) -> None:
    """A guess would mislead."""
    [problem] = find_setting_problems(tmp_path, {"AAI_NONSENSE": "1"})
    assert "did you mean" not in str(problem)
    assert "`aai-console config show`" in str(problem)


def test_check_names_the_first_problem_and_counts_the_others(tmp_path: Path) -> None:
    """One line says enough to begin with."""
    (tmp_path / "aai.env").write_text("AAI_WSS_PORT=0\nAAI_ROUTER_PORT=0\n")
    with pytest.raises(ConfigError, match=r"AAI_WSS_PORT='0' .* \(aai\.env line 1\); 1 more: aai-console config check"):
        check_settings(Host.open({"AAI_HOME": str(tmp_path)}))
