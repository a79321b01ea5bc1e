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
from services.gateway.admission import Admission
from services.gateway.auth import AuthMode
from services.gateway.connection import Connection
from services.gateway.guarded_socket import Doorway, GuardedConnection, bound_kernel_buffers
from services.gateway.host_watch import HostReport, look_around
from services.gateway.license_gate import SERVING_STATES, LicenseGate, Verdict
from services.gateway.license_watch import watch_license
from services.gateway.metrics import Metrics
from services.gateway.metrics_server import MetricsServer
from services.gateway.models import choose_model
from services.gateway.open_sessions import OpenSession, OpenSessions
from services.gateway.parameters import DEFAULT_API_VERSION, parse_query
from services.gateway.session import Session, SessionIdentity
from services.gateway.upstream import RecognizerChannel
from services.gateway.waiting_audio import WaitingAudio
from services.gateway.webhook_sender import WebhookSender

STREAM_PATHS = frozenset({"/", "/v3/ws", "/v3/ws/"})
TOKEN_PATHS = frozenset({"/v3/token", "/v3/token/"})
HEALTH_PATHS = frozenset({"/v3/health", "/v3/ws/health"})
# Free text of a client in logs and admin views is cut to this.
LABEL_MAX_CHARACTERS = 200
SPENT_REQUEST = Request("", Headers())
MAX_MESSAGE_BYTES = 256 * 1024
MAX_QUEUED_MESSAGES = 16
# For TLS, and once more for the request.
UPGRADE_LIMIT_S = 5
CLOSE_LIMIT_S = 5
STARTUP_LICENSE_LIMIT_MS = 60_000
HOST_WATCH_INTERVAL_S = 2.0
BYTES_PER_S = 32_000
# After the drain limit every session gets this long to say its last words.
FAREWELL_LIMIT_S = 6.0
# What a session leaves behind, such as its webhook, is handed over within this time of its end.
HANDLERS_LIMIT_S = 1.0


class DrainRequest(msgspec.Struct, frozen=True):
    """Body of ``POST /drain`` on the admin socket."""

    models: tuple[Model, ...]
    limit_s: float


