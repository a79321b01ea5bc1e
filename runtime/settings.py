"""Every variable of every program: name, type, bound, default and one sentence, in one table.

Each program reads its own frozen class once at start, from (first wins) the environment,
``AAI_HOME/aai.env`` and the defaults below. Variables that start with ``AAI_`` and are in no
class stop the start, so that a misspelled name cannot be silently ignored.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from annotated_types import Ge, Le
from dotenv.parser import Binding, parse_stream
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from runtime.catalog import ASR_SERVER_BY_PROGRAM, GATEWAY, LICENSE_PROXY, ROUTER, Model
from runtime.errors import ConfigError
from runtime.home_layout import HomeLayout
from runtime.host_names import parse_hosts
from runtime.model_names import parse_aliases

ENV_FILE_NAME = "aai.env"
# What has its place elsewhere, and where.
NOT_IN_THE_FILE = {
    "AAI_HOME": "export it; this file lies inside it",
    "AAI_BIN_DIR": "set by the launcher",
    "AAI_GATEWAY_STOP_WAIT_S": "set by the launcher",
    "SERVER_PORT": "per program, in etc/supervisord.conf; here AAI_ASR_*_PORT",
    "HTTP_PORT": "per program, in etc/supervisord.conf; here AAI_PROXY_PORT",
}
PREFIX = "AAI_"
# Every name shares the prefix; below this likeness a suggestion would be a guess.
CLOSE_NAME_RATIO = 0.75


def _boolean(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("expected true or false")


def _log_level(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _models(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _aliases(value: object) -> object:
    return parse_aliases(value) if isinstance(value, str) else value


def _hosts(value: object) -> object:
    return parse_hosts(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Accepts:
    """Mark a type whose accepted form its annotation does not tell."""

    text: str


Switch = Annotated[bool, BeforeValidator(_boolean)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_log_level)]
ModelList = Annotated[tuple[Model, ...], BeforeValidator(_models)]
ModelAliases = Annotated[
    tuple[tuple[str, str], ...], BeforeValidator(_aliases), Accepts("comma separated list of alias=name")
]
HostList = Annotated[
    tuple[str, ...], BeforeValidator(_hosts), Accepts("comma separated list of host names, each with :port or without")
]
Port = Annotated[int, Ge(1), Le(65535)]


def checkout_root() -> Path | None:
    """Return the source checkout this package runs from, or None for an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "etc" / "supervisord.conf").is_file() and (root / "pyproject.toml").is_file() else None


def default_home() -> Path:
    """Return where state lives unless AAI_HOME says otherwise: ``var`` in the checkout or working directory."""
    return (checkout_root() or Path.cwd()) / "var"


