"""The WebSocket server: upgrades, health, admin routes, license watch, drain."""

from __future__ import annotations

import asyncio
import errno
import http
import json
import os
import ssl
import uuid
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
import grpc
import msgspec
import structlog
from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from protos.session_v3 import Error, Text, close_reason
from runtime.catalog import GATEWAY, Model
from runtime.clock import Clock
from runtime.deployment import Deployment, read_deployment
from runtime.errors import AppError, CapacityError, ClientError, EnvironmentFault, LicenseError, UpstreamError
from runtime.grpc_tls import client_credentials, grpc_tls_files
from runtime.health import AdminServer, Health, json_response
from runtime.logs import get_logger
from runtime.process import Shutdown
from runtime.settings import GatewaySettings
from runtime.tls import RenewableTls, tls_files
from services.gateway.access import Access
from services.gateway.auth import AuthMode
from services.gateway.connection import Connection
from services.gateway.guarded_socket import Doorway, GuardedConnection, bound_kernel_buffers
from services.gateway.license_gate import LicenseGate, Verdict
from services.gateway.models import choose_model
from services.gateway.parameters import DEFAULT_API_VERSION, parse_query
from services.gateway.session import Session, SessionIdentity
from services.gateway.session_slots import Slot
from services.gateway.upstream import RecognizerChannel
from services.gateway.waiting_audio import WaitingAudio

STREAM_PATHS = frozenset({"/", "/v3/ws", "/v3/ws/"})
TOKEN_PATHS = frozenset({"/v3/token", "/v3/token/"})
HEALTH_PATHS = frozenset({"/v3/health", "/v3/ws/health"})
# Free text of a client in logs and admin views is cut to this.
LABEL_MAX_CHARACTERS = 200
MAX_MESSAGE_BYTES = 256 * 1024
MAX_QUEUED_MESSAGES = 16
# For TLS, and once more for the request.
UPGRADE_LIMIT_S = 5
CLOSE_LIMIT_S = 5
LICENSE_REQUEST_LIMIT_S = 2
STARTUP_LICENSE_LIMIT_MS = 60_000
# After the drain limit every session gets this long to say its last words.
FAREWELL_LIMIT_S = 6.0
EXIT_LICENSE_FAILED = 70
EXIT_NO_LICENSE_PROXY = 69


class DrainRequest(msgspec.Struct, frozen=True):
    """Body of ``POST /drain`` on the admin socket."""

    models: tuple[Model, ...]
    limit_s: float


@dataclass(eq=False, slots=True)
class OpenSession:
    """One accepted session, for the admin views and for draining.

    Attributes:
        label: of its key; "" when keys are not checked.
        slot: its place among the sessions of its key, given back at its end.
    """

    session: Session
    connection: Connection
    started_ms: int
    user_agent: str
    label: str
    slot: Slot | None


@dataclass(slots=True)
class GatewayState:
    """What one worker knows; owned by the event loop."""

    deployment: Deployment
    sessions: dict[str, OpenSession] = field(default_factory=dict)
    stopping: bool = False


