"""Sessions of one key, counted over workers; each SessionSlots below stands for one worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import CapacityError, EnvironmentFault
from services.gateway.session_slots import SessionSlots

HOLD_TWO_AND_SAY_SO = """
import sys
from pathlib import Path
from services.gateway.session_slots import SessionSlots
slots = SessionSlots(Path(sys.argv[1]))
slots.take("acme", 3), slots.take("acme", 3)
print("held", flush=True)
sys.stdin.read()
"""


def test_key_has_as_many_slots_as_its_limit_over_all_workers(tmp_path: Path) -> None:
    """Whichever worker asks, the limit is the host's; a slot given back is free for the other worker."""
    one, two = SessionSlots(tmp_path), SessionSlots(tmp_path)
    first = one.take("acme", 3)
    two.take("acme", 3)
    one.take("acme", 3)
    for worker in (one, two):
        with pytest.raises(CapacityError, match="Too many concurrent sessions"):
            worker.take("acme", 3)
    one.release(first)
    two.take("acme", 3)
    with pytest.raises(CapacityError):
        one.take("acme", 3)


def test_keys_do_not_share_slots(tmp_path: Path) -> None:
    """Another key's sessions do not count."""
    slots = SessionSlots(tmp_path)
    slots.take("acme", 1)
    slots.take("bob", 1)


def test_lowered_limit_counts_sessions_that_are_open(tmp_path: Path) -> None:
    """Nobody is cut off, and nobody new comes in until few enough are left."""
    one, two = SessionSlots(tmp_path), SessionSlots(tmp_path)
    open_slots = [(worker, worker.take("acme", None)) for worker in (one, two, two, one, two)]
    for worker, slot in open_slots[:3]:
        for each in (one, two):
            with pytest.raises(CapacityError):
                each.take("acme", 2)
        worker.release(slot)
    with pytest.raises(CapacityError):
        one.take("acme", 2)  # the two left are those of the highest numbers
    worker, slot = open_slots[3]
    worker.release(slot)
    one.take("acme", 2)
    with pytest.raises(CapacityError):
        two.take("acme", 2)


def test_key_without_limit_is_counted_and_never_refused(tmp_path: Path) -> None:
    """Many sessions in turn on two workers, and all given back in the end."""
    one, two = SessionSlots(tmp_path), SessionSlots(tmp_path)
    for _ in range(200):
        one.take("acme", None)
        two.take("acme", None)
    with pytest.raises(CapacityError):
        one.take("acme", 400)
    one.close()
    two.close()
    assert SessionSlots(tmp_path).take("acme", 1).byte == 0


def test_killed_worker_leaves_its_slots_free(tmp_path: Path) -> None:
    """The kernel gives them back, whatever ended the process."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_TWO_AND_SAY_SO, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        slots = SessionSlots(tmp_path)
        slots.take("acme", 3)
        with pytest.raises(CapacityError):
            slots.take("acme", 3)
        other.kill()
        other.wait()
    slots.take("acme", 3)
    slots.take("acme", 3)
    with pytest.raises(CapacityError):
        slots.take("acme", 3)


def test_directory_that_is_a_file_refuses_the_session(tmp_path: Path) -> None:
    """A limit that cannot be checked is not treated as kept."""
    (tmp_path / "sessions").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot count sessions"):
        SessionSlots(tmp_path / "sessions").take("acme", 1)
