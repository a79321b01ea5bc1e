"""Settings: sources, bounds, refusals, and the table made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.catalog import ASR_SERVERS, Model
from runtime.errors import ConfigError
from runtime.settings import (
    NOT_IN_THE_FILE,
    PROGRAM_SETTINGS,
    AsrSettings,
    ConsoleSettings,
    GatewaySettings,
    HostSettings,
    LicenseProxySettings,
    RouterSettings,
    env_file_template,
    read_env_file,
    rows_of,
    settings_table,
)

# The vendor's names (house style, configuration); changing one breaks existing installations.
VENDOR_NAMES = {
    GatewaySettings: {
        "AAI_WSS_PORT", "AAI_LOG_LEVEL", "AAI_USE_STRUCTURED_LOGGING", "AAI_ASR_ENDPOINT",
        "AAI_USE_SECURE_CHANNEL_TO_ASR_SERVICE", "AAI_LICENSE_AND_USAGE_PROXY_ENDPOINT",
    },
    AsrSettings: {"SERVER_PORT", "LOGGING_LEVEL", "USE_STRUCTURED_LOGGING", "MAX_OPEN_STREAMS"},
    LicenseProxySettings: {
        "HTTP_PORT", "LOGGING_LEVEL", "USE_STRUCTURED_LOGGING", "LICENSE_FILE_PATH", "USAGE_TRACKING_API_KEY",
    },
}  # fmt: skip


def loaded(settings: type[HostSettings], home: Path, **variables: str) -> Any:
    """Read a program's settings from an environment of only these variables."""
    return settings.load({"AAI_HOME": str(home), **variables})


def refusal(settings: type[HostSettings], home: Path, **variables: str) -> str:
    """Return the text these variables are refused with."""
    with pytest.raises(ConfigError) as caught:
        loaded(settings, home, **variables)
    assert caught.value.exit_code == 78
    return str(caught.value)


@pytest.mark.parametrize("settings", PROGRAM_SETTINGS)
def test_settings_nothing_set_gives_the_defaults(settings: type[HostSettings], tmp_path: Path) -> None:
    """Every program starts without any variable but its home."""
    found = loaded(settings, tmp_path)
    assert found.home == tmp_path
    assert (found.wss_port, found.router_port, found.proxy_port) == (8080, 8081, 8082)
    assert found.bind_host == "127.0.0.1"


@pytest.mark.parametrize("settings", VENDOR_NAMES)
def test_settings_vendor_names_are_kept(settings: type[HostSettings]) -> None:
    """The documented variables exist under their exact names."""
    assert VENDOR_NAMES[settings] <= {row.name for row in rows_of(settings)}


def test_settings_environment_wins_over_the_file(tmp_path: Path) -> None:
    """The file gives what the environment does not."""
    (tmp_path / "aai.env").write_text("AAI_WSS_PORT=9001\nAAI_ROUTER_PORT=9002\n")
    found = loaded(GatewaySettings, tmp_path, AAI_WSS_PORT="9100")
    assert (found.wss_port, found.router_port, found.proxy_port) == (9100, 9002, 8082)


def test_settings_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    """An empty variable neither counts as a value nor hides the file's."""
    (tmp_path / "aai.env").write_text("AAI_WSS_PORT=9001\nAAI_ROUTER_PORT=\n")
    found = loaded(GatewaySettings, tmp_path, AAI_WSS_PORT="", AAI_ASR_ENDPOINT="")
    assert (found.wss_port, found.router_port, found.asr_endpoint) == (9001, 8081, None)


def test_settings_home_with_a_tilde_is_expanded_before_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tilde that no shell expanded leads to the same home as its file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "aai.env").write_text("AAI_WSS_PORT=9001\n")
    found = GatewaySettings.load({"AAI_HOME": "~/stack"})
    assert (found.home, found.wss_port) == (tmp_path / "stack", 9001)


