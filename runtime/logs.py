"""One logging set-up for every program: structlog over the standard library, plain or JSON."""

from __future__ import annotations

import logging
import sys
from enum import Enum
from typing import TextIO

import structlog

# What a log line may never hold, whoever writes it: speech, text made of it, secrets.
FORBIDDEN_KEYS = frozenset(
    {"audio", "transcript", "text", "words", "prompt", "keyterms", "token", "authorization", "query"}
)


def drop_private_facts(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Remove every key that could carry speech, transcripts or secrets."""
    for key in FORBIDDEN_KEYS & event.keys():
        event[key] = "(withheld)"
    return event


def plain_values(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Write enum members, also inside lists, as their values."""
    for key, value in event.items():
        if isinstance(value, Enum):
            event[key] = value.value
        elif isinstance(value, list | tuple):
            event[key] = [item.value if isinstance(item, Enum) else item for item in value]
    return event


def configure_logging(level: str, structured: bool, stream: TextIO | None = None) -> None:
    """Send all records of this process to one stream (default: stdout).

    Args:
        level: a standard level name such as ``INFO``.
        structured: one JSON object a line when true, aligned plain text otherwise.
        stream: where lines go; supervisord collects stdout.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        drop_private_facts,
        plain_values,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[structlog.typing.Processor]
    if structured:
        final = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain tracebacks: prettier ones print local variables, and those hold audio and text.
        final = [
            structlog.dev.ConsoleRenderer(
                colors=False, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Libraries report their own traffic at INFO; operators asked for ours.
    for noisy in ("asyncio", "websockets", "aiohttp.access", "grpc"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one module; facts are keyword arguments, never part of the event."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