@dataclass(slots=True)
class GatewayState:
    """What one worker knows; owned by the event loop."""

    deployment: Deployment
    sessions: OpenSessions = field(default_factory=OpenSessions)
    host: HostReport = field(default_factory=HostReport)
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
        self._waiting_audio = WaitingAudio(settings.max_waiting_audio_mib << 20)
        self._doorway = Doorway(
            settings.max_sockets, settings.max_sockets_per_address, settings.max_handshakes_per_address, clock
        )
        self._admission = Admission(settings.sessions_dir, settings.max_sessions)
        self._metrics = Metrics(settings.metrics_dir, self._admission)
        self._metrics_server = MetricsServer(self._metrics, settings.metrics_port)
        self._webhooks = WebhookSender()
        self._state = GatewayState(self._read_deployment())
        self._admin = AdminServer(
            settings.admin_socket(GATEWAY, number),
            self._health,
            {
                ("GET", "/sessions"): self._admin_sessions,
                ("GET", "/metrics"): self._metrics_server.answer,
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
        await self._look_around()
        await self._metrics_server.start()
        host_watch = asyncio.create_task(self._watch_host())
        watch = asyncio.create_task(watch_license(self._settings, self._gate, self._clock, self._log))
        stop = asyncio.create_task(shutdown.requested.wait())
        servers = await self._listen_all()
        if self._access.mode is AuthMode.COMPAT and self._settings.bind_host not in ("127.0.0.1", "::1", "localhost"):
            self._log.warning(
                "gateway open to other machines: any client that reaches this address may transcribe",
                host=self._settings.bind_host,
            )
        try:
            await asyncio.wait({watch, stop, host_watch}, return_when=asyncio.FIRST_COMPLETED)
            if host_watch.done():
                host_watch.result()  # it never ends but by an error
            if watch.done():
                code = watch.result()
                await self._stop_failed(servers)
                return code
            await self._stop_in_order(servers, shutdown)
            return 0
        finally:
            for task in (watch, stop, host_watch):
                task.cancel()
            await self._webhooks.stop()
            await self._metrics_server.stop()
            await self._admin.stop()
            await self._channel.close()
            self._admission.close()

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
        # Nobody looks at the handshake again; it is 2 KiB of every silent session. Without a request the library
        # would take the next frame for one.
        client.request, client.response = SPENT_REQUEST, None
        self._state.sessions.add(opened)
        self._metrics.session_begun(opened.backend)
        model = opened.session.model
        self._log.info(
            "session accepted",
            model=model.name, backend=model.backend, client=opened.label, user_agent=opened.user_agent,
        )  # fmt: skip
        try:
            await opened.connection.run()
        finally:
            self._state.sessions.remove(opened)
            self._admission.release(opened.admitted)
            self._metrics.audio_received(opened.backend, opened.uncounted_audio_ms())
            close_code = _close_code(client)
            self._metrics.session_ended(opened.backend, close_code, opened.session.reconnects)
            failure_cause = opened.session.failure_cause
            (self._log.warning if failure_cause else self._log.info)(
                "session ended",
                state=opened.session.state.value,
                audio_ms=opened.session.received_audio_ms,
                turns=opened.session.finished_turns,
                reconnects=opened.session.reconnects,
                close_code=close_code,
                **({"cause": failure_cause} if failure_cause else {}),
            )
            self._webhooks.deliver(opened.session.webhook)

    def _open(self, client: ServerConnection, session_id: str) -> OpenSession:
        """Check one upgrade and open its recogniser stream.

        Raises:
            AppError: the session is refused; nothing was opened.
        """
        request = client.request
        assert request is not None  # the handshake is over
        query = request.path.partition("?")[2]
        principal = self._access.authenticate(_header(request, "Authorization"), query)
        parameters = parse_query(query, self._settings.webhook_allowed_hosts)
        if self._gate.verdict(self._clock.monotonic_ms()) is not Verdict.SERVING:
            raise LicenseError(f"license state {self._gate.proxy_state}")
        model = choose_model(
            parameters.speech_model,
            parameters.language,
            self._state.deployment,
            strict=self._settings.strict_models,
            aliases=dict(self._settings.model_aliases),
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
            client,
            session,
            lambda: self._channel.open(model.backend, session_id),
            self._clock,
            waiting_audio=self._waiting_audio,
            measured=lambda measurement: self._metrics.measured(model.backend, measurement),
        )
        user_agent = _header(request, "User-Agent")[:LABEL_MAX_CHARACTERS]
        # Last, so that nothing can fail between taking the places and giving them back.
        admitted = self._admission.admit(principal, model.backend)
        return OpenSession(session, connection, now_ms, user_agent, principal.label, admitted)

    async def _refuse(self, client: ServerConnection, error: AppError) -> None:
        if isinstance(error, ClientError | CapacityError | UpstreamError):
            code, text = int(error.close_code), str(error)
        else:
            code, text = int(UpstreamError.close_code), str(Text.SERVER_FAILURE)
            self._log.warning("session not possible", cause=str(error))
        self._log.info("session refused", close_code=code, reason=type(error).__name__)
        self._metrics.session_refused(code)
        with suppress(ConnectionClosed):
            await client.send(Error(error_code=code, error=text).encode())
        await client.close(code, close_reason(text))

    def _takes_sessions(self) -> bool:
        serving = self._gate.verdict(self._clock.monotonic_ms()) is Verdict.SERVING
        return serving and not self._state.stopping

    def _report_certificate(self, cause: str) -> None:
        self._log.error("renewed certificate not usable: the former one stays in use", cause=cause)

    def _health(self) -> Health:
        state, host = self._state, self._state.host
        return Health(
            program=GATEWAY,
            pid=os.getpid(),
            ready=self._takes_sessions(),
            port=self._settings.wss_port,
            detail="; ".join(self._problems()),
            facts={
                "sessions": len(state.sessions),
                "sockets": self._doorway.sockets,
                "waiting_audio_s": round(self._waiting_audio.total_bytes / BYTES_PER_S, 1),
                "license_state": self._gate.proxy_state,
                "license_sessions": host.license_sessions,
                "models": list(state.deployment.serving),
                "draining": list(state.deployment.draining),
                "backends": {
                    model: {
                        "sessions": self._admission.used(model),
                        "max_sessions": report.max_sessions,
                        "problem": report.problem,
                    }
                    for model, report in host.backends.items()
                },
                "capacity_used_ratio": round(self._admission.used_ratio(), 3),
                "strict_models": self._settings.strict_models,
                "auth_mode": self._access.mode.value,
                "tls_port": self._settings.tls_port if self._tls else None,
                "metrics_port": self._settings.metrics_port or None,
            },
        )

    def _problems(self) -> list[str]:
        """Return what is wrong, one clause each; none when everything can be done."""
        deployment = self._state.deployment
        problems = ["stopping: no new session"] if self._state.stopping else []
        if self._gate.verdict(self._clock.monotonic_ms()) is not Verdict.SERVING:
            problems.append(f"license state {self._gate.proxy_state}")
        elif self._gate.proxy_state not in SERVING_STATES:
            problems.append(f"license proxy {self._gate.proxy_state}: serving on for a while")
        if not deployment.serving:
            problems.append("no model serves: run aai-console up")
        problems += self._state.host.problems(deployment.serving)
        if self._waiting_audio.is_full:
            problems.append("recognisers lag behind: clients with a backlog are not read")
        return problems

    def _read_deployment(self) -> Deployment:
        if self._settings.supported_deployments is not None:
            return Deployment(None, self._settings.supported_deployments)
        return read_deployment(self._settings.run_dir)

    async def _admin_sessions(self, _request: web.Request) -> web.StreamResponse:
        now_ms = self._clock.monotonic_ms()
        return json_response([opened.view(now_ms) for opened in self._state.sessions])

    async def _admin_reload(self, _request: web.Request) -> web.StreamResponse:
        self._state.deployment = self._read_deployment()
        await self._look_around()
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
        chosen = [opened for opened in self._state.sessions if opened.backend in wanted.models]
        self._log.info("draining sessions", models=list(wanted.models), limit_s=wanted.limit_s, sessions=len(chosen))
        await asyncio.gather(*(opened.connection.drain(wanted.limit_s) for opened in chosen))
        return json_response({"sessions": len(chosen)})

    async def _look_around(self) -> None:
        """Learn what the programs of this host can do now."""
        models = (*self._state.deployment.serving, *self._state.deployment.draining)
        report = await look_around(self._settings, models)
        before, self._state.host = self._state.host, report.merged_into(self._state.host)
        self._admission.limits = self._state.host.limits
        for problem in self._state.host.problems(models):
            if problem not in before.problems(models):
                self._log.warning("backend not ready", cause=problem)

    async def _watch_host(self) -> None:
        """Keep limits and metrics up to date; ends only by an error."""
        while True:
            await asyncio.sleep(HOST_WATCH_INTERVAL_S)
            await self._look_around()
            for opened in self._state.sessions:
                self._metrics.audio_received(opened.backend, opened.uncounted_audio_ms())
            self._metrics.depths(self._waiting_audio.total_bytes / BYTES_PER_S, self._doorway.sockets)

    async def _stop_failed(self, servers: list[Server]) -> None:
        self._state.stopping = True
        self._log.error("license failed: ending every session", sessions=len(self._state.sessions))
        for server in servers:
            server.close(close_connections=False)
        failure = LicenseError("license failed")
        await asyncio.gather(*(opened.connection.fail(failure) for opened in self._state.sessions))
        await self._sessions_ended(servers, FAREWELL_LIMIT_S)

    async def _stop_in_order(self, servers: list[Server], shutdown: Shutdown) -> None:
        # The listener goes first: a worker that only answered 503 would still be handed connections.
        self._state.stopping = True
        for server in servers:
            server.close(close_connections=False)
        limit_s = 0.0 if shutdown.is_orphan else float(self._settings.drain_limit_s)
        self._log.info("draining", sessions=len(self._state.sessions), limit_s=limit_s)
        await asyncio.gather(*(opened.connection.drain(limit_s) for opened in self._state.sessions))
        await self._sessions_ended(servers, limit_s + FAREWELL_LIMIT_S)

    async def _sessions_ended(self, servers: list[Server], limit_s: float) -> None:
        closing = [opened.connection.closed() for opened in self._state.sessions]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*closing), limit_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(server.wait_closed() for server in servers)), HANDLERS_LIMIT_S)


def _channel_credentials(settings: GatewaySettings) -> grpc.ChannelCredentials | None:
    """Return how to reach the router: TLS when it was asked for, or when the router of this host speaks it."""
    own = settings.asr_endpoint is None and grpc_tls_files(settings) is not None
    return client_credentials(settings) if settings.secure_asr_channel or own else None


def _close_code(client: ServerConnection) -> int | None:
    """Return the code a connection was closed with; None when it was simply gone."""
    sent = client.protocol.close_sent  # known even when the client never answers it
    return sent.code if sent is not None else client.close_code


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
