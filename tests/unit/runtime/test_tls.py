"""The TLS files: what they must be, what a self-signed certificate says, how renewal is taken up."""

from __future__ import annotations

import ssl
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runtime.errors import ConfigError
from runtime.grpc_tls import client_credentials, server_credentials
from runtime.self_signed import make_self_signed
from runtime.settings import HostSettings
from runtime.tls import RenewableTls, TlsFiles, load_context, tls_files

NOW_S = 1_800_000_000


def write_pair(directory: Path, name: str = "localhost") -> TlsFiles:
    """Write a new certificate and its key."""
    files = TlsFiles(directory / "cert.pem", directory / "key.pem")
    cert, key = make_self_signed((name,), NOW_S)
    files.cert.write_bytes(cert)
    files.key.write_bytes(key)
    return files


def server_certificate(server: ssl.SSLContext) -> str:
    """Return the common name a client sees, after a handshake in memory."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for end in (ours, theirs):
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                continue
    certificate = x509.load_der_x509_certificate(ours.getpeercert(binary_form=True) or b"")
    return certificate.subject.rfc4514_string().removeprefix("CN=")


def test_no_file_means_no_tls(tmp_path: Path) -> None:
    """Nothing set, nothing listens."""
    assert tls_files(HostSettings.load({"AAI_HOME": str(tmp_path)})) is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [("AAI_TLS_CERT_FILE", "AAI_TLS_KEY_FILE"), ("AAI_TLS_KEY_FILE", "AAI_TLS_CERT_FILE")],
)
def test_one_file_without_the_other_is_refused(tmp_path: Path, given: str, missing: str) -> None:
    """Half a setting is a mistake, not plain text."""
    with pytest.raises(ConfigError, match=f"{given} is set and {missing} is not"):
        tls_files(HostSettings.load({"AAI_HOME": str(tmp_path), given: "/x"}))


def test_grpc_pair_is_named_by_its_own_settings(tmp_path: Path) -> None:
    """The text of a bad pair names the settings it came from."""
    settings = HostSettings.load({"AAI_HOME": str(tmp_path), "AAI_GRPC_TLS_KEY_FILE": "/x"})
    with pytest.raises(ConfigError, match="AAI_GRPC_TLS_KEY_FILE is set and AAI_GRPC_TLS_CERT_FILE is not"):
        server_credentials(settings)
    files = write_pair(tmp_path)
    files.key.unlink()
    both = {"AAI_GRPC_TLS_CERT_FILE": str(files.cert), "AAI_GRPC_TLS_KEY_FILE": str(files.key)}
    with pytest.raises(ConfigError, match=r"AAI_GRPC_TLS_KEY_FILE=.*cannot be read"):
        server_credentials(HostSettings.load({"AAI_HOME": str(tmp_path), **both}))


def test_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A client that trusts nothing would fail much later."""
    settings = HostSettings.load({"AAI_HOME": str(tmp_path), "AAI_GRPC_TLS_CA_FILE": "/nowhere"})
    with pytest.raises(ConfigError, match="AAI_GRPC_TLS_CA_FILE=/nowhere cannot be read"):
        client_credentials(settings)


def test_pair_gives_a_context_of_tls_1_2_or_newer(tmp_path: Path) -> None:
    """Older versions are not spoken."""
    assert load_context(write_pair(tmp_path)).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("name", ["AAI_TLS_CERT_FILE", "AAI_TLS_KEY_FILE"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """The setting and the cause are in the text."""
    files = write_pair(tmp_path)
    (files.cert if name == "AAI_TLS_CERT_FILE" else files.key).unlink()
    with pytest.raises(ConfigError, match=f"{name}=.*cannot be read: No such file") as caught:
        load_context(files)
    assert caught.value.exit_code == 78


def test_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    """A pair that does not fit is told apart from a broken file."""
    files = write_pair(tmp_path)
    files.key.write_bytes(make_self_signed(("localhost",), NOW_S)[1])
    with pytest.raises(ConfigError, match="is not the key of"):
        load_context(files)


@pytest.mark.parametrize("content", [b"", b"no PEM"])
def test_file_without_pem_is_refused(tmp_path: Path, content: bytes) -> None:
    """Any content gives a text, no traceback."""
    files = write_pair(tmp_path)
    files.cert.write_bytes(content)
    with pytest.raises(ConfigError, match="expected a PEM certificate chain"):
        load_context(files)


def test_encrypted_key_is_refused_without_asking(tmp_path: Path) -> None:
    """Nobody is at the terminal of a service."""
    files = write_pair(tmp_path)
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ConfigError, match="without a passphrase"):
        load_context(files)


def test_renewed_pair_is_used_by_the_next_handshake(tmp_path: Path) -> None:
    """Without a restart; while the pair does not fit, the former one is used and the cause told once."""
    files, told = write_pair(tmp_path, "old.example"), list[str]()
    tls = RenewableTls(files, told.append)
    assert server_certificate(tls.context) == "old.example"
    cert, key = make_self_signed(("new.example",), NOW_S)
    files.cert.write_bytes(cert)
    assert [server_certificate(tls.context) for _ in range(2)] == ["old.example"] * 2
    assert len(told) == 1
    assert "is not the key of" in told[0]
    files.key.write_bytes(key)
    assert server_certificate(tls.context) == "new.example"
    assert len(told) == 1


def test_self_signed_certificate_names_its_hosts_and_is_no_authority(tmp_path: Path) -> None:
    """Names and addresses are told apart, it lives 397 days and can sign nothing else."""
    cert, _ = make_self_signed(("localhost", "127.0.0.1", "::1", "bücher.example"), NOW_S)
    found = x509.load_pem_x509_certificate(cert)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "xn--bcher-kva.example"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    assert found.not_valid_after_utc - found.not_valid_before_utc == timedelta(days=397)
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize("name", ["", "a..b", "a b", "https://a", "-a", "x" * 64 + ".example"])
def test_name_that_is_no_host_is_refused(name: str) -> None:
    """A certificate for it would help nobody."""
    with pytest.raises(ConfigError, match="no host name"):
        make_self_signed(("localhost", name), NOW_S)
