"""The license-and-usage-proxy as a real process: status, loss and return of the license, refusals to start."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protos.license_v1 import moment_us
from runtime.license import BillingMode, ensure_development_license, new_signing_key
from tests.support.licenses import write_license
from tests.support.proxy_process import ProxyProcess, proxy_process, short_home

READY_LINE = "license-and-usage-proxy ready"
KEY = new_signing_key()


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a private AAI_HOME with a short path."""
    with short_home() as directory:
        yield Path(directory)


@pytest.fixture
def port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
    return found


def _now_s() -> int:
    return int(time.time())


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


async def _status_when(proxy: ProxyProcess, state: str) -> dict[str, Any]:
    await proxy.read_until(f"new={state}")
    _, status = await proxy.get("/v1/status")
    found: dict[str, Any] = status
    return found


async def test_proxy_with_development_license_answers_the_documented_schema(home: Path, port: int) -> None:
    """Health, readiness, status, admin health and license details of a first start."""
    ensure_development_license(home, _now_s())
    before_us = time.time_ns() // 1000
    async with proxy_process(home, port) as proxy:
        await proxy.read_until(READY_LINE)
        assert await proxy.get("/health") == (200, {"status": "ok"})
        assert await proxy.get("/ready") == (200, {"status": "ready"})
        code, status = await proxy.get("/v1/status")
        assert (code, status["state"]) == (200, "Connected")
        assert list(status) == ["state", "last_successful_checkin", "trust_expiration"]
        success_us = moment_us(status["last_successful_checkin"])
        assert success_us >= before_us
        assert moment_us(status["trust_expiration"]) == success_us + 345_600_000_000
        code, health = await proxy.ask_admin("/health")
        assert (code, health["ready"], health["port"], health["pid"]) == (200, True, port, proxy.process.pid)
        assert health["facts"]["customer"] == "Development"
        code, details = await proxy.ask_admin("/v1/license")
        assert (code, details["billing_mode"], details["max_concurrent_sessions"]) == (200, "flat", 200)
        code, answer = await proxy.get("/v1/unknown")
        assert (code, answer["error"]["code"]) == (404, "not_found")


async def test_proxy_with_license_swapped_for_garbage_is_trust_based_until_it_is_renewed(home: Path, port: int) -> None:
    """A lost license uses trust, whose end does not move; a renewed one connects again without a restart."""
    path = write_license(home, KEY, _now_s())
    good = path.read_bytes()
    async with proxy_process(home, port) as proxy:
        await proxy.read_until(READY_LINE)
        _replace(path, b"garbage")
        first = await _status_when(proxy, "TrustBased")
        assert await proxy.get("/ready") == (200, {"status": "ready"})
        second = (await proxy.get("/v1/status"))[1]
        assert first == second
        proxy.lines.clear()
        _replace(path, good)
        renewed = await _status_when(proxy, "Connected")
        assert moment_us(renewed["trust_expiration"]) > moment_us(first["trust_expiration"])


async def test_proxy_without_trust_window_fails_and_keeps_answering(home: Path, port: int) -> None:
    """In Failed the program stays up, is healthy but not ready, and recovers with a good license."""
    path = write_license(home, KEY, _now_s(), trust_window_s=0)
    good = path.read_bytes()
    async with proxy_process(home, port) as proxy:
        await proxy.read_until(READY_LINE)
        path.unlink()
        assert (await _status_when(proxy, "Failed"))["state"] == "Failed"
        assert (await proxy.get("/health"))[0] == 200
        code, answer = await proxy.get("/ready")
        assert (code, answer["error"]["code"]) == (503, "license_failed")
        code, health = await proxy.ask_admin("/health")
        assert (code, health["ready"], health["facts"]["state"]) == (503, False, "Failed")
        proxy.lines.clear()
        _replace(path, good)
        assert (await _status_when(proxy, "Connected"))["state"] == "Connected"


