"""Pure: which processes a host has, in which order they start, under which names, ports and paths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runtime.catalog import ASR_SERVERS, GATEWAY, LICENSE_PROXY, ROUTER, Model, Stack
from runtime.errors import ConfigError
from runtime.home_layout import HomeLayout
from runtime.settings import HostSettings
from runtime.supervise.errors import SuperviseError

LOOPBACK = "127.0.0.1"
# To reach a program that listens on every address of this machine.
REACHABLE_AS = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - compared, not bound
# A gateway worker gets its drain limit, time to close, and some slack before supervisord kills it.
STOP_MARGIN_S = 20


@dataclass(frozen=True, slots=True)
class Site(HomeLayout):
    """One stack's place on this host: directory, addresses, sizes. A running stack keeps the site it started with.

    Attributes:
        home: AAI_HOME, absolute.
        bin_dir: directory of the programs supervisord starts.
        asr_ports: gRPC port of each ASR program.
        drain_limit_s: seconds open sessions may run on after a stop or a switch.
        tls_port: port of the gateway's TLS listener; None when it has none.
        metrics_port: where the gateway workers answer Prometheus; None when they do not.
        auth_mode: what clients have to show, as AAI_AUTH_MODE.
    """

    home: Path
    bin_dir: Path
    bind_host: str
    wss_port: int
    router_port: int
    proxy_port: int
    asr_ports: dict[str, int]
    gateway_workers: int
    drain_limit_s: int
    tls_port: int | None = None
    metrics_port: int | None = None
    auth_mode: str = "compat"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord listens."""
        return self.run_dir / "supervisor.sock"

    @property
    def supervisor_log(self) -> Path:
        """The log of supervisord itself."""
        return self.log_dir / "supervisord.log"

    @property
    def gateway_stop_wait_s(self) -> int:
        """Seconds supervisord waits before it kills a gateway worker."""
        return self.drain_limit_s + STOP_MARGIN_S

    @property
    def token_key_file(self) -> Path:
        """What the stack signs tokens with."""
        return self.home / "keys" / "token.key"

    @property
    def connect_host(self) -> str:
        """Address under which this machine reaches its own gateway."""
        return REACHABLE_AS.get(self.bind_host, self.bind_host)

    @property
    def gateway_url(self) -> str:
        """WebSocket URL of the gateway, for clients on this machine."""
        return f"ws://{self._url_host}:{self.wss_port}"

    @property
    def gateway_tls_url(self) -> str | None:
        """The same with TLS; None when the gateway has no TLS listener."""
        return None if self.tls_port is None else f"wss://{self._url_host}:{self.tls_port}"

    @property
    def _url_host(self) -> str:
        return f"[{self.connect_host}]" if ":" in self.connect_host else self.connect_host


@dataclass(frozen=True, slots=True)
class Listener:
    """One TCP port of one process, and the setting that moves it."""

    program: str
    process_name: str
    host: str
    port: int
    port_variable: str


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process: how users, supervisord and probes find it.

    Attributes:
        name: what a user types, ``streaming-api-00`` or ``streaming-asr-lb``.
        stack: the stack it belongs to; None for programs every stack needs.
        model: the model it serves; None for programs that are no ASR server.
        supervisor_name: ``group:name`` for supervisord.
        stage: processes of one stage start together, each stage when the one before it is ready.
        start_budget_s: it must be ready within this time.
        port_variable: the setting that moves its port.
        tls_port: its second port, AAI_TLS_PORT; None for none.
        metrics_port: its port for Prometheus, AAI_METRICS_PORT; None for none.
    """

    name: str
    program: str
    stack: Stack | None
    model: Model | None
    supervisor_name: str
    stage: int
    start_budget_s: int
    host: str
    port: int
    port_variable: str
    admin_socket: Path
    log_file: Path
    tls_port: int | None = None
    metrics_port: int | None = None

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Every port it listens on."""
        places = (
            (self.host, self.port, self.port_variable),
            (self.host, self.tls_port, "AAI_TLS_PORT"),
            (LOOPBACK, self.metrics_port, "AAI_METRICS_PORT"),
        )
        return tuple(
            Listener(self.program, self.name, host, port, variable)
            for host, port, variable in places
            if port is not None
        )