class HostSettings(HomeLayout, BaseModel):
    """What every program of one stack agrees on."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    program: ClassVar[str] = "all programs"

    home: Path = Field(
        default_factory=default_home,
        alias="AAI_HOME",
        description="Directory of all state: keys, license, sockets, logs, models, aai.env.",
    )
    bind_host: str = Field(
        "127.0.0.1",
        alias="AAI_BIND_HOST",
        description="Address the gateway listens on; 0.0.0.0 lets every machine that reaches this host transcribe.",
    )
    wss_port: Port = Field(8080, alias="AAI_WSS_PORT", description="TCP port of the WebSocket gateway.")
    router_port: Port = Field(8081, alias="AAI_ROUTER_PORT", description="TCP port of the gRPC router.")
    proxy_port: Port = Field(8082, alias="AAI_PROXY_PORT", description="TCP port of the license-and-usage-proxy.")
    asr_english_port: Port = Field(
        50051, alias="AAI_ASR_ENGLISH_PORT", description="TCP port of streaming-asr-english."
    )
    asr_multilang_port: Port = Field(
        50052, alias="AAI_ASR_MULTILANG_PORT", description="TCP port of streaming-asr-multilang."
    )
    asr_u3pro_port: Port = Field(50051, alias="AAI_ASR_U3PRO_PORT", description="TCP port of streaming-asr-u3pro.")
    gateway_workers: Annotated[int, Ge(1), Le(64)] = Field(
        2, alias="AAI_GATEWAY_WORKERS", description="Gateway processes that share AAI_WSS_PORT."
    )
    drain_limit_s: Annotated[int, Ge(0), Le(10800)] = Field(
        10800,
        alias="AAI_DRAIN_LIMIT_S",
        description="Seconds open sessions may run on after a stop or a stack switch; `make run` sets 30.",
    )
    auth_mode: Literal["compat", "keys", "token"] = Field(
        "compat",
        alias="AAI_AUTH_MODE",
        description="compat takes any Authorization value or token, keys the keys of `aai-console keys` and tokens "
        "they fetched, token only such tokens.",
    )
    api_keys_path: Path | None = Field(
        None,
        alias="AAI_API_KEYS_FILE",
        description="Hashes of the client keys; AAI_HOME/keys/api-keys.json when unset. Read again when it changes.",
    )
    tls_cert_file: Path | None = Field(
        None,
        alias="AAI_TLS_CERT_FILE",
        description="PEM certificate chain of the gateway; with AAI_TLS_KEY_FILE it also listens on AAI_TLS_PORT.",
    )
    tls_key_file: Path | None = Field(
        None, alias="AAI_TLS_KEY_FILE", description="PEM private key of AAI_TLS_CERT_FILE, without a passphrase."
    )
    tls_port: Port = Field(8443, alias="AAI_TLS_PORT", description="TCP port of the WebSocket gateway with TLS.")
    metrics_port: Annotated[int, Ge(0), Le(65535)] = Field(
        9464,
        alias="AAI_METRICS_PORT",
        description="TCP port on 127.0.0.1 where Prometheus reads the metrics of all gateway workers; 0 for none.",
    )
    grpc_tls_cert_file: Path | None = Field(
        None,
        alias="AAI_GRPC_TLS_CERT_FILE",
        description="PEM certificate for gRPC between gateway, router and ASR servers of this host, plain without it; "
        "it must name 127.0.0.1.",
    )
    grpc_tls_key_file: Path | None = Field(
        None,
        alias="AAI_GRPC_TLS_KEY_FILE",
        description="PEM private key of AAI_GRPC_TLS_CERT_FILE, without a passphrase.",
    )
    grpc_tls_ca_file: Path | None = Field(
        None,
        alias="AAI_GRPC_TLS_CA_FILE",
        description="PEM certificates gRPC clients trust; AAI_GRPC_TLS_CERT_FILE, else the system's, when unset.",
    )
    internal_token_file: Path | None = Field(
        None,
        alias="AAI_INTERNAL_TOKEN_FILE",
        description="File with the token programs show each other; AAI_HOME/keys/internal.token when unset.",
    )
    bin_dir: Path | None = Field(
        None, alias="AAI_BIN_DIR", description="Set by the launcher: directory of the programs supervisord starts."
    )
    gateway_stop_wait_s: Annotated[int, Ge(1), Le(20000)] = Field(
        10830,
        alias="AAI_GATEWAY_STOP_WAIT_S",
        description="Set by the launcher: seconds supervisord waits before it kills a gateway worker.",
    )

    @property
    def keys_dir(self) -> Path:
        """Directory of private and public keys."""
        return self.home / "keys"

    @property
    def token_file(self) -> Path:
        """File that holds the internal token."""
        return self.internal_token_file or self.keys_dir / "internal.token"

    @property
    def api_keys_file(self) -> Path:
        """File that holds the hashes of the client keys."""
        return self.api_keys_path or self.keys_dir / "api-keys.json"

    @property
    def token_key_file(self) -> Path:
        """File that holds the key temporary tokens are signed with."""
        return self.keys_dir / "token.key"

    def admin_socket(self, program: str, number: int = 0) -> Path:
        """Return the admin socket of one process of a program."""
        return self.run_dir / f"{program}-{number:02d}.sock"

    def asr_port(self, program: str) -> int:
        """Return the gRPC port of an ASR program."""
        variable = ASR_SERVER_BY_PROGRAM[program].port_variable
        return int(getattr(self, variable.removeprefix(PREFIX).lower()))

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read this program's settings.

        Args:
            environment: variables to read instead of ``os.environ``.

        Raises:
            ConfigError: a bad value, or an ``AAI_*`` name outside the table.
        """
        given = os.environ if environment is None else environment
        home = (Path(given["AAI_HOME"]) if given.get("AAI_HOME") else default_home()).expanduser().absolute()
        file = read_env_file(home / ENV_FILE_NAME)
        reject_unknown({*file, *given})
        # An empty value means "not set", as in every shell script that exports optional variables.
        values = {name: value for source in (file, given) for name, value in source.items() if value != ""}
        values["AAI_HOME"] = str(home)
        known = {row.name for row in rows_of(cls)}
        chosen = {name: value for name, value in values.items() if name in known}
        try:
            return cls.model_validate(chosen)
        except ValidationError as error:
            raise ConfigError(_explain(cls, error)[0].text) from None


