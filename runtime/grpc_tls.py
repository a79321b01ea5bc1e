"""TLS of the gRPC connections between gateway, router and ASR servers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc

from runtime.errors import ConfigError
from runtime.settings import HostSettings
from runtime.tls import TlsFiles, load_context, pair_of


def grpc_tls_files(settings: HostSettings) -> TlsFiles | None:
    """Return the files gRPC servers of this host listen with; None for plain connections.

    Raises:
        ConfigError: only one of the two is set.
    """
    return pair_of(settings.grpc_tls_cert_file, settings.grpc_tls_key_file, "AAI_GRPC_TLS")


def server_credentials(settings: HostSettings) -> grpc.ServerCredentials | None:
    """Return what a server of this host listens with; None for plain connections.

    Raises:
        ConfigError: the files cannot be used.
    """
    files = grpc_tls_files(settings)
    if files is None:
        return None
    load_context(files)  # says what is wrong with a pair; gRPC only fails to listen
    return grpc.ssl_server_credentials([(files.key.read_bytes(), files.cert.read_bytes())])


def client_credentials(settings: HostSettings) -> grpc.ChannelCredentials:
    """Return what a client trusts: the given authority, else this host's certificate, else the system's authorities.

    Raises:
        ConfigError: a file cannot be read.
    """
    path: Path | None = settings.grpc_tls_ca_file or settings.grpc_tls_cert_file
    if path is None:
        return grpc.ssl_channel_credentials()
    try:
        return grpc.ssl_channel_credentials(path.read_bytes())
    except OSError as error:
        variable = "AAI_GRPC_TLS_CA_FILE" if settings.grpc_tls_ca_file else "AAI_GRPC_TLS_CERT_FILE"
        raise ConfigError(f"{variable}={path} cannot be read: {error.strerror or error}") from error


def local_client_credentials(settings: HostSettings) -> grpc.ChannelCredentials | None:
    """Return what a client of this host's servers trusts; None when they listen without TLS.

    Raises:
        ConfigError: the settings or files cannot be used.
    """
    return None if grpc_tls_files(settings) is None else client_credentials(settings)


def open_channel(
    target: str, credentials: grpc.ChannelCredentials | None, options: Sequence[tuple[str, Any]]
) -> grpc.aio.Channel:
    """Return a channel, with TLS when there are credentials; a web proxy of the environment is never used."""
    options = (*options, ("grpc.enable_http_proxy", 0))  # gRPC would ask it even for 127.0.0.1
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


def add_port(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    """Have a server listen, with TLS when there are credentials; return the port.

    Raises:
        RuntimeError: it cannot listen there.
    """
    if credentials is None:
        return server.add_insecure_port(address)
    return server.add_secure_port(address, credentials)
