"""A real session of one second of silence through the gateway: proof that a model serves."""

from __future__ import annotations

import json
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from runtime.catalog import Model
from runtime.errors import UpstreamError

SAMPLE_RATE_HZ = 16_000
SILENCE = bytes(2 * SAMPLE_RATE_HZ // 10)
FRAMES = 10
ANSWER_LIMIT_S = 10.0
# What a client asks for to be heard by each model.
SPEECH_MODELS = {
    Model.ENGLISH: "universal-streaming-english",
    Model.MULTILANG: "universal-streaming-multilingual",
    Model.PRO: "universal-3-5-pro",
}


def check_session(gateway_url: str, credential: str, model: Model, limit_s: float = ANSWER_LIMIT_S) -> None:
    """Run one session to its Termination.

    Args:
        gateway_url: such as ``ws://127.0.0.1:8080``.
        credential: for the ``Authorization`` header.
        model: the backend model to reach.
        limit_s: for the connection and for each answer.

    Raises:
        UpstreamError: the session did not begin, or did not end with Termination.
    """
    url = f"{gateway_url}/v3/ws?sample_rate={SAMPLE_RATE_HZ}&speech_model={SPEECH_MODELS[model]}"
    headers = {"Authorization": credential}
    try:
        with connect(url, additional_headers=headers, open_timeout=limit_s, close_timeout=1, proxy=None) as session:
            _await_message(session, "Begin", limit_s)
            for _ in range(FRAMES):
                session.send(SILENCE)
            session.send(json.dumps({"type": "Terminate"}))
            _await_message(session, "Termination", limit_s)
    except (OSError, WebSocketException) as error:
        raise UpstreamError(f"a test session for {model} failed: {error}") from error


def _await_message(session: ClientConnection, kind: str, limit_s: float) -> None:
    while True:
        message = _decode(session.recv(timeout=limit_s))
        if message.get("type") == kind:
            return
        if message.get("type") == "Error":
            raise UpstreamError(f"a test session was refused: {message.get('error', 'no reason given')}")


def _decode(message: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except ValueError as error:
        raise UpstreamError("a test session got a message that is not JSON") from error
    return value if isinstance(value, dict) else {}