class GatewaySettings(HostSettings):
    """Variables of streaming-api."""

    program: ClassVar[str] = GATEWAY

    log_level: LogLevel = Field("INFO", alias="AAI_LOG_LEVEL", description="Least severe log level written.")
    structured_logging: Switch = Field(
        False, alias="AAI_USE_STRUCTURED_LOGGING", description="One JSON object a log line instead of plain text."
    )
    asr_endpoint: str | None = Field(
        None, alias="AAI_ASR_ENDPOINT", description="host:port of the router; the local router when unset."
    )
    secure_asr_channel: Switch = Field(
        False, alias="AAI_USE_SECURE_CHANNEL_TO_ASR_SERVICE", description="TLS on the gRPC connection to the router."
    )
    license_endpoint: str | None = Field(
        None,
        alias="AAI_LICENSE_AND_USAGE_PROXY_ENDPOINT",
        description="URL of the license-and-usage-proxy; the local one when unset.",
    )
    supported_deployments: ModelList | None = Field(
        None,
        alias="AAI_SUPPORTED_ASR_DEPLOYMENTS",
        description="Models this gateway serves, comma separated; the running stack's when unset.",
    )
    strict_models: Switch = Field(
        False,
        alias="AAI_STRICT_MODELS",
        description="Refuse Pro model names when no Pro backend is deployed instead of serving them with English.",
    )
    model_aliases: ModelAliases = Field(
        (),
        alias="AAI_MODEL_ALIASES",
        description="Further speech_model names clients may ask for, each of a known one, as in "
        "acme-dictation=universal-streaming-english; an alias may be a known name, which then means the other.",
    )
    webhook_allowed_hosts: HostList = Field(
        (),
        alias="AAI_WEBHOOK_ALLOWED_HOSTS",
        description="Hosts a client may have the final turns of its session sent to with webhook_url; none when unset. "
        "Loopback and private addresses of these hosts are reached too.",
    )
    license_poll_interval_s: Annotated[float, Ge(0.1), Le(60)] = Field(
        2.0, alias="AAI_LICENSE_POLL_INTERVAL_S", description="Seconds between two looks at the license state."
    )
    license_grace_s: Annotated[int, Ge(0), Le(86400)] = Field(
        900,
        alias="AAI_LICENSE_GRACE_S",
        description="Seconds a gateway serves on while the license proxy cannot be reached.",
    )
    max_sessions: Annotated[int, Ge(1), Le(1_000_000)] | None = Field(
        None,
        alias="AAI_MAX_SESSIONS_PER_WORKER",
        description="Sessions one gateway worker has open at once; license, backends and keys have limits of their "
        "own.",
    )
    max_waiting_audio_mib: Annotated[int, Ge(1), Le(1_048_576)] = Field(
        1024,
        alias="AAI_MAX_WAITING_AUDIO_MIB",
        description="MiB of audio that may wait for recognisers in one gateway worker; above, clients with a backlog "
        "are not read.",
    )
    max_sockets: Annotated[int, Ge(1), Le(1_000_000)] = Field(
        20_000,
        alias="AAI_MAX_SOCKETS",
        description="Client connections a gateway worker holds at once, 503 above; fewer where the kernel lets it "
        "open fewer files.",
    )
    max_sockets_per_address: Annotated[int, Ge(0), Le(1_000_000)] = Field(
        0,
        alias="AAI_MAX_SOCKETS_PER_ADDRESS",
        description="Connections a gateway worker takes from one address, 429 above; 0 for no limit, as all clients "
        "of a load balancer share one.",
    )
    max_handshakes_per_address: Annotated[int, Ge(0), Le(1_000_000)] = Field(
        1_000,
        alias="AAI_MAX_HANDSHAKES_PER_ADDRESS",
        description="Connections of one address that may be in their handshake at once, 429 above; 0 for no limit.",
    )
    ping_interval_s: Annotated[float, Ge(0.1), Le(3_600)] = Field(
        20.0, alias="AAI_PING_INTERVAL_S", description="Seconds between two pings to a client."
    )
    pong_limit_s: Annotated[float, Ge(0.1), Le(3_600)] = Field(
        40.0,
        alias="AAI_PONG_LIMIT_S",
        description="Seconds a client may take to answer a ping before it counts as gone.",
    )

    @property
    def asr_target(self) -> str:
        """host:port the gateway dials for recognition."""
        return self.asr_endpoint or f"127.0.0.1:{self.router_port}"

    @property
    def license_url(self) -> str:
        """Base URL of the license proxy, without a trailing slash."""
        endpoint = self.license_endpoint or f"http://127.0.0.1:{self.proxy_port}"
        return (endpoint if "://" in endpoint else f"http://{endpoint}").rstrip("/")