class Gateway:
    """One gateway worker."""

    def __init__(self, settings: GatewaySettings, number: int, clock: Clock) -> None:
        """Prepare a worker.

        Args:
            number: which worker of this host, for its admin socket.

        Raises:
            ConfigError: keys, certificate or another file cannot be used.
            EnvironmentFault: the key of tokens cannot be written.
        """
        self._settings = settings
        self._clock = clock
        self._log = get_logger(GATEWAY)
        self._access = Access(settings, clock)
        files = tls_files(settings)
        self._tls = RenewableTls(files, self._report_certificate) if files else None
        self._channel = RecognizerChannel(settings.asr_target, _channel_credentials(settings))
        self._gate = LicenseGate(settings.license_grace_s * 1000, STARTUP_LICENSE_LIMIT_MS, clock.monotonic_ms())
        self._waiting_audio = WaitingAudio()
        self._doorway = Doorway(
            settings.max_sockets, settings.max_sockets_per_address, settings.max_handshakes_per_address, clock
        )
        self._state = GatewayState(self._read_deployment())
        self._admin = AdminServer(
            settings.admin_socket(GATEWAY, number),
            self._health,
            {
                ("GET", "/sessions"): self._admin_sessions,
                ("POST", "/deployment/reload"): self._admin_reload,
                ("POST", "/drain"): self._admin_drain,
            },
        )

    async def run(self, shutdown: Shutdown) -> int:
        """Serve until shut down or until the license fails.

        Returns:
            the exit code: 0 in order, 70 license failed, 69 no license proxy at start.

        Raises:
            EnvironmentFault: the port is taken.
        """
        await self._admin.start()
        self._channel.connect()
        watch = asyncio.create_task(self._watch_license())
        stop = asyncio.create_task(shutdown.requested.wait())
        servers = await self._listen_all()
        if self._access.mode is AuthMode.COMPAT and self._settings.bind_host not in ("127.0.0.1", "::1", "localhost"):
            self._log.warning(
                "gateway open to other machines: any client that reaches this address may transcribe",
                host=self._settings.bind_host,
            )
        try:
            await asyncio.wait({watch, stop}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                code = watch.result()
                await self._stop_failed(servers)
                return code
            await self._stop_in_order(servers, shutdown)
            return 0
        finally:
            for task in (watch, stop):
                task.cancel()
            await self._admin.stop()
            await self._channel.close()
            self._access.close()

    async def _listen_all(self) -> list[Server]:
        settings = self._settings
        servers: list[Server] = []
        if self._tls is not None:
            servers.append(await self._listen(settings.tls_port, "AAI_TLS_PORT", self._tls.context))
        # Last: a worker whose plain port answers is ready.
        servers.append(await self._listen(settings.wss_port, "AAI_WSS_PORT", None))
        return servers

    async def _listen(self, port: int, variable: str, tls: ssl.SSLContext | None) -> Server:
        settings = self._settings
        try:
            server = await serve(
                self._serve_client,
                settings.bind_host,
                port,
                ssl=tls,
                process_request=self._answer_plain_http,
                create_connection=self._doorway.connection_class,
                compression=None,  # PCM barely shrinks, and each socket would cost 43 KiB more
                max_size=MAX_MESSAGE_BYTES,
                max_queue=MAX_QUEUED_MESSAGES,
                ping_interval=settings.ping_interval_s,
                ping_timeout=settings.pong_limit_s,
                open_timeout=UPGRADE_LIMIT_S,
                close_timeout=CLOSE_LIMIT_S,
                server_header=None,
                reuse_port=True,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise EnvironmentFault(f"port {port} is taken by another program; free it or set {variable}") from error
            raise EnvironmentFault(
                f"cannot listen on {settings.bind_host}:{port}: {error}; check AAI_BIND_HOST"
            ) from error
        bound_kernel_buffers(server)
        self._log.info("gateway listening", host=settings.bind_host, port=port, tls=tls is not None)
        return server

    def _answer_plain_http(self, client: ServerConnection, request: Request) -> Response | None:
        # Not a URL parser: a request target may be anything, and must not raise.
        path, _, query = request.path.partition("?")
        if path in HEALTH_PATHS:  # answered also when there is room for nothing else
            serving = self._takes_sessions()
            body = json.dumps({"status": "ok" if serving else "unavailable"}) + "\n"
            status = http.HTTPStatus.OK if serving else http.HTTPStatus.SERVICE_UNAVAILABLE
            return _response(status, body, "application/json")
        assert isinstance(client, GuardedConnection)  # made by our doorway
        if refusal := client.refusal(request):
            return refusal
        if path in TOKEN_PATHS:
            token_status, answer = self._access.answer_token_request(_header(request, "Authorization"), query)
            return _response(token_status, json.dumps(answer) + "\n", "application/json")
        if path not in STREAM_PATHS:
            return _response(http.HTTPStatus.NOT_FOUND, "not found\n", "text/plain")
        return None

    async def _serve_client(self, client: ServerConnection) -> None:
        session_id = str(uuid.uuid4())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(session_id=session_id)
        try:
            opened = self._open(client, session_id)
        except AppError as error:
            await self._refuse(client, error)
            return
        self._state.sessions[session_id] = opened
        model = opened.session.model
        self._log.info(
            "session accepted",
            model=model.name, backend=model.backend, client=opened.label, user_agent=opened.user_agent,
        )  # fmt: skip
        try:
            await opened.connection.run()
        finally:
            del self._state.sessions[session_id]
            self._access.release_slot(opened.slot)
            failure_cause = opened.session.failure_cause
            (self._log.warning if failure_cause else self._log.info)(
                "session ended",
                state=opened.session.state.value,
                audio_ms=opened.session.received_audio_ms,
                turns=opened.session.finished_turns,
                reconnects=opened.session.reconnects,
                close_code=client.close_code,
                **({"cause": failure_cause} if failure_cause else {}),
            )

    def _open(self, client: ServerConnection, session_id: str) -> OpenSession:
        """Check one upgrade and open its recogniser stream.

        Raises:
            AppError: the session is refused; nothing was opened.
        """
        request = client.request
        assert request is not None  # the handshake is over
        query = request.path.partition("?")[2]
        principal = self._access.authenticate(_header(request, "Authorization"), query)
        parameters = parse_query(query)
        if self._gate.verdict(self._clock.monotonic_ms()) is not Verdict.SERVING:
            raise LicenseError(f"license state {self._gate.proxy_state}")
        model = choose_model(
            parameters.speech_model,
            parameters.language,
            self._state.deployment,
            strict=self._settings.strict_models,
        )
        now_ms = self._clock.monotonic_ms()
        identity = SessionIdentity(
            session_id,
            self._clock.wall_s(),
            _header(request, "AssemblyAI-Version") or DEFAULT_API_VERSION,
            principal.max_session_s,
        )
        session = Session(identity, parameters, model, now_ms)
        connection = Connection(
            client, session, lambda: self._channel.open(model.backend, session_id), self._clock, self._waiting_audio
        )
        # Last, so that nothing can fail between taking the slot and giving it back.
        slot = self._access.take_slot(principal)
        user_agent = _header(request, "User-Agent")[:LABEL_MAX_CHARACTERS]
        return OpenSession(session, connection, now_ms, user_agent, principal.label, slot)

    async def _refuse(self, client: ServerConnection, error: AppError) -> None:
        if isinstance(error, ClientError | CapacityError | UpstreamError):
            code, text = int(error.close_code), str(error)
        else:
            code, text = int(UpstreamError.close_code), str(Text.SERVER_FAILURE)
            self._log.warning("session not possible", cause=str(error))
        self._log.info("session refused", close_code=code, reason=type(error).__name__)
        with suppress(ConnectionClosed):
            await client.send(Error(error_code=code, error=text).encode())
        await client.close(code, close_reason(text))

    def _takes_sessions(self) -> bool:
        serving = self._gate.verdict(self._clock.monotonic_ms()) is Verdict.SERVING
        return serving and not self._state.stopping

    def _report_certificate(self, cause: str) -> None:
        self._log.error("renewed certificate not usable: the former one stays in use", cause=cause)

    def _health(self) -> Health:
        return Health(
            program=GATEWAY,
            pid=os.getpid(),
            ready=self._takes_sessions(),
            port=self._settings.wss_port,
            detail="" if self._takes_sessions() else f"license state {self._gate.proxy_state}",
            facts={
                "sessions": len(self._state.sessions),
                "license_state": self._gate.proxy_state,
                "models": list(self._state.deployment.serving),
                "draining": list(self._state.deployment.draining),
                "strict_models": self._settings.strict_models,
                "auth_mode": self._access.mode.value,
                "tls_port": self._settings.tls_port if self._tls else None,
            },
        )

    def _read_deployment(self) -> Deployment:
        if self._settings.supported_deployments is not None:
            return Deployment(None, self._settings.supported_deployments)
        return read_deployment(self._settings.run_dir)

    async def _admin_sessions(self, _request: web.Request) -> web.StreamResponse:
        now_ms = self._clock.monotonic_ms()
        return json_response(
            [
                {
                    "session_id": session_id,
                    "model": opened.session.model.backend,
                    "speech_model": opened.session.model.name,
                    "state": opened.session.state.value,
                    "age_s": round((now_ms - opened.started_ms) / 1000, 1),
                    "audio_s": round(opened.session.received_audio_ms / 1000, 1),
                    "turns": opened.session.finished_turns,
                    "user_agent": opened.user_agent,
                    "label": opened.label,
                }
                for session_id, opened in self._state.sessions.items()
            ]
        )

    async def _admin_reload(self, _request: web.Request) -> web.StreamResponse:
        self._state.deployment = self._read_deployment()
        self._log.info(
            "deployment read",
            serving=list(self._state.deployment.serving),
            draining=list(self._state.deployment.draining),
        )
        return json_response(self._state.deployment)

    async def _admin_drain(self, request: web.Request) -> web.StreamResponse:
        try:
            wanted = msgspec.json.decode(await request.read(), type=DrainRequest)
        except msgspec.DecodeError as error:
            return json_response({"error": str(error)}, 400)
        chosen = [opened for opened in self._state.sessions.values() if opened.session.model.backend in wanted.models]
        self._log.info("draining sessions", models=list(wanted.models), limit_s=wanted.limit_s, sessions=len(chosen))
        await asyncio.gather(*(opened.connection.drain(wanted.limit_s) for opened in chosen))
        return json_response({"sessions": len(chosen)})

    async def _watch_license(self) -> int:
        """Poll the proxy until the license fails; return the exit code."""
        timeout = aiohttp.ClientTimeout(total=LICENSE_REQUEST_LIMIT_S)
        url = f"{self._settings.license_url}/v1/status"
        async with aiohttp.ClientSession(timeout=timeout) as client:
            while True:
                before = self._gate.proxy_state
                try:
                    async with client.get(url) as response:
                        response.raise_for_status()
                        state = (await response.json()).get("state")
                        self._gate.receive_state(str(state), self._clock.monotonic_ms())
                except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError):
                    self._gate.receive_silence()
                verdict = self._gate.verdict(self._clock.monotonic_ms())
                if self._gate.proxy_state != before:
                    level = self._log.info if verdict is Verdict.SERVING else self._log.warning
                    level("license proxy state", state=self._gate.proxy_state, verdict=verdict.value)
                if verdict is Verdict.FAILED:
                    return EXIT_LICENSE_FAILED if self._gate.ever_served else self._startup_exit_code()
                # A first answer is wanted at once: at start the proxy may be a moment behind.
                pause_s = 0.1 if verdict is Verdict.WAITING else self._settings.license_poll_interval_s
                await asyncio.sleep(pause_s)

    def _startup_exit_code(self) -> int:
        return EXIT_LICENSE_FAILED if self._gate.proxy_state == "Failed" else EXIT_NO_LICENSE_PROXY

    async def _stop_failed(self, servers: list[Server]) -> None:
        self._state.stopping = True
        self._log.error("license failed: ending every session", sessions=len(self._state.sessions))
        for server in servers:
            server.close(close_connections=False)
        failure = LicenseError("license failed")
        await asyncio.gather(*(opened.connection.fail(failure) for opened in self._state.sessions.values()))
        await self._sessions_ended(FAREWELL_LIMIT_S)

    async def _stop_in_order(self, servers: list[Server], shutdown: Shutdown) -> None:
        # The listener goes first: a worker that only answered 503 would still be handed connections.
        self._state.stopping = True
        for server in servers:
            server.close(close_connections=False)
        limit_s = 0.0 if shutdown.is_orphan else float(self._settings.drain_limit_s)
        self._log.info("draining", sessions=len(self._state.sessions), limit_s=limit_s)
        await asyncio.gather(*(opened.connection.drain(limit_s) for opened in list(self._state.sessions.values())))
        await self._sessions_ended(limit_s + FAREWELL_LIMIT_S)

    async def _sessions_ended(self, limit_s: float) -> None:
        tasks = [opened.connection.closed() for opened in self._state.sessions.values()]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*tasks), limit_s)


def _channel_credentials(settings: GatewaySettings) -> grpc.ChannelCredentials | None:
    """Return how to reach the router: TLS when it was asked for, or when the router of this host speaks it."""
    own = settings.asr_endpoint is None and grpc_tls_files(settings) is not None
    return client_credentials(settings) if settings.secure_asr_channel or own else None


def _header(request: Request, name: str) -> str:
    """Return a header, the last of a repeated one; "" when there is none."""
    return ["", *request.headers.get_all(name)][-1]


def _response(status: http.HTTPStatus, body: str, content_type: str) -> Response:
    data = body.encode()
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(data)),
            "Connection": "close",
            "Cache-Control": "no-store",
        }
    )
    return Response(status.value, status.phrase, headers, data)
