"""How values are worded and cut."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.console_doubles import GIB, MIB, NOW_S, gpu_host, universal_host
from tui.phrases import (
    LogLine,
    bar_text,
    bytes_text,
    level_word,
    license_text,
    machine_text,
    parse_log_line,
    span_text,
    status_text,
    stop_consequence,
    time_of_day_text,
)
from tui.store import License, Looked, Ticked, View, reduce, table_rows


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0s"),
        (59.9, "59s"),
        (72, "1m12s"),
        (3_599, "59m59s"),
        (4_350, "1h12m"),
        (273_600, "3d04h"),
        (-3, "0s"),
    ],
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


@pytest.mark.parametrize(("room", "text"), [(12, "14:02:11 UTC"), (11, "14:02:11"), (7, "")])
def test_time_of_day_shows_its_zone_when_there_is_room(room: int, text: str) -> None:
    """The zone goes first, then the time."""
    assert time_of_day_text(datetime.fromtimestamp(NOW_S, UTC), room) == text


@pytest.mark.parametrize(
    ("level", "word"), [("WARNING", "WARN"), ("CRITICAL", "CRIT"), ("ERROR", "ERROR"), ("INFO", "INFO")]
)
def test_level_is_a_word_of_at_most_five_characters(level: str, word: str) -> None:
    """No level is cut in the middle."""
    assert level_word(level) == word


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("streaming-api-01", "1 open session uses it and would end after 30s at the latest."),
        ("streaming-api-00", "2 open sessions use it and would end after 30s at the latest."),
        ("streaming-asr-multilang", "1 open session uses it and would end."),
        ("streaming-asr-u3pro", "No open session uses it."),
        ("streaming-asr-lb", "3 open sessions use it and would end."),
    ],
)
def test_stop_names_how_many_sessions_of_the_service_would_end(name: str, sentence: str) -> None:
    """A worker is judged by its own sessions, a server by those of its model, the router by all."""
    host = universal_host()
    service = next(row for row in host.services if row.name == name)
    assert stop_consequence(service, host, comes_back=False) == sentence


def test_stop_of_the_license_proxy_says_what_follows_later() -> None:
    """No session ends at once, but the gateway needs the proxy."""
    proxy = next(row for row in universal_host().services if row.name == "license-and-usage-proxy")
    sentence = stop_consequence(proxy, universal_host(), comes_back=False)
    assert sentence == "No open session ends by it; without the proxy the gateway stops serving after a while."


def test_stop_of_the_whole_gateway_counts_all_sessions() -> None:
    """A group row stands for its processes."""
    host = universal_host()
    gateway = next(row for row in table_rows(host.services) if row.is_group)
    assert stop_consequence(gateway, host, comes_back=True).startswith("3 open sessions use it")


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