def test_settings_relative_home_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs with other working directories mean the same home."""
    monkeypatch.chdir(tmp_path)
    assert HostSettings.load({"AAI_HOME": "var"}).home == tmp_path / "var"


def test_settings_home_in_the_file_is_refused(tmp_path: Path) -> None:
    """The file lies inside the home and cannot name another."""
    (tmp_path / "aai.env").write_text("AAI_HOME=/elsewhere\n")
    assert "line 1: AAI_HOME cannot be set inside itself" in refusal(HostSettings, tmp_path)


@pytest.mark.parametrize("settings", PROGRAM_SETTINGS)
def test_settings_unknown_name_stops_every_program_with_the_nearest(
    settings: type[HostSettings], tmp_path: Path
) -> None:
    """A misspelled name is never ignored."""
    assert refusal(settings, tmp_path, AAI_WSS_PROT="1") == "AAI_WSS_PROT is not a setting; did you mean AAI_WSS_PORT?"


def test_settings_unknown_name_like_no_other_says_where_to_look(tmp_path: Path) -> None:
    """Without a near name the console's list is named."""
    assert "`aai-console config show`" in refusal(HostSettings, tmp_path, AAI_ZZZZZZZZZZZZZ="1")


def test_settings_unknown_name_in_the_file_stops_too(tmp_path: Path) -> None:
    """The file is held to the same table."""
    (tmp_path / "aai.env").write_text("AAI_WSS_PROT=1\n")
    assert "AAI_WSS_PROT is not a setting" in refusal(HostSettings, tmp_path)


def test_settings_variable_of_another_program_is_accepted(tmp_path: Path) -> None:
    """One file serves all programs, and names without the prefix are not ours to judge."""
    loaded(RouterSettings, tmp_path, AAI_ASR_SPARE_WORKERS="1", PATH="/bin", SOMETHING="x")


@pytest.mark.parametrize(
    ("settings", "name", "value", "accepted"),
    [
        (GatewaySettings, "AAI_WSS_PORT", "0", "whole number from 1 to 65535"),
        (GatewaySettings, "AAI_WSS_PORT", "65536", "whole number from 1 to 65535"),
        (GatewaySettings, "AAI_WSS_PORT", "http", "whole number from 1 to 65535"),
        (GatewaySettings, "AAI_LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        (GatewaySettings, "AAI_USE_STRUCTURED_LOGGING", "yes", "true or false"),
        (GatewaySettings, "AAI_STRICT_MODELS", "1", "true or false"),
        (GatewaySettings, "AAI_LICENSE_POLL_INTERVAL_S", "0", "number from 0.1 to 60"),
        (GatewaySettings, "AAI_LICENSE_POLL_INTERVAL_S", "nan", "number from 0.1 to 60"),
        (
            GatewaySettings,
            "AAI_SUPPORTED_ASR_DEPLOYMENTS",
            "whisper",
            "comma separated list of en-default, ml-default, u3-pro",
        ),
        (HostSettings, "AAI_GATEWAY_WORKERS", "0", "whole number from 1 to 64"),
        (HostSettings, "AAI_DRAIN_LIMIT_S", "-1", "whole number from 0 to 10800"),
        (AsrSettings, "MAX_OPEN_STREAMS", "0", "whole number from 1 to 100000"),
        (AsrSettings, "SERVER_PORT", "70000", "whole number from 1 to 65535"),
        (LicenseProxySettings, "HTTP_PORT", "-1", "whole number from 1 to 65535"),
        (LicenseProxySettings, "LICENSE_TRUST_WINDOW_MAX_S", "-1", "whole number from 0 to 2592000"),
        (LicenseProxySettings, "LICENSE_CLOCK_LEEWAY_S", "301", "whole number from 0 to 300"),
    ],
)
def test_settings_bad_value_names_variable_value_and_accepted_form(
    settings: type[HostSettings], name: str, value: str, accepted: str, tmp_path: Path
) -> None:
    """One line tells what to change and to what."""
    assert refusal(settings, tmp_path, **{name: value}) == f"{name}='{value}' is not accepted: expected {accepted}"


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_settings_boolean_any_letter_case_is_accepted(text: str, tmp_path: Path) -> None:
    """The vendor writes True."""
    assert loaded(GatewaySettings, tmp_path, AAI_STRICT_MODELS=text).strict_models is True


def test_settings_log_level_any_letter_case_is_accepted(tmp_path: Path) -> None:
    """Levels are written in either case."""
    assert loaded(AsrSettings, tmp_path, LOGGING_LEVEL="debug").log_level == "DEBUG"


def test_settings_model_list_is_split(tmp_path: Path) -> None:
    """Blanks around commas do not matter."""
    found = loaded(GatewaySettings, tmp_path, AAI_SUPPORTED_ASR_DEPLOYMENTS="en-default, u3-pro,")
    assert found.supported_deployments == (Model.ENGLISH, Model.PRO)


def test_settings_aliases_and_hosts_are_parsed(tmp_path: Path) -> None:
    """Pairs and one spelling of each host; none by default."""
    found = loaded(
        GatewaySettings,
        tmp_path,
        AAI_MODEL_ALIASES="universal-3-6-pro=u3-rt-pro, acme=universal-streaming-english,",
        AAI_WEBHOOK_ALLOWED_HOSTS="Hooks.Example.com., [::0:1]:9000",
    )
    assert found.model_aliases == (("universal-3-6-pro", "u3-rt-pro"), ("acme", "universal-streaming-english"))
    assert found.webhook_allowed_hosts == ("hooks.example.com", "[::1]:9000")
    bare = loaded(GatewaySettings, tmp_path)
    assert (bare.model_aliases, bare.webhook_allowed_hosts) == ((), ())


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "AAI_MODEL_ALIASES",
            "a=whisper-rt",
            (
                "'a' means 'whisper-rt', which is none of universal-streaming-english, "
                "universal-streaming-multilingual, u3-rt-pro, universal-3-5-pro, universal-3-6-pro, u3-rt-pro-beta-1, "
                "universal-3-6, u3-pro; expected comma separated list of alias=name"
            ),
        ),
        (
            "AAI_WEBHOOK_ALLOWED_HOSTS",
            "https://example.com",
            (
                "'https://example.com' is no host name: write it without scheme, path and wildcard, an IPv6 address in "
                "brackets; expected comma separated list of host names, each with :port or without"
            ),
        ),
    ],
)
def test_settings_bad_part_of_a_list_is_named_with_the_accepted_form(
    name: str, value: str, text: str, tmp_path: Path
) -> None:
    """The operator need not guess which entry it is."""
    assert refusal(GatewaySettings, tmp_path, **{name: value}) == f"{name}='{value}' is not accepted: {text}"


