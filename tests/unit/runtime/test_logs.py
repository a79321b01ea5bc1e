"""Log lines: form, level, context, and what they may never hold."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from runtime.logs import FORBIDDEN_KEYS, configure_logging, get_logger


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Give the process its former logging back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(*, structured: bool, level: str = "INFO") -> StringIO:
    """Return the stream that log lines go to."""
    stream = StringIO()
    configure_logging(level, structured, stream)
    return stream


def test_line_structured_is_one_json_object() -> None:
    """Event, facts, level, logger and an ISO time in UTC."""
    stream = configured(structured=True)
    get_logger("gateway").info("session accepted", model="u3-pro", turns=2)
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "session accepted", "model": "u3-pro", "turns": 2, "level": "info", "logger": "gateway",
    }  # fmt: skip


def test_line_plain_is_one_line_with_the_event_whole() -> None:
    """Operators' scripts search plain lines for the ready line."""
    stream = configured(structured=False)
    get_logger("asr").info("Ready to serve!", port=50051)
    (line,) = stream.getvalue().splitlines()
    assert "Ready to serve!" in line
    assert "port=50051" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("structured", [False, True])
def test_line_of_a_library_takes_the_same_way(structured: bool) -> None:
    """Records of the standard library come out in the same form."""
    stream = configured(structured=structured)
    logging.getLogger("some.library").warning("disk at %d percent", 91)
    (line,) = stream.getvalue().splitlines()
    assert "disk at 91 percent" in line
    if structured:
        assert json.loads(line)["logger"] == "some.library"


def test_line_below_the_level_is_not_written() -> None:
    """The level counts for ours and for libraries."""
    stream = configured(structured=True, level="WARNING")
    get_logger("gateway").info("quiet")
    logging.getLogger("library").info("quiet")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("library", ["asyncio", "websockets", "aiohttp.access", "grpc"])
def test_line_of_a_noisy_library_needs_a_warning(library: str) -> None:
    """Traffic reports of libraries stay out, also at DEBUG; their warnings do not."""
    stream = configured(structured=True, level="DEBUG")
    logging.getLogger(library).info("opened")
    assert stream.getvalue() == ""
    logging.getLogger(library).warning("broken")
    assert json.loads(stream.getvalue())["event"] == "broken"


@pytest.mark.parametrize("structured", [False, True])
def test_line_carries_the_bound_session(structured: bool) -> None:
    """Context bound once is on every line."""
    stream = configured(structured=structured)
    structlog.contextvars.bind_contextvars(session_id="5b0c6f5e")
    get_logger("gateway").info("session ended")
    assert "5b0c6f5e" in stream.getvalue()


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("key", sorted(FORBIDDEN_KEYS))
def test_line_withholds_private_facts(key: str, structured: bool) -> None:
    """Speech, text made of it and secrets never reach a line, also not from the context."""
    stream = configured(structured=structured, level="DEBUG")
    get_logger("gateway").debug("turn", **{key: "the sample transcript"})
    structlog.contextvars.bind_contextvars(**{key: "the sample transcript"})
    get_logger("gateway").info("turn")
    logging.getLogger("library").warning("turn")
    assert "sample" not in stream.getvalue()
    assert stream.getvalue().count("(withheld)") == 3


@pytest.mark.parametrize("structured", [False, True])
def test_line_of_an_exception_has_its_traceback_without_values(structured: bool) -> None:
    """A traceback shows where, never the local variables that hold what was said."""
    stream = configured(structured=structured)
    spoken = "the sample transcript"
    try:
        raise ValueError(len(spoken))
    except ValueError:
        get_logger("gateway").exception("task failed")
    assert "Traceback (most recent call last)" in stream.getvalue()
    assert "ValueError: 21" in stream.getvalue()
    assert "the sample transcript" not in stream.getvalue()


def test_configuring_again_replaces_the_stream() -> None:
    """A second call does not double the lines."""
    first = configured(structured=True)
    second = configured(structured=True)
    get_logger("gateway").info("once")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1
