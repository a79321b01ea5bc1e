"""Requests to the admin sockets of our processes, for synchronous callers."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from runtime.catalog import Model
from runtime.errors import UpstreamError
from runtime.supervise.unix_http import UnixConnection

REQUEST_TIMEOUT_S = 2.0


class SessionView(msgspec.Struct, frozen=True):
    """One open session as its gateway worker lists it.

    Attributes:
        model: the backend model that hears it.
        speech_model: the model name its client asked for.
        age_s: seconds since Begin.
        audio_s: seconds of audio received.
        worker: the gateway process; filled in by whoever asked.
    """

    session_id: str
    model: str
    speech_model: str = ""
    state: str = ""
    age_s: float = 0.0
    audio_s: float = 0.0
    turns: int = 0
    user_agent: str = ""
    worker: str = ""


def request(socket_path: Path, method: str, route: str, body: object = None) -> tuple[int, bytes]:
    """Send one request; returns status and body.

    Raises:
        UpstreamError: nobody answers within 2 s, or what answers is not HTTP.
    """
    connection = UnixConnection(socket_path, REQUEST_TIMEOUT_S)
    content = None if body is None else msgspec.json.encode(body)
    headers = {"Content-Type": "application/json"} if content is not None else {}
    try:
        connection.request(method, route, body=content, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    except FileNotFoundError as error:
        raise UpstreamError("no admin socket yet") from error
    except ConnectionRefusedError as error:
        raise UpstreamError("nobody listens on the admin socket") from error
    except (OSError, http.client.HTTPException) as error:
        raise UpstreamError(f"the admin socket does not answer: {error}") from error
    finally:
        connection.close()


def reload_deployment(socket_path: Path) -> None:
    """Have a gateway worker or the router read the deployment file again.

    Raises:
        UpstreamError: it did not.
    """
    _expect_ok(socket_path, "/deployment/reload")


def drain(socket_path: Path, models: Sequence[Model], limit_s: int) -> int:
    """Let a worker's sessions of some models run on for ``limit_s`` at most; returns how many there are.

    Raises:
        UpstreamError: the worker did not accept.
    """
    answer = _expect_ok(socket_path, "/drain", {"models": [str(model) for model in models], "limit_s": limit_s})
    return msgspec.json.decode(answer, type=_Drained).sessions


def sessions(socket_path: Path, worker: str) -> tuple[SessionView, ...]:
    """Return the open sessions of one gateway worker.

    Raises:
        UpstreamError: it does not answer, or with something else.
    """
    status, answer = request(socket_path, "GET", "/sessions")
    if status != http.HTTPStatus.OK:
        raise UpstreamError(f"{worker} answered its list of sessions with status {status}")
    try:
        found = msgspec.json.decode(answer, type=list[SessionView])
    except msgspec.DecodeError as error:
        raise UpstreamError(f"{worker} sent a list of sessions that is none: {error}") from error
    return tuple(msgspec.structs.replace(session, worker=worker) for session in found)


class _Drained(msgspec.Struct):
    sessions: int


def _expect_ok(socket_path: Path, route: str, body: Any = None) -> bytes:
    status, answer = request(socket_path, "POST", route, body)
    if status != http.HTTPStatus.OK:
        raise UpstreamError(f"{socket_path.stem} answered {route} with status {status}")
    return answer
