"""What the other programs of this host say on their admin sockets: who is ready, and how many sessions they take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from runtime.catalog import ASR_SERVERS, LICENSE_PROXY, Model
from runtime.settings import GatewaySettings
from services.gateway.admission import SessionLimits

ANSWER_LIMIT_S = 1.0
PROGRAM_OF_MODEL = {server.model: server.program for server in ASR_SERVERS}


@dataclass(frozen=True, slots=True)
class BackendReport:
    """One ASR server as it describes itself.

    Attributes:
        max_sessions: None when it did not say.
        problem: why it is not ready; "" when it is.
    """

    program: str
    max_sessions: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class HostReport:
    """One look around; empty for programs of another host, which have no admin socket here."""

    backends: Mapping[Model, BackendReport] = field(default_factory=dict)
    license_sessions: int | None = None

    @property
    def limits(self) -> SessionLimits:
        """How many sessions the host takes."""
        known = {model: report.max_sessions for model, report in self.backends.items()}
        return SessionLimits(
            {model: limit for model, limit in known.items() if limit is not None}, self.license_sessions
        )

    def problems(self, models: tuple[Model, ...]) -> list[str]:
        """Return what is wrong with the backends of these models."""
        reports = [self.backends[model] for model in models if model in self.backends]
        return [f"{report.program}: {report.problem}" for report in reports if report.problem]

    def merged_into(self, former: HostReport) -> HostReport:
        """Return this report; a program that did not answer keeps the limit it named before."""
        backends = {
            model: report if report.max_sessions is not None else _with_limit_of(report, former.backends.get(model))
            for model, report in self.backends.items()
        }
        return HostReport(backends, former.license_sessions if self.license_sessions is None else self.license_sessions)


def _with_limit_of(report: BackendReport, former: BackendReport | None) -> BackendReport:
    return BackendReport(report.program, former.max_sessions if former else None, report.problem)


async def look_around(settings: GatewaySettings, models: tuple[Model, ...]) -> HostReport:
    """Ask the ASR servers of some models and the license proxy, as far as they run on this host."""
    local_models = models if settings.asr_endpoint is None else ()
    sockets = {model: settings.admin_socket(PROGRAM_OF_MODEL[model]) for model in local_models}
    answers = await asyncio.gather(
        _ask(settings.admin_socket(LICENSE_PROXY), "/v1/license") if settings.license_endpoint is None else _nobody(),
        *(_ask(path, "/health") for path in sockets.values()),
    )
    license_facts, *healths = answers
    return HostReport(
        {
            model: _backend_report(PROGRAM_OF_MODEL[model], health)
            for model, health in zip(sockets, healths, strict=True)
        },
        _whole_number(license_facts.get("max_concurrent_sessions")),
    )


def _backend_report(program: str, health: Mapping[str, Any]) -> BackendReport:
    if not health:
        return BackendReport(program, None, "does not answer")
    facts = health.get("facts") or {}
    problem = "" if health.get("ready") else str(health.get("detail") or "not ready")
    return BackendReport(program, _whole_number(facts.get("max_open_streams")), problem)


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


async def _nobody() -> dict[str, Any]:
    return {}


async def _ask(path: Path, route: str) -> dict[str, Any]:
    """Return the JSON object behind a route of an admin socket; empty when there is none."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as client,
            client.get(f"http://admin{route}") as response,
        ):
            answer = await response.json()
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}
