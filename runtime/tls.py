"""TLS of a listener: the two files settings name, and a context that follows their renewal."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import ConfigError
from runtime.file_state import FileState, state_of_file
from runtime.settings import HostSettings


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM certificate chain and its private key.

    Attributes:
        prefix: of the two settings that name them.
    """

    cert: Path
    key: Path
    prefix: str = "AAI_TLS"

    @property
    def cert_variable(self) -> str:
        """The setting of the certificate."""
        return f"{self.prefix}_CERT_FILE"

    @property
    def key_variable(self) -> str:
        """The setting of the key."""
        return f"{self.prefix}_KEY_FILE"


def tls_files(settings: HostSettings) -> TlsFiles | None:
    """Return the files of the gateway's TLS listener; None when it has none.

    Raises:
        ConfigError: only one of the two is set.
    """
    return pair_of(settings.tls_cert_file, settings.tls_key_file, "AAI_TLS")


def pair_of(cert: Path | None, key: Path | None, prefix: str) -> TlsFiles | None:
    """Return two files as a pair; None when neither is set.

    Raises:
        ConfigError: only one of the two is set.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        there, missing = ("KEY", "CERT") if cert is None else ("CERT", "KEY")
        raise ConfigError(
            f"{prefix}_{there}_FILE is set and {prefix}_{missing}_FILE is not; "
            "TLS needs both, plain connections neither"
        )
    return TlsFiles(cert, key, prefix)


def load_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a server context, TLS 1.2 or newer.

    Raises:
        ConfigError: a file cannot be read or holds no PEM, or the two do not belong together.
    """
    for name, path in ((files.cert_variable, files.cert), (files.key_variable, files.key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{name}={path} cannot be read: {error.strerror or error}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without an answer ready, an encrypted key would ask on the terminal.
        context.load_cert_chain(files.cert, files.key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(_cause(files, error)) from error
    return context


class RenewableTls:
    """A server context whose handshakes use the files as they are now.

    Attributes:
        context: to listen with.
    """

    def __init__(self, files: TlsFiles, report: Callable[[str], None]) -> None:
        """Load the files.

        Args:
            files: certificate chain and key.
            report: told once why renewed files cannot be used; the former ones stay in use.

        Raises:
            ConfigError: they cannot be used.
        """
        self._files = files
        self._report = report
        self._seen = self._states()
        self._current = load_context(files)
        self.context = load_context(files)
        # Called in every handshake, with and without a server name.
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        states = self._states()
        if states != self._seen:
            self._seen = states
            try:
                self._current = load_context(self._files)
            except ConfigError as error:
                self._report(str(error))
        connection.context = self._current

    def _states(self) -> tuple[FileState | None, FileState | None]:
        return state_of_file(self._files.cert), state_of_file(self._files.key)


def _cause(files: TlsFiles, error: Exception) -> str:
    reason = getattr(error, "reason", None) or str(error)
    if reason == "KEY_VALUES_MISMATCH":
        return f"{files.key_variable}={files.key} is not the key of {files.cert_variable}={files.cert}"
    return (
        f"{files.cert_variable}={files.cert} and {files.key_variable}={files.key} cannot be used: expected a PEM "
        f"certificate chain and its PEM key without a passphrase ({reason})"
    )
