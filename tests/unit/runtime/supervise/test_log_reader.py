"""Log files as they grow, turn over and hold odd bytes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.supervise.log_reader import LINE_MAX_CHARACTERS, LogFollower, clean_line, last_lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give the path of a log that is not there yet."""
    return tmp_path / "program.log"


def append(path: Path, content: bytes | str) -> None:
    """Write to the end of a file."""
    with path.open("ab") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def test_last_lines_of_a_missing_file_are_none(log: Path) -> None:
    """A service that never ran has no lines."""
    assert last_lines(log, 5) == ()


def test_last_lines_are_the_newest(log: Path) -> None:
    """At most the asked number, in order; an unfinished line counts."""
    append(log, "a\nb\nc\nd")
    assert last_lines(log, 2) == ("c", "d")
    assert last_lines(log, 0) == ()


def test_last_lines_reach_into_the_rotated_file(log: Path) -> None:
    """Just after a rotation the file before it fills up."""
    append(log.with_name("program.log.1"), "a\nb\n")
    append(log, "c\n")
    assert last_lines(log, 2) == ("b", "c")


def test_last_lines_since_a_mark_leave_older_ones_out(log: Path) -> None:
    """After a failed start only what that start wrote is shown."""
    append(log, "old\n")
    mark = log.stat().st_size
    append(log, "new\n")
    assert last_lines(log, 5, mark) == ("new",)


def test_last_lines_since_a_mark_beyond_the_end_take_the_whole_file(log: Path) -> None:
    """A file that was rotated since the mark is all new."""
    append(log, "new\n")
    assert last_lines(log, 5, 1000) == ("new",)


def test_last_lines_of_a_large_file_need_several_blocks(log: Path) -> None:
    """Lines are whole across block borders."""
    lines = [f"line {number} " + "x" * 100 for number in range(3000)]
    append(log, "\n".join(lines) + "\n")
    assert last_lines(log, 2000) == tuple(lines[-2000:])


def test_clean_line_drops_escapes_and_controls() -> None:
    """Nothing of a log can move the cursor of the reader."""
    assert clean_line("\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 tab\tend\r") == "red bell tab\tend"


def test_clean_line_is_cut_at_the_limit() -> None:
    """One line cannot fill the memory."""
    assert len(clean_line("x" * 20_000)) == LINE_MAX_CHARACTERS


def test_follower_starts_with_the_asked_lines_then_gives_new_ones(log: Path) -> None:
    """No line is given twice and none is missing."""
    append(log, "a\nb\n")
    follower = LogFollower(log, last=1)
    append(log, "c\n")

    assert follower.read_lines() == ["b", "c"]
    assert follower.read_lines() == []
    follower.close()


def test_follower_waits_for_the_end_of_a_line(log: Path) -> None:
    """A line being written is given once, whole."""
    follower = LogFollower(log)
    append(log, "half")
    assert follower.read_lines() == []
    append(log, " and half\n")
    assert follower.read_lines() == ["half and half"]
    follower.close()


def test_follower_reads_the_old_file_to_its_end_at_a_rotation(log: Path) -> None:
    """Lines written just before and after the rotation all come, in order."""
    append(log, "a\n")
    follower = LogFollower(log)
    append(log, "b\nc")
    log.rename(log.with_name("program.log.1"))
    append(log, "d\n")

    assert follower.read_lines() == ["b", "c", "d"]
    follower.close()


def test_follower_of_a_truncated_file_starts_over(log: Path) -> None:
    """A file cut to nothing is read from its start."""
    append(log, "a long first line\n")
    follower = LogFollower(log)
    log.write_text("b\n")

    assert follower.read_lines() == ["b"]
    follower.close()


def test_follower_waits_for_a_file_that_is_not_there(log: Path) -> None:
    """A service may start later."""
    follower = LogFollower(log)
    assert follower.read_lines() == []
    append(log, "a\n")
    assert follower.read_lines() == ["a"]
    follower.close()


def test_follower_opened_within_a_line_gives_that_line_whole(log: Path) -> None:
    """The unfinished last line is not lost and not halved."""
    append(log, "a\nhal")
    follower = LogFollower(log)
    append(log, "f\n")
    assert follower.read_lines() == ["half"]
    follower.close()


def test_follower_replaces_broken_bytes(log: Path) -> None:
    """Bytes that are not UTF-8 do not end the following."""
    follower = LogFollower(log)
    append(log, b"ok \xff\n")
    assert follower.read_lines() == ["ok \ufffd"]
    follower.close()


@given(cuts=st.lists(st.integers(0, 40), max_size=6))
def test_follower_gives_the_same_lines_however_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    """Any split of the bytes, within characters too, gives the same lines."""
    content = "héllo\nwörld ☃\nend\n".encode()
    log = tmp_path_factory.mktemp("split") / "program.log"
    follower = LogFollower(log)
    found: list[str] = []
    borders = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    for start, end in itertools.pairwise(borders):
        append(log, content[start:end])
        found += follower.read_lines()
    follower.close()
    assert found == ["héllo", "wörld ☃", "end"]
