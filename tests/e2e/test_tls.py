"""The TLS listener of the real gateway: beside the plain one, renewed while it runs, refused when it cannot work."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc
from websockets.asyncio.client import connect

from tests.support.private_stack import PrivateStack, private_environment, private_stack
from tests.support.streaming import AUTHORIZED, sample_pcm, sample_text, transcribe, words_wrong


@pytest.fixture(scope="module")
def certified_home(tmp_path_factory: pytest.TempPathFactory) -> PrivateStack:
    """Give a home with a self-signed certificate and nothing running."""
    home = tmp_path_factory.mktemp("tls")
    stack = PrivateStack(home, private_environment(home))
    made = stack.console("tls", "self-signed")
    assert made.returncode == 0, made.stderr
    return stack


@pytest.fixture(scope="module")
def tls_stack(certified_home: PrivateStack) -> Iterator[PrivateStack]:
    """Give a running stack with the certificate of that home."""
    keys = certified_home.home / "keys"
    variables = {
        "AAI_TLS_CERT_FILE": str(keys / "tls-cert.pem"),
        "AAI_TLS_KEY_FILE": str(keys / "tls-key.pem"),
        "AAI_GATEWAY_WORKERS": "1",
    }
    with private_stack(**variables) as stack:
        yield stack


def tls_endpoint(stack: PrivateStack, host: str = "localhost") -> str:
    """Return the WebSocket URL of the TLS listener."""
    return f"wss://{host}:{stack.environment['AAI_TLS_PORT']}"


def trusting(stack: PrivateStack) -> ssl.SSLContext:
    """Return a client that trusts the stack's certificate as it is now, strictly checked."""
    context = ssl.create_default_context(cafile=stack.environment["AAI_TLS_CERT_FILE"])
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    return context


async def first_message(stack: PrivateStack, context: ssl.SSLContext, host: str = "localhost") -> str:
    """Open a session over TLS and return the type of its first message."""
    async with connect(tls_endpoint(stack, host), ssl=context, additional_headers=AUTHORIZED, proxy=None) as socket:
        return str(json.loads(await socket.recv())["type"])


async def test_session_over_tls_is_transcribed(tls_stack: PrivateStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is told SSL_CERT_FILE, as the console prints it, needs nothing else."""
    monkeypatch.setenv("SSL_CERT_FILE", tls_stack.environment["AAI_TLS_CERT_FILE"])
    heard = await transcribe(tls_endpoint(tls_stack), sample_pcm("order.wav"), speed=4)
    assert heard.close_code == 1000
    assert words_wrong(sample_text("order.wav"), heard.text) <= 0.2


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_certificate_is_good_for_names_and_addresses(
    tls_stack: PrivateStack, host: str, version: ssl.TLSVersion
) -> None:
    """In both versions of the protocol that are spoken."""
    context = trusting(tls_stack)
    context.minimum_version = context.maximum_version = version
    assert await first_message(tls_stack, context, host) == "Begin"


# The client is the old one here, on purpose.
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_1_1_is_refused(tls_stack: PrivateStack) -> None:
    """Old versions get no session."""
    context = trusting(tls_stack)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await first_message(tls_stack, context)


async def test_plain_listener_stays_and_status_shows_both(tls_stack: PrivateStack) -> None:
    """TLS comes beside the plain port."""
    async with connect(tls_stack.endpoint, additional_headers=AUTHORIZED, proxy=None) as socket:
        assert json.loads(await socket.recv())["type"] == "Begin"
    status = json.loads(tls_stack.console("status", "--json").stdout)["data"]
    assert status["gateway_tls_url"] == tls_endpoint(tls_stack, "127.0.0.1")
    assert status["gateway_tls_url"] in tls_stack.console("status").stdout


def serial_number(stack: PrivateStack) -> int:
    """Return which certificate the file holds."""
    pem = Path(stack.environment["AAI_TLS_CERT_FILE"]).read_bytes()
    return x509.load_pem_x509_certificate(pem).serial_number


async def test_renewed_certificate_is_served_without_a_restart(
    tls_stack: PrivateStack, certified_home: PrivateStack
) -> None:
    """The next handshake shows the new one, and the gateway is the same process."""
    before = serial_number(tls_stack)
    old = trusting(tls_stack)
    assert certified_home.console("tls", "self-signed", "--force").returncode == 0
    assert await first_message(tls_stack, trusting(tls_stack)) == "Begin"
    with pytest.raises(ssl.SSLCertVerificationError):
        await first_message(tls_stack, old)
    assert serial_number(tls_stack) != before


@pytest.mark.parametrize(
    ("cert", "key", "text"),
    [
        ("tls-cert.pem", None, "AAI_TLS_CERT_FILE is set and AAI_TLS_KEY_FILE is not"),
        ("tls-cert.pem", "nothing.pem", "cannot be read: No such file"),
        ("tls-cert.pem", "tls-cert.pem", "expected a PEM certificate chain"),
    ],
)
def test_start_with_unusable_files_is_refused(
    real_stack: PrivateStack, certified_home: PrivateStack, cert: str, key: str | None, text: str
) -> None:
    """`aai-console up` and the program itself end with 78 and one line; nothing is left running."""
    keys = certified_home.home / "keys"
    variables = {"AAI_TLS_CERT_FILE": str(keys / cert)} | ({"AAI_TLS_KEY_FILE": str(keys / key)} if key else {})
    stack = PrivateStack(real_stack.home, {**real_stack.environment, **variables})
    refused = stack.console("up")
    assert refused.returncode == 78
    assert text in refused.stderr
    checked = stack.console("config", "check")
    assert checked.returncode == 78
    assert text in checked.stderr
    assert stack.console("status").returncode == 4


async def test_both_grpc_hops_speak_tls_only(certified_home: PrivateStack) -> None:
    """Gateway to router and router to ASR server are encrypted: a session works, a plain client gets nothing."""
    keys = certified_home.home / "keys"
    variables = {
        "AAI_GRPC_TLS_CERT_FILE": str(keys / "tls-cert.pem"),
        "AAI_GRPC_TLS_KEY_FILE": str(keys / "tls-key.pem"),
        "AAI_GATEWAY_WORKERS": "1",
    }
    with private_stack(**variables) as stack:
        heard = await transcribe(stack.endpoint, sample_pcm("order.wav"), speed=4)
        assert words_wrong(sample_text("order.wav"), heard.text) <= 0.2
        trusted = grpc.ssl_channel_credentials((keys / "tls-cert.pem").read_bytes())
        for name in ("AAI_ROUTER_PORT", "AAI_ASR_ENGLISH_PORT"):
            target = f"127.0.0.1:{stack.environment[name]}"
            async with grpc.aio.insecure_channel(target) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            async with grpc.aio.secure_channel(target, trusted) as channel:
                answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