def test_settings_secret_is_never_shown(tmp_path: Path) -> None:
    """The usage key appears in no repr."""
    found = loaded(LicenseProxySettings, tmp_path, USAGE_TRACKING_API_KEY="hush-hush")
    assert "hush-hush" not in repr(found)
    assert found.usage_key.get_secret_value() == "hush-hush"


def test_settings_are_frozen(tmp_path: Path) -> None:
    """Values are read once and stay."""
    with pytest.raises(ValueError, match="frozen"):
        loaded(HostSettings, tmp_path).wss_port = 1


def test_settings_paths_lie_under_the_home(tmp_path: Path) -> None:
    """Sockets, logs, keys and token have their places."""
    found = loaded(HostSettings, tmp_path)
    assert found.admin_socket("streaming-api", 1) == tmp_path / "run" / "streaming-api-01.sock"
    assert found.log_dir == tmp_path / "logs"
    assert found.token_file == tmp_path / "keys" / "internal.token"
    assert loaded(HostSettings, tmp_path, AAI_INTERNAL_TOKEN_FILE="/run/t").token_file == Path("/run/t")


def test_settings_every_asr_server_has_its_port(tmp_path: Path) -> None:
    """The catalog's port variables exist and are read."""
    for number, server in enumerate(ASR_SERVERS, 6000):
        assert loaded(HostSettings, tmp_path, **{server.port_variable: str(number)}).asr_port(server.program) == number


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("", "http://127.0.0.1:8082"),
        ("proxy:9000", "http://proxy:9000"),
        ("http://proxy:9000/", "http://proxy:9000"),
        ("https://proxy", "https://proxy"),
    ],
)
def test_settings_license_url_is_complete(endpoint: str, url: str, tmp_path: Path) -> None:
    """The vendor writes the endpoint with and without a scheme."""
    assert loaded(GatewaySettings, tmp_path, AAI_LICENSE_AND_USAGE_PROXY_ENDPOINT=endpoint).license_url == url


