"""The socket behind a transcription: one recording, sent on an absolute schedule, answers as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI

from runtime.errors import UpstreamError
from runtime.operator_access import UNCHECKED
from tui.transcription import Began, Output, Refused, Transcription

BLOCK_MS = 100
SAMPLE_BYTES = 2
CONNECT_LIMIT_S = 10.0
BEGIN_LIMIT_S = 10.0
# After the last audio; a gateway ends within 4 s.
TERMINATION_LIMIT_S = 15.0


class GatewayUnreachable(UpstreamError):
    """Nobody takes a WebSocket connection at the endpoint."""

    exit_code = 5


class SessionFailed(UpstreamError):
    """The gateway ended the session with an error; ``code`` is its number."""

    exit_code = 1

    def __init__(self, code: int, text: str) -> None:
        """Keep the number beside the text."""
        super().__init__(f"the gateway ended the session: {text} (code {code})")
        self.code = code


@dataclass(frozen=True, slots=True)
class Recording:
    """Mono 16-bit PCM to be sent.

    Attributes:
        speed: 1.0 for real time; None for as fast as it goes.
    """

    pcm16: bytes
    sample_rate_hz: int
    speed: float | None = 1.0

    @property
    def duration_s(self) -> float:
        """Length of the audio."""
        return len(self.pcm16) / (SAMPLE_BYTES * self.sample_rate_hz)


def session_url(endpoint: str, sample_rate_hz: int, model: str | None) -> str:
    """Return the URL of a session: the endpoint with its own query kept and ours added."""
    parts = urlsplit(endpoint)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query["sample_rate"] = str(sample_rate_hz)
    if model:
        query["speech_model"] = model
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))


async def transcribe_recording(
    url: str,
    recording: Recording,
    transcription: Transcription,
    report: Callable[[Output], None],
    credential: str = UNCHECKED,
) -> None:
    """Stream a recording and report what comes back until the session ends.

    Args:
        url: of the session, as ``session_url`` makes it.
        transcription: collects the answers.
        report: called with each of them as it comes.
        credential: for the ``Authorization`` header.

    Raises:
        GatewayUnreachable: no connection.
        SessionFailed: the gateway refused or broke the session.
        UpstreamError: an answer breaks the protocol, or the end never came.
    """
    try:
        # No proxy: the gateway is this host's or named by its operator. No keepalive pings of our own: the
        # gateway looks after dead peers, and a busy host must not fail a healthy session.
        connection = await connect(
            url,
            additional_headers={"Authorization": credential},
            compression=None,
            open_timeout=CONNECT_LIMIT_S,
            ping_interval=None,
            proxy=None,
        )
    except InvalidURI as error:
        raise GatewayUnreachable(f"{url} is no WebSocket address: {error}") from error
    except InvalidStatus as error:
        raise GatewayUnreachable(f"{_origin(url)} answered HTTP {error.response.status_code}") from error
    except (InvalidHandshake, InvalidMessage, EOFError) as error:
        raise GatewayUnreachable(f"{_origin(url)} does not speak WebSocket: {error}") from error
    except TimeoutError as error:
        raise GatewayUnreachable(f"{_origin(url)} did not answer within {CONNECT_LIMIT_S:.0f} s") from error
    except OSError as error:
        raise GatewayUnreachable(f"no connection to {_origin(url)}: {_reason(error)}") from error
    async with connection:
        await _Exchange(connection, recording, transcription, report).run()


class _Exchange:
    """Sender and receiver of one connection."""

    def __init__(
        self,
        connection: ClientConnection,
        recording: Recording,
        transcription: Transcription,
        report: Callable[[Output], None],
    ) -> None:
        self._connection = connection
        self._recording = recording
        self._transcription = transcription
        self._report = report
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        sender: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(BEGIN_LIMIT_S) as limit:
                while not self._transcription.is_over:
                    self._transcription.receive(await self._connection.recv(), self._now_ms())
                    if self._take() and sender is None:
                        limit.reschedule(None)
                        sender = asyncio.create_task(self._send(limit))
        except TimeoutError as error:
            raise UpstreamError("the gateway stopped answering") from error
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else 1006
            reason = (error.rcvd.reason if error.rcvd else "") or "connection lost"
            raise SessionFailed(code, reason) from error
        finally:
            if sender is not None:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)

    def _take(self) -> bool:
        """Report what came; True when the session began."""
        began = False
        for output in self._transcription.take_output():
            if isinstance(output, Refused):
                raise SessionFailed(output.code, output.text)
            began = began or isinstance(output, Began)
            self._report(output)
        return began

    async def _send(self, limit: asyncio.Timeout) -> None:
        recording = self._recording
        block_bytes = recording.sample_rate_hz * BLOCK_MS // 1000 * SAMPLE_BYTES
        started_s = self._loop.time()
        for number, start in enumerate(range(0, len(recording.pcm16), block_bytes)):
            if recording.speed is not None:
                # Times are counted from the start, so that late wake-ups do not add up.
                due_s = started_s + number * BLOCK_MS / 1000 / recording.speed
                await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            block = recording.pcm16[start : start + block_bytes]
            await self._connection.send(block)
            end_ms = (start + len(block)) / (SAMPLE_BYTES * recording.sample_rate_hz) * 1000
            self._transcription.note_sent(end_ms, self._now_ms())
        await self._connection.send('{"type":"Terminate"}')
        # Audio sent faster than it plays still has to be heard.
        ahead_s = max(0.0, recording.duration_s - (self._loop.time() - started_s))
        limit.reschedule(self._loop.time() + ahead_s + TERMINATION_LIMIT_S)

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _reason(error: OSError) -> str:
    # asyncio's text for several failed addresses repeats each of them.
    return "connection refused" if isinstance(error, ConnectionRefusedError) else (error.strerror or str(error))
