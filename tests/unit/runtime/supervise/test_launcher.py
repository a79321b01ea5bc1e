"""supervisord's configuration and environment."""

from __future__ import annotations

from pathlib import Path

from runtime.settings import checkout_root
from runtime.supervise.launcher import conf_for, is_gone, render_conf, shipped_conf, supervisor_environment
from runtime.supervise.leftovers import is_ours
from tests.unit.runtime.supervise.builders import site


def test_rendered_configuration_points_into_its_own_directory() -> None:
    """The copy for another home refers to the directory it lies in, and to nothing of the checkout."""
    text = render_conf(shipped_conf().read_text())

    assert "file=%(here)s/run/supervisor.sock" in text
    assert "/../var" not in text


def test_shipped_configuration_uses_here_in_control_sections_only() -> None:
    """Supervisorctl without variables reads no other expansion, and programs get none that depends on the file."""
    section = ""
    for line in shipped_conf().read_text().splitlines():
        if line.startswith(";"):
            continue
        section = line if line.startswith("[") else section
        is_program = section.startswith("[program:")
        assert not ("%(here)s" in line and is_program), line
        assert not ("%(ENV_" in line and not is_program), line


def test_checkouts_own_home_uses_the_shipped_file() -> None:
    """In a checkout `supervisorctl -c etc/supervisord.conf` is the running stack's file."""
    root = checkout_root()
    assert root is not None
    assert conf_for(root / "var") == root / "etc" / "supervisord.conf"
    assert conf_for(Path("/srv/aai")) == Path("/srv/aai/supervisord.conf")


def test_environment_exports_what_the_stack_agrees_on() -> None:
    """Ports, workers and stop times are decided once for all programs."""
    found = supervisor_environment(site(), {"PATH": "/bin", "AAI_WSS_PORT": "1"})

    assert found["PATH"] == "/bin"
    assert found["AAI_WSS_PORT"] == "8080"
    assert found["AAI_ASR_MULTILANG_PORT"] == "50052"
    assert (found["AAI_GATEWAY_WORKERS"], found["AAI_DRAIN_LIMIT_S"]) == ("2", "30")
    assert found["AAI_GATEWAY_STOP_WAIT_S"] == "50"


def test_environment_loses_ports_meant_for_one_program() -> None:
    """SERVER_PORT in the shell would give every ASR server the same port; other vendor names pass."""
    found = supervisor_environment(site(), {"SERVER_PORT": "1", "HTTP_PORT": "2", "MAX_OPEN_STREAMS": "3"})

    assert "SERVER_PORT" not in found
    assert "HTTP_PORT" not in found
    assert found["MAX_OPEN_STREAMS"] == "3"


def test_command_lines_of_our_programs_are_recognised() -> None:
    """Directly or through an interpreter, and nothing that merely mentions them."""
    assert is_ours(["/opt/venv/bin/python3", "/opt/venv/bin/streaming-api", "--worker", "00"])
    assert is_ours(["/opt/venv/bin/streaming-asr", "--program", "streaming-asr-english"])
    assert not is_ours(["vi", "streaming-api"])
    assert not is_ours(["python3", "-c", "streaming-api"])
    assert not is_ours([])


def test_process_that_never_was_is_gone() -> None:
    """Beyond the kernel's largest process id there is nobody."""
    assert is_gone(4_194_305)
