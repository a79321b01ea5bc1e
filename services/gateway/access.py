"""Who may come in: credentials against the keys file, and tokens."""

from __future__ import annotations

import http
from pathlib import Path
from typing import Any

from runtime.api_keys import ApiKey, read_api_keys
from runtime.catalog import GATEWAY
from runtime.clock import Clock
from runtime.errors import ConfigError, Unauthorized
from runtime.file_state import FileState, state_of_file
from runtime.logs import get_logger
from runtime.private_files import ensure_secret
from runtime.settings import GatewaySettings
from runtime.tokens import sign
from services.gateway.auth import AuthMode, Credentials, Principal, Rules, authenticate, fetching_key
from services.gateway.parameters import token_of
from services.gateway.token_request import TokenRequestRefused, parse_token_request

UNAUTHORIZED_PREFIX = "Unauthorized Connection: "


class KeysFile:
    """The keys as the file has them now; a file that turned bad leaves the last good ones."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigError: it is there and cannot be used.
        """
        self._path = path
        self._log = get_logger(GATEWAY)
        self._seen = state_of_file(path)
        self._keys = read_api_keys(path)

    def current(self) -> tuple[ApiKey, ...]:
        """Return the keys, reading a changed file again."""
        state = state_of_file(self._path)
        if state != self._seen:
            self._seen = state
            self._read(state)
        return self._keys

    def _read(self, state: FileState | None) -> None:
        if state is None:
            self._log.error("keys file is gone: the last keys stay valid", file=str(self._path))
            return
        try:
            self._keys = read_api_keys(self._path)
        except ConfigError as error:
            self._log.error("keys file not usable: the last keys stay valid", cause=str(error))
            return
        self._log.info("keys read", keys=len(self._keys))


class Access:
    """Who may open sessions and fetch tokens; one per worker."""

    def __init__(self, settings: GatewaySettings, clock: Clock) -> None:
        """Read keys and the signing secret, making the secret on first use.

        Raises:
            ConfigError: a file is there and cannot be used.
            EnvironmentFault: the secret cannot be written.
        """
        self.mode = AuthMode(settings.auth_mode)
        self._clock = clock
        self._keys = KeysFile(settings.api_keys_file)
        self._secret = ensure_secret(settings.token_key_file, "token key").encode()
        if self.mode is not AuthMode.COMPAT and not self._keys.current():
            get_logger(GATEWAY).warning(
                "no client key yet: every client is refused until aai-console keys add",
                file=str(settings.api_keys_file),
            )

    def authenticate(self, authorization: str, query: str) -> Principal:
        """Return who asks for a session.

        Args:
            authorization: value of the header, "" when there is none.
            query: of the request's address.

        Raises:
            Unauthorized: nobody that is known.
        """
        return authenticate(Credentials.of(authorization, token_of(query)), self._rules(), self._clock.wall_s())

    def answer_token_request(self, authorization: str, query: str) -> tuple[http.HTTPStatus, dict[str, Any]]:
        """Return status and body for ``GET /v3/token``; a token in the query fetches nothing."""
        try:
            key = fetching_key(Credentials.of(authorization, ""), self._rules())
            request = parse_token_request(query)
        except Unauthorized as error:
            return http.HTTPStatus.UNAUTHORIZED, {"error": str(error).removeprefix(UNAUTHORIZED_PREFIX)}
        except TokenRequestRefused as refused:
            return http.HTTPStatus.UNPROCESSABLE_ENTITY, {"detail": refused.detail}
        token = sign(request.grant(key, self._clock.wall_s()), self._secret)
        return http.HTTPStatus.OK, {"token": token, "expires_in_seconds": request.expires_in_s}

    def _rules(self) -> Rules:
        return Rules(self.mode, self._keys.current(), self._secret)