async def test_proxy_trust_window_setting_shortens_the_trust_of_the_license(home: Path, port: int) -> None:
    """With a bound of one second, trust runs out a second after the last success."""
    path = write_license(home, KEY, _now_s())
    async with proxy_process(home, port, {"LICENSE_TRUST_WINDOW_MAX_S": "1"}) as proxy:
        await proxy.read_until(READY_LINE)
        path.unlink()
        await proxy.read_until("new=TrustBased")
        await proxy.read_until("new=Failed")


@pytest.mark.parametrize(
    ("case", "cause"),
    [
        ("missing", "No such file"),
        ("garbage", "is not a license"),
        ("expired", "it expired at"),
        ("foreign key", "is not pinned"),
        ("usage without key", "USAGE_TRACKING_API_KEY"),
        ("no public keys", "cannot read the public keys"),
    ],
)
async def test_proxy_with_broken_license_says_why_once_and_exits_78(
    home: Path, port: int, case: str, cause: str
) -> None:
    """One error line with the file, the cause and the fix; nothing stays behind."""
    path = home / "license.jwt"
    match case:
        case "garbage":
            path.write_text("garbage")
        case "expired":
            write_license(home, KEY, _now_s() - 40 * 86_400)
        case "foreign key":
            token = write_license(home, new_signing_key(), _now_s()).read_bytes()
            write_license(home, KEY, _now_s())
            path.write_bytes(token)
        case "usage without key":
            write_license(home, KEY, _now_s(), billing=BillingMode.USAGE)
        case "no public keys":
            write_license(home, KEY, _now_s())
            (home / "license-public-keys.json").unlink()
    async with proxy_process(home, port) as proxy:
        assert await proxy.ended() == 78
        assert len(proxy.lines) == 1
        assert str(path) in proxy.lines[0]
        assert cause in proxy.lines[0]
        assert not list((home / "run").glob("*.sock"))


async def test_proxy_with_usage_license_and_key_serves_without_showing_the_key(home: Path, port: int) -> None:
    """Both billing modes are accepted; the key appears nowhere."""
    write_license(home, KEY, _now_s(), billing=BillingMode.USAGE)
    async with proxy_process(home, port, {"USAGE_TRACKING_API_KEY": "key-of-the-tracker"}) as proxy:
        await proxy.read_until(READY_LINE)
        _, details = await proxy.ask_admin("/v1/license")
        assert details["billing_mode"] == "usage"
        proxy.process.send_signal(signal.SIGTERM)
        assert await proxy.ended() == 0
        assert "key-of-the-tracker" not in "".join(proxy.lines) + str(details)


async def test_proxy_with_taken_port_names_it_and_exits_69(home: Path) -> None:
    """The port and the setting that changes it are named."""
    write_license(home, KEY, _now_s())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with proxy_process(home, port) as proxy:
            assert await proxy.ended() == 69
            assert f"port {port} is taken" in proxy.lines[-1]
            assert "AAI_PROXY_PORT" in proxy.lines[-1]


async def test_proxy_on_termination_exits_0_and_removes_its_socket(home: Path, port: int) -> None:
    """A stop is clean and quick, also while a client holds a connection open."""
    write_license(home, KEY, _now_s())
    async with proxy_process(home, port) as proxy:
        await proxy.read_until(READY_LINE)
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
        proxy.process.send_signal(signal.SIGTERM)
        assert await proxy.ended() == 0
        assert not list((home / "run").glob("*.sock"))
        writer.close()


async def test_proxy_listens_on_the_loopback_address_only(home: Path, port: int) -> None:
    """License facts are not for other machines, whatever address the gateway is bound to."""
    write_license(home, KEY, _now_s())
    async with proxy_process(home, port, {"AAI_BIND_HOST": "0.0.0.0"}) as proxy:
        await proxy.read_until(READY_LINE)
        with socket.socket() as other:
            assert other.connect_ex(("127.0.0.2", port)) != 0