class RouterSettings(HostSettings):
    """Variables of streaming-asr-lb."""

    program: ClassVar[str] = ROUTER

    log_level: LogLevel = Field("INFO", alias="AAI_LOG_LEVEL", description="Least severe log level written.")
    structured_logging: Switch = Field(
        False, alias="AAI_USE_STRUCTURED_LOGGING", description="One JSON object a log line instead of plain text."
    )


class AsrSettings(HostSettings):
    """Variables of the ASR servers."""

    program: ClassVar[str] = "streaming-asr-*"

    server_port: Port | None = Field(
        None, alias="SERVER_PORT", description="gRPC port of this server; its AAI_ASR_*_PORT when unset."
    )
    log_level: LogLevel = Field("INFO", alias="LOGGING_LEVEL", description="Least severe log level written.")
    structured_logging: Switch = Field(
        False, alias="USE_STRUCTURED_LOGGING", description="One JSON object a log line instead of plain text."
    )
    max_open_streams: Annotated[int, Ge(1), Le(100_000)] = Field(
        48, alias="MAX_OPEN_STREAMS", description="Sessions this server accepts at once."
    )
    spare_workers: Annotated[int, Ge(0), Le(64)] = Field(
        2, alias="AAI_ASR_SPARE_WORKERS", description="Idle recogniser processes the embedded engine keeps ready."
    )


