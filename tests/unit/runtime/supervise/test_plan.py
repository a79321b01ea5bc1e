"""Names, ports and order of the processes."""

from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path

import pytest

from runtime.catalog import Stack
from runtime.errors import ConfigError
from runtime.settings import ConsoleSettings
from runtime.supervise.errors import SuperviseError
from runtime.supervise.launcher import shipped_conf
from runtime.supervise.plan import (
    check_ports_differ,
    plan_processes,
    processes_of,
    select_processes,
    site_from_settings,
    stages_of,
)
from tests.unit.runtime.supervise.builders import site


def test_stages_of_the_universal_stack_follow_the_gates() -> None:
    """Proxy, then both servers, then the router, then the workers."""
    stages = stages_of(processes_of(site(), Stack.UNIVERSAL))

    assert [[process.name for process in stage] for stage in stages] == [
        ["license-and-usage-proxy"],
        ["streaming-asr-english", "streaming-asr-multilang"],
        ["streaming-asr-lb"],
        ["streaming-api-00", "streaming-api-01"],
    ]


def test_processes_of_a_stack_leave_out_the_other_stacks_servers() -> None:
    """Only one stack's servers are planned; the shared programs are in both."""
    names = {process.name for process in processes_of(site(), Stack.U3PRO)}

    assert "streaming-asr-u3pro" in names
    assert "streaming-asr-english" not in names
    assert "streaming-asr-lb" in names


def test_supervisor_names_are_those_of_the_configuration() -> None:
    """Every planned process exists in the shipped configuration under the same group and name."""
    conf = RawConfigParser()
    conf.read(shipped_conf())
    groups = {
        program: section.removeprefix("group:")
        for section in conf.sections()
        if section.startswith("group:")
        for program in conf[section]["programs"].split(",")
    }
    programs = {section.removeprefix("program:") for section in conf.sections() if section.startswith("program:")}

    assert {process.program for process in plan_processes(site())} == programs
    for process in plan_processes(site()):
        assert process.supervisor_name == f"{groups.get(process.program, process.program)}:{process.name}"


def test_paths_of_a_worker_carry_its_number() -> None:
    """Admin socket and log of each worker are its own."""
    worker = select_processes(site(), ["streaming-api-01"])[0]

    assert worker.admin_socket == Path("/srv/aai/run/streaming-api-01.sock")
    assert worker.log_file == Path("/srv/aai/logs/streaming-api-01.log")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("streaming-api", ["streaming-api-00", "streaming-api-01"]),
        ("streaming-api-01", ["streaming-api-01"]),
        ("universal:streaming-asr-english", ["streaming-asr-english"]),
    ],
)
def test_name_selects_its_processes(name: str, found: list[str]) -> None:
    """A program name means all its processes, a process name one; supervisord's form works, too."""
    assert [process.name for process in select_processes(site(), [name])] == found


def test_names_that_overlap_select_each_process_once() -> None:
    """Naming a program and one of its processes does not act twice."""
    chosen = select_processes(site(), ["streaming-api-01", "streaming-api"])

    assert [process.name for process in chosen] == ["streaming-api-01", "streaming-api-00"]


def test_unknown_name_is_refused_with_the_accepted_ones() -> None:
    """The answer lists what could have been meant."""
    with pytest.raises(SuperviseError, match="streaming-asr-english"):
        select_processes(site(), ["asr"])


def test_two_settings_with_one_port_are_both_named() -> None:
    """The operator learns which two variables collide."""
    with pytest.raises(ConfigError, match=r"AAI_ROUTER_PORT and AAI_WSS_PORT are both 8080"):
        check_ports_differ(site(router_port=8080), Stack.UNIVERSAL)


def test_default_ports_are_fine_for_each_stack() -> None:
    """English and u3pro share a port, and never run together."""
    for stack in Stack:
        check_ports_differ(site(), stack)


def test_site_follows_the_settings(tmp_path: Path) -> None:
    """Ports, workers and drain limit come from the settings; the stop time is a little longer than the drain."""
    settings = ConsoleSettings.load(
        {"AAI_HOME": str(tmp_path), "AAI_WSS_PORT": "9000", "AAI_GATEWAY_WORKERS": "3", "AAI_DRAIN_LIMIT_S": "30"}
    )

    found = site_from_settings(settings, Path("/opt/bin"))

    assert (found.wss_port, found.gateway_workers, found.bin_dir) == (9000, 3, Path("/opt/bin"))
    assert found.gateway_stop_wait_s == 50


@pytest.mark.parametrize(
    ("bind_host", "url"),
    [
        ("127.0.0.1", "ws://127.0.0.1:8080"),
        ("0.0.0.0", "ws://127.0.0.1:8080"),
        ("::", "ws://[::1]:8080"),
        ("10.1.2.3", "ws://10.1.2.3:8080"),
    ],
)
def test_gateway_url_is_one_this_machine_reaches(bind_host: str, url: str) -> None:
    """An address that means all addresses is reached over loopback."""
    assert site(bind_host=bind_host).gateway_url == url


def test_tls_port_belongs_to_the_gateway_workers() -> None:
    """It is checked and shown like the plain one; without certificate files there is none."""
    plans = select_processes(site(tls_port=8443), ["streaming-api"])
    assert [(one.port, one.port_variable) for one in plans[0].listeners] == [
        (8080, "AAI_WSS_PORT"), (8443, "AAI_TLS_PORT"),
    ]  # fmt: skip
    assert site(tls_port=8443).gateway_tls_url == "wss://127.0.0.1:8443"
    assert site().gateway_tls_url is None
    assert [len(one.listeners) for one in plan_processes(site())] == [1] * len(plan_processes(site()))


def test_tls_port_of_another_program_is_refused() -> None:
    """Both settings are named, also when it is the gateway's own plain port."""
    for port, variable in ((8081, "AAI_ROUTER_PORT"), (8080, "AAI_WSS_PORT")):
        with pytest.raises(ConfigError, match=rf"(?=.*AAI_TLS_PORT)(?=.*{variable}).*{port}"):
            check_ports_differ(site(tls_port=port), Stack.UNIVERSAL)


@pytest.mark.parametrize(("given", "port"), [({}, None), ({"AAI_TLS_CERT_FILE": "/c"}, 8443)])
def test_site_has_a_tls_port_once_a_file_is_set(tmp_path: Path, given: dict[str, str], port: int | None) -> None:
    """A default port alone makes no listener."""
    settings = ConsoleSettings.load({"AAI_HOME": str(tmp_path), **given})
    assert site_from_settings(settings, tmp_path).tls_port == port
