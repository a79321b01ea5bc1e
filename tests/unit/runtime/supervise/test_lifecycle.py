"""What an operation decides before it acts."""

from __future__ import annotations

from runtime.supervise.lifecycle import changed_settings
from tests.unit.runtime.supervise.builders import PORTS, site


def test_changed_settings_are_those_a_new_start_would_change() -> None:
    """Only what differs is named, with the value it would get."""
    ports = {**PORTS, "streaming-asr-u3pro": 7}
    configured = site(wss_port=9000, drain_limit_s=1, asr_ports=ports)

    assert changed_settings(site(), configured) == ["AAI_WSS_PORT=9000", "AAI_ASR_U3PRO_PORT=7"]
    assert changed_settings(site(), site()) == []