class LicenseProxySettings(HostSettings):
    """Variables of the license-and-usage-proxy."""

    program: ClassVar[str] = LICENSE_PROXY

    http_port: Port | None = Field(
        None, alias="HTTP_PORT", description="HTTP port of this program; AAI_PROXY_PORT when unset."
    )
    log_level: LogLevel = Field("INFO", alias="LOGGING_LEVEL", description="Least severe log level written.")
    structured_logging: Switch = Field(
        False, alias="USE_STRUCTURED_LOGGING", description="One JSON object a log line instead of plain text."
    )
    license_file: Path | None = Field(
        None,
        alias="LICENSE_FILE_PATH",
        description="The license; license.jwt in the checkout, else AAI_HOME/license.jwt when unset.",
    )
    public_keys_file: Path | None = Field(
        None,
        alias="LICENSE_PUBLIC_KEYS_PATH",
        description="JSON Web Key Set with the public keys a license may be signed by; "
        "license-public-keys.json beside the license when unset.",
    )
    check_interval_s: Annotated[float, Ge(0.1), Le(3600)] = Field(
        60.0, alias="LICENSE_CHECK_INTERVAL_S", description="Seconds between two checks of the license, +-10 %."
    )
    clock_leeway_s: Annotated[int, Ge(0), Le(300)] = Field(
        60, alias="LICENSE_CLOCK_LEEWAY_S", description="Clock difference to the license issuer that is tolerated."
    )
    trust_window_max_s: Annotated[int, Ge(0), Le(2_592_000)] | None = Field(
        None,
        alias="LICENSE_TRUST_WINDOW_MAX_S",
        description="Upper bound of the license's trust window; can only shorten it.",
    )
    usage_key: SecretStr | None = Field(
        None, alias="USAGE_TRACKING_API_KEY", description="Key of the usage tracker; flat licenses need none."
    )


class ConsoleSettings(HostSettings):
    """Variables of aai-console."""

    program: ClassVar[str] = "aai-console"

    log_level: LogLevel = Field("WARNING", alias="AAI_LOG_LEVEL", description="Least severe log level written.")


PROGRAM_SETTINGS: tuple[type[HostSettings], ...] = (
    HostSettings,
    GatewaySettings,
    RouterSettings,
    AsrSettings,
    LicenseProxySettings,
    ConsoleSettings,
)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One variable as documentation shows it.

    Attributes:
        accepts: the accepted form in words.
        default: the default in words, ``""`` when it depends on other settings.
    """

    name: str
    programs: tuple[str, ...]
    field: str
    accepts: str
    default: str
    sentence: str
    secret: bool


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One thing that is wrong with the settings.

    Attributes:
        name: the variable at fault; empty when the text names several.
        text: what was found and what is accepted.
    """

    name: str
    text: str


def rows_of(settings: type[HostSettings]) -> tuple[SettingRow, ...]:
    """Return the rows of one program's class, inherited ones included."""
    return tuple(
        SettingRow(
            name=field.alias or name,
            programs=(settings.program,),
            field=name,
            accepts=_accepts(field),
            default=_default_text(field),
            sentence=field.description or "",
            secret=SecretStr in _types(field.annotation),
        )
        for name, field in settings.model_fields.items()
    )


def settings_table() -> tuple[SettingRow, ...]:
    """Return every variable once, with the programs that read it; shared ones first."""
    table: dict[str, SettingRow] = {}
    shared = {row.name for row in rows_of(HostSettings)}
    for settings in PROGRAM_SETTINGS:
        for row in rows_of(settings):
            known = table.get(row.name)
            if known is None:
                table[row.name] = row
            elif row.name not in shared:
                table[row.name] = SettingRow(
                    row.name, (*known.programs, *row.programs), known.field, known.accepts,
                    known.default, known.sentence, known.secret,
                )  # fmt: skip
    return tuple(table.values())


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of an ``aai.env`` file; none when there is no file.

    Raises:
        ConfigError: the file cannot be read, or a line is not a setting.
    """
    text = read_env_text(path)
    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            # The line is not shown: it may hold a secret.
            raise ConfigError(
                f"{path}, line {_line_number(binding)} is not a setting; write NAME=value, or # before a comment"
            )
        if binding.key == "AAI_HOME":
            raise ConfigError(f"{path}, line {_line_number(binding)}: AAI_HOME cannot be set inside itself; export it")
        if binding.key is not None:
            values[binding.key] = binding.value or ""
    return values


def _line_number(binding: Binding) -> int:
    """Return the line a binding stands on; the parser counts from the blank lines before it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def read_env_text(path: Path) -> str:
    """Return the text of an ``aai.env`` file; empty when there is no file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}; make it a UTF-8 text file you own") from error


def reject_unknown(names: Iterable[str]) -> None:
    """Stop on the first ``AAI_*`` name that is in no program's table.

    Raises:
        ConfigError: naming the variable and the nearest known name.
    """
    known = {row.name for settings in PROGRAM_SETTINGS for row in rows_of(settings)}
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE_NAME_RATIO)
            hint = f"; did you mean {close[0]}?" if close else "; `aai-console config show` lists the accepted names"
            raise ConfigError(f"{name} is not a setting{hint}")


def value_problems(settings: type[HostSettings], values: Mapping[str, str]) -> tuple[SettingProblem, ...]:
    """Return what is wrong with the values of one program's variables; names it does not read are passed over."""
    known = {row.name for row in rows_of(settings)}
    try:
        settings.model_validate({name: value for name, value in values.items() if name in known and value != ""})
    except ValidationError as error:
        return _explain(settings, error)
    return ()