def test_settings_asr_target_is_the_local_router_when_unset(tmp_path: Path) -> None:
    """The endpoint follows the router's port."""
    assert loaded(GatewaySettings, tmp_path, AAI_ROUTER_PORT="9002").asr_target == "127.0.0.1:9002"
    assert loaded(GatewaySettings, tmp_path, AAI_ASR_ENDPOINT="lb:1").asr_target == "lb:1"


def test_table_has_every_variable_once_with_its_words() -> None:
    """Each row has a sentence and an accepted form without holes."""
    table = settings_table()
    names = [row.name for row in table]
    assert len(names) == len(set(names))
    assert set(names) == {row.name for settings in PROGRAM_SETTINGS for row in rows_of(settings)}
    for row in table:
        assert row.sentence.endswith(".")
        assert "None" not in row.accepts
        assert row.programs


def test_table_shared_names_list_their_programs() -> None:
    """A name that several programs read names them all; the key is marked secret."""
    rows = {row.name: row for row in settings_table()}
    assert rows["LOGGING_LEVEL"].programs == (AsrSettings.program, LicenseProxySettings.program)
    assert ConsoleSettings.program in rows["AAI_LOG_LEVEL"].programs
    assert [row.name for row in rows.values() if row.secret] == ["USAGE_TRACKING_API_KEY"]


def test_env_file_template_sets_nothing_until_a_line_is_uncommented(tmp_path: Path) -> None:
    """A first file changes nothing."""
    path = tmp_path / "aai.env"
    path.write_text(env_file_template())
    assert read_env_file(path) == {}


@pytest.mark.parametrize("settings", PROGRAM_SETTINGS)
def test_env_file_template_with_every_line_uncommented_is_accepted(
    settings: type[HostSettings], tmp_path: Path
) -> None:
    """Every default is written in its accepted form, under its exact name."""
    lines = env_file_template().splitlines()
    variables = [line[1:] for line in lines if line.startswith("#") and not line.startswith("# ")]
    (tmp_path / "aai.env").write_text("\n".join(variables))
    assert len(variables) == len(settings_table()) - len(NOT_IN_THE_FILE)
    assert all(row.name in env_file_template() for row in settings_table())
    found = loaded(settings, tmp_path)
    assert found.wss_port == 8080


def test_env_file_missing_is_empty(tmp_path: Path) -> None:
    """No file is no setting."""
    assert read_env_file(tmp_path / "aai.env") == {}


def test_env_file_values_are_literal(tmp_path: Path) -> None:
    """Quotes are taken off and dollar signs are not expanded."""
    path = tmp_path / "aai.env"
    path.write_text("A='x y'\nB=$HOME\nC=\nexport D=1\n")
    assert read_env_file(path) == {"A": "x y", "B": "$HOME", "C": "", "D": "1"}


@pytest.mark.parametrize(
    "line", ["garbage line", "=5", "AAI_WSS_PORT 31180", "AAI_WSS_PORT: 31180", "AAI_WSS_PORT='31180", "AAI_WSS_PORT"]
)
def test_env_file_line_that_is_no_setting_is_refused_with_its_number(line: str, tmp_path: Path) -> None:
    """A broken line is never skipped: the default would be used in its place."""
    path = tmp_path / "aai.env"
    path.write_text(f"# comment\nA=1\n\n{line}\n")
    with pytest.raises(ConfigError, match=r"aai.env, line 4 is not a setting"):
        read_env_file(path)


@pytest.mark.parametrize("kind", ["directory", "not text"])
def test_env_file_unreadable_is_refused_with_its_path(kind: str, tmp_path: Path) -> None:
    """One line with the path, not a traceback."""
    path = tmp_path / "aai.env"
    if kind == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=str(path)):
        read_env_file(path)
