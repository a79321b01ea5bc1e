"""``aai-console status``: what runs, what is ready, license and sessions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import msgspec

from runtime.supervise.host import Host
from runtime.supervise.observe import LICENSE_FAILED as FAILED_STATE
from runtime.supervise.observe import HostView, ProcessView, observe
from tui.answer import (
    DEGRADED,
    LICENSE_FAILED,
    OK,
    SUPERVISOR_UNREACHABLE,
    Answer,
    Failure,
    add_common_options,
    answering,
    exit_code_text,
)
from tui.phrases import span_text


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``status``; it sets ``func``, which takes the arguments and returns an exit code."""
    parser = subparsers.add_parser(
        "status",
        help="show services with state, readiness, port and pid; license and sessions",
        description="Show every service of every stack. READY is what a probe of the service found, not what "
        "supervisord believes.",
        epilog=exit_code_text(DEGRADED, SUPERVISOR_UNREACHABLE, LICENSE_FAILED),
    )
    add_common_options(parser, with_timeout=False)
    parser.set_defaults(func=answering(_status))


def _status(arguments: argparse.Namespace) -> Answer:
    del arguments
    view = observe(Host.open())
    failure, code = judge(view)
    data = status_data(view)
    return Answer(status_lines(view), data, code, failure, beside={"services": data["services"]})


def judge(view: HostView) -> tuple[Failure | None, int]:
    """Return why a host is not well, and the exit code; (None, 0) when it is."""
    if view.supervisor_pid is None:
        return Failure("supervisor_unreachable", *_split(view.supervisor_detail)), SUPERVISOR_UNREACHABLE
    if view.license is not None and view.license.state == FAILED_STATE:
        return Failure("license_failed", "the license is Failed", "see aai-console license verify"), LICENSE_FAILED
    if not view.ready:
        missing = ", ".join(process.name for process in view.processes if process.active and not process.ready)
        if not missing and view.stack is not None:
            hint = "repair it: aai-console up" if view.cut_short else "wait until the operation under way has ended"
            return Failure("degraded", f"the {view.stack} stack does not take every new session", hint), DEGRADED
        return Failure("degraded", f"not ready: {missing or 'no stack is up'}", "see aai-console logs NAME"), DEGRADED
    return None, OK


def status_data(view: HostView) -> dict[str, Any]:
    """Return the status for programs."""
    return {
        "stack": view.stack,
        "ready": view.ready,
        "supervisor": {"pid": view.supervisor_pid, "detail": view.supervisor_detail},
        "gateway_url": view.site.gateway_url,
        "gateway_tls_url": view.site.gateway_tls_url,
        "license": view.license,
        "sessions": {"count": len(view.sessions), "list": view.sessions},
        "services": [_service_data(process) for process in view.processes],
        "operation": view.operation,
        "notes": [*view.notes, view.cut_short] if view.cut_short else view.notes,
        "home": str(view.site.home),
    }


def status_lines(view: HostView) -> tuple[str, ...]:
    """Return the status for people."""
    if view.supervisor_pid is None:
        head = "nothing is running"
    elif view.stack is None:
        head = "no stack is up"
    else:
        head = f"stack {view.stack}: {'ready' if view.ready else 'NOT READY'}"
    license_text = view.license.state if view.license else "unknown"
    urls = " ".join(url for url in (view.site.gateway_url, view.site.gateway_tls_url) if url)
    lines = [f"{head} | license {license_text} | sessions {len(view.sessions)} | {urls}"]
    if view.operation:
        lines.append(f"in progress: {view.operation.verb} (pid {view.operation.pid})")
    rows: list[tuple[str, ...]] = [("SERVICE", "STATE", "READY", "PORT", "PID", "UP", "DETAIL")]
    rows += [_row(process) for process in view.processes]
    lines += table(rows)
    lines += [f"note: {note}" for note in view.notes]
    if view.cut_short:
        lines.append(f"note: {view.cut_short}")
    return tuple(lines)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as aligned text; the last column is as wide as it likes."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]]).rstrip()
        for row in rows
    ]


def _row(process: ProcessView) -> tuple[str, ...]:
    running = process.pid is not None
    ready = "yes" if process.ready else "no" if process.active or running else "-"
    uptime = span_text(process.uptime_s)
    detail = process.detail if process.active or running else f"stack {process.stack}" if process.stack else ""
    pid = "-" if process.pid is None else str(process.pid)
    return (process.name, process.state, ready, str(process.port) if running else "-", pid, uptime, detail)


def _service_data(process: ProcessView) -> dict[str, Any]:
    fields = {name: getattr(process, name) for name in process.__dataclass_fields__}
    return {**fields, "facts": msgspec.to_builtins(dict(process.facts))}


def _split(text: str) -> tuple[str, str]:
    message, _, hint = text.partition("; ")
    return message, hint