def env_file_template() -> str:
    """Return the text of a first ``aai.env``: every variable, commented out, with its meaning."""
    lines = [
        "# Settings of this stack. A variable of the environment wins over this file.",
        "# Take the leading # off a line to change a value, then: aai-console down && aai-console up",
        "",
    ]
    for row in settings_table():
        lines += [f"# {row.sentence}", f"# ({', '.join(row.programs)}; {row.accepts})"]
        elsewhere = NOT_IN_THE_FILE.get(row.name)
        lines += [f"# {row.name}: {elsewhere}" if elsewhere else f"#{row.name}={row.default}", ""]
    return "\n".join(lines)


def _types(annotation: Any) -> tuple[Any, ...]:
    arguments = get_args(annotation)
    return (annotation, *(found for argument in arguments for found in _types(argument)))


def _accepts(field: FieldInfo) -> str:
    kinds = _types(field.annotation)
    metadata = [*field.metadata, *(item for kind in kinds for item in getattr(kind, "__metadata__", ()))]
    metadata += [item for kind in kinds if isinstance(kind, Ge | Le) for item in (kind,)]
    low = next((item.ge for item in metadata if isinstance(item, Ge)), None)
    high = next((item.le for item in metadata if isinstance(item, Le)), None)
    own = next((item.text for item in metadata if isinstance(item, Accepts)), None)
    if own:
        return own
    literals = next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), None)
    if literals:
        return "one of " + ", ".join(literals)
    if bool in kinds:
        return "true or false"
    if Model in kinds:
        return "comma separated list of " + ", ".join(Model)
    for kind, word in ((int, "whole number"), (float, "number")):
        if kind in kinds:
            return f"{word} from {low} to {high}"
    return "path" if Path in kinds else "text"


def _default_text(field: FieldInfo) -> str:
    default = field.default
    if field.default_factory is not None:
        return "./var"
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None or default == () else str(default)


def _explain(settings: type[HostSettings], error: ValidationError) -> tuple[SettingProblem, ...]:
    rows = {row.name: row for row in rows_of(settings)}
    return tuple(_explain_one(rows, found["loc"], found["input"], found["msg"]) for found in error.errors())


def _explain_one(
    rows: Mapping[str, SettingRow], place: tuple[int | str, ...], value: object, message: str
) -> SettingProblem:
    name = str(place[0]) if place else ""
    row = rows.get(name)
    if row is None:  # a rule about several variables names them itself
        return SettingProblem(name, message.removeprefix("Value error, "))
    shown = "(hidden)" if row.secret else repr(value)
    expected = f"expected {row.accepts}"
    # Our own checks may say which part of a value is wrong.
    _, _, part = message.partition("Value error, ")
    reason = expected if part in ("", expected) or row.secret else f"{part}; {expected}"
    return SettingProblem(name, f"{name}={shown} is not accepted: {reason}")
