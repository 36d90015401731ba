"""Followers: each gets everything from its beginning on, none holds up another, none costs more than its bound."""

from __future__ import annotations

import gc

import pytest

from treesync_client import streams
from treesync_client.streams import Stream


async def test_each_follower_gets_all_from_its_beginning_to_the_end() -> None:
    stream: Stream[int] = Stream()
    stream.put(1)
    early = stream.follow()
    stream.put(2)
    late = stream.follow()
    stream.put(3)
    stream.end()
    assert [item async for item in early] == [2, 3]
    assert [item async for item in late] == [3]
    assert [item async for item in stream.follow()] == []


async def test_a_follower_that_stops_gets_no_more() -> None:
    stream: Stream[int] = Stream()
    follower = stream.follow()
    stream.put(1)
    await follower.aclose()
    assert [item async for item in follower] == []


async def test_who_does_not_read_gets_one_item_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """[BR10] for what waits in the client."""
    monkeypatch.setattr(streams, "MOST_WAITING", 3)
    stream: Stream[str] = Stream(lambda newest: f"up to {newest}")
    slow = stream.follow()
    for item in "abcde":
        stream.put(item)
    stream.end()
    assert [item async for item in slow] == ["up to d", "e"]


async def test_a_follower_nobody_holds_is_forgotten() -> None:
    stream: Stream[int] = Stream()
    stream.follow()
    gc.collect()
    stream.put(1)
    assert not len(stream._followers)
