"""The bound on audio that waits in one worker."""

from __future__ import annotations

import asyncio

from services.gateway.waiting_audio import OWN_SHARE_BYTES, WaitingAudio


def test_below_the_bound_nobody_waits() -> None:
    """However much one session has waiting."""
    waiting = WaitingAudio(max_bytes=10_000_000)
    waiting.add(10_000_000)
    assert not waiting.must_wait(10_000_000)


def test_above_the_bound_only_sessions_with_a_backlog_wait() -> None:
    """A session that keeps up is not stopped because of others."""
    waiting = WaitingAudio(max_bytes=1_000_000)
    waiting.add(1_000_001)
    assert waiting.must_wait(OWN_SHARE_BYTES + 1)
    assert not waiting.must_wait(OWN_SHARE_BYTES)


async def test_room_again_lets_them_go_on() -> None:
    """As soon as the recognisers have worked through enough."""
    waiting = WaitingAudio(max_bytes=1_000_000)
    waiting.add(1_000_001)
    room = asyncio.ensure_future(waiting.room())
    await asyncio.sleep(0)
    assert not room.done()
    waiting.add(-1)
    await room
    assert not waiting.must_wait(1_000_000)