def site_from_settings(settings: HostSettings, bin_dir: Path) -> Site:
    """Return the site settings describe.

    Args:
        settings: any program's settings; only the shared ones are read.
        bin_dir: directory of the programs unless AAI_BIN_DIR names one.
    """
    return Site(
        home=settings.home,
        bin_dir=settings.bin_dir or bin_dir,
        bind_host=settings.bind_host,
        wss_port=settings.wss_port,
        router_port=settings.router_port,
        proxy_port=settings.proxy_port,
        asr_ports={server.program: settings.asr_port(server.program) for server in ASR_SERVERS},
        gateway_workers=settings.gateway_workers,
        drain_limit_s=settings.drain_limit_s,
        tls_port=settings.tls_port if settings.tls_cert_file or settings.tls_key_file else None,
        metrics_port=settings.metrics_port or None,
        auth_mode=settings.auth_mode,
    )


def plan_processes(site: Site) -> tuple[ProcessPlan, ...]:
    """Return every process of every stack, in start order."""

    def one(
        program: str, stage: int, port: int, variable: str, *, budget_s: int = 30, host: str = LOOPBACK,
        stack: Stack | None = None, model: Model | None = None, number: int | None = None, tls_port: int | None = None,
        metrics_port: int | None = None,
    ) -> ProcessPlan:  # fmt: skip
        name = program if number is None else f"{program}-{number:02d}"
        return ProcessPlan(
            name=name,
            program=program,
            stack=stack,
            model=model,
            supervisor_name=f"{stack or program}:{name}",
            stage=stage,
            start_budget_s=budget_s,
            host=host,
            port=port,
            port_variable=variable,
            admin_socket=site.run_dir / f"{program}-{number or 0:02d}.sock",
            log_file=site.log_dir / f"{name}.log",
            tls_port=tls_port,
            metrics_port=metrics_port,
        )

    servers = [
        one(
            server.program, 1, site.asr_ports[server.program], server.port_variable,
            budget_s=300 if server.stack is Stack.U3PRO else 120, stack=server.stack, model=server.model,
        )
        for server in ASR_SERVERS
    ]  # fmt: skip
    workers = [
        one(
            GATEWAY, 3, site.wss_port, "AAI_WSS_PORT",
            host=site.bind_host, number=number, tls_port=site.tls_port, metrics_port=site.metrics_port,
        )
        for number in range(site.gateway_workers)
    ]  # fmt: skip
    return (
        one(LICENSE_PROXY, 0, site.proxy_port, "AAI_PROXY_PORT"),
        *servers,
        one(ROUTER, 2, site.router_port, "AAI_ROUTER_PORT"),
        *workers,
    )


def processes_of(site: Site, stack: Stack) -> tuple[ProcessPlan, ...]:
    """Return the processes of one running stack, in start order."""
    return tuple(process for process in plan_processes(site) if process.stack in (None, stack))


def stages_of(processes: Iterable[ProcessPlan]) -> tuple[tuple[ProcessPlan, ...], ...]:
    """Return processes grouped by stage, first stage first."""
    stages: dict[int, list[ProcessPlan]] = {}
    for process in processes:
        stages.setdefault(process.stage, []).append(process)
    return tuple(tuple(stages[stage]) for stage in sorted(stages))


def select_processes(site: Site, names: Iterable[str]) -> tuple[ProcessPlan, ...]:
    """Return the processes users mean by process names, program names or supervisord's ``group:name``.

    Raises:
        SuperviseError: a name no process has; the text lists the accepted ones.
    """
    plans = plan_processes(site)
    chosen: list[ProcessPlan] = []
    for name in names:
        found = [plan for plan in plans if name in (plan.name, plan.program, plan.supervisor_name)]
        if not found:
            accepted = ", ".join(dict.fromkeys(word for plan in plans for word in (plan.program, plan.name)))
            raise SuperviseError(f"no service is named {name}", f"one of: {accepted}")
        chosen += [plan for plan in found if plan not in chosen]
    return tuple(chosen)


def check_ports_differ(site: Site, stack: Stack) -> None:
    """Refuse settings that give two programs of a stack one port; gateway workers share theirs on purpose.

    Raises:
        ConfigError: naming both settings.
    """
    owners: dict[int, Listener] = {}
    for listener in (one for process in processes_of(site, stack) for one in process.listeners):
        other = owners.setdefault(listener.port, listener)
        if other.port_variable != listener.port_variable:
            raise ConfigError(
                f"{other.port_variable} and {listener.port_variable} are both {listener.port}; give each its own port"
            )
