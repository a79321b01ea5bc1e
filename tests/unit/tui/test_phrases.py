"""How values are worded and cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.console_doubles import GIB, MIB, NOW_S, gpu_host, universal_host
from tui.phrases import (
    LogLine,
    bar_text,
    bytes_text,
    license_text,
    machine_text,
    parse_log_line,
    span_text,
    status_text,
)
from tui.store import License, Looked, Ticked, View, reduce


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0s"), (59.9, "59s"), (72, "01:12"), (4_350, "1h12m"), (273_600, "3d04h"), (-3, "0s")],
)
def test_span_has_at_most_six_characters(seconds: float | None, text: str) -> None:
    """Seconds, minutes, hours and days each have one short form."""
    assert span_text(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(None, "-"), (85 * MIB, "85M"), (1_126 * MIB, "1.1G"), (139 * GIB, "139G")]
)
def test_bytes_are_shown_in_binary_units(count: int | None, text: str) -> None:
    """Sizes fit five characters."""
    assert bytes_text(count) == text


@pytest.mark.parametrize(("percent", "bar"), [(0, "[----------]"), (61, "[######----]"), (140, "[##########]")])
def test_bar_is_readable_without_colour(percent: float, bar: str) -> None:
    """A bar is ten ASCII cells, never more."""
    assert bar_text(percent) == bar


def test_license_line_counts_down_while_only_trusted() -> None:
    """TrustBased shows how long trust lasts."""
    found = License("TrustBased", NOW_S - 7_200, NOW_S + 7_871)
    assert license_text(found, NOW_S) == "License TrustBased, checked 2h00m ago, trusted for 2h11m"


def test_license_line_of_a_silent_proxy_says_unknown_not_failed() -> None:
    """No answer is not a verdict."""
    assert license_text(License(cause="the license proxy does not answer"), NOW_S).startswith("License unknown")


def test_license_line_of_a_failed_license_says_what_follows() -> None:
    """Failed names the consequence."""
    assert "the gateway stops serving" in license_text(License("Failed"), NOW_S)


def test_machine_line_without_a_gpu_says_so() -> None:
    """No GPU is a statement, not an empty panel."""
    assert machine_text(universal_host().machine).startswith("no GPU")


def test_machine_line_with_a_gpu_shows_load_and_memory() -> None:
    """Utilisation and memory of the GPU are in the line."""
    assert machine_text(gpu_host().machine).startswith("GPU0 H200 [######----] 61% 31/139G")


def test_status_line_of_a_stale_view_says_how_old_it_is() -> None:
    """Old values are never shown as live."""
    view = reduce(View(now_ms=1_000), Looked(universal_host()), now_ms=1_000)
    assert "STALE" not in status_text(view)
    assert status_text(reduce(view, Ticked(), now_ms=13_000)).endswith("STALE 12s")


def test_status_line_fits_eighty_columns_with_a_clock() -> None:
    """The usual status line leaves room for the time of day."""
    host = replace(universal_host(), sessions=universal_host().sessions * 40)
    view = reduce(View(), Looked(host), now_ms=1)
    assert len(status_text(view)) <= 70


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (
            "2026-11-20T14:01:58.871234Z [warning  ] warm-up was slow [asr] took_s=2.1",
            LogLine("14:01:58.871", "WARNING", "warm-up was slow [asr] took_s=2.1"),
        ),
        (
            '{"event": "x", "level": "info", "timestamp": "2026-11-20T14:01:58.871234Z"}',
            LogLine(
                "14:01:58.871", "INFO", '{"event": "x", "level": "info", "timestamp": "2026-11-20T14:01:58.871234Z"}'
            ),
        ),
        (
            "2026-11-20 14:01:58,871 INFO spawned: 'x' with pid 7",
            LogLine("14:01:58,871", "INFO", "spawned: 'x' with pid 7"),
        ),
        ("Traceback (most recent call last):", LogLine("", "", "Traceback (most recent call last):")),
        ("\x1b[31mred\x1b[0m", LogLine("", "", "red")),
        ("", LogLine("", "", "")),
    ],
)  # fmt: skip
def test_log_line_is_cut_into_time_level_and_text(raw: str, line: LogLine) -> None:
    """Our plain and JSON lines and supervisord's are understood, anything else is text."""
    assert parse_log_line(raw) == line
