"""Stacks of a running server: cleaned of this machine's folders, and counted to the steps of an edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import costs
from benchmarks.costs import shares, step_of
from benchmarks.machine import CHECKOUT
from benchmarks.sampling import folded, scrubbed

HERE = Path("/home/someone/treesync")


@pytest.mark.parametrize(
    ("frame", "clean"),
    [
        ("Room.cut (sync/room.py:149)", "Room.cut (sync/room.py)"),
        ("Room.cut (/home/someone/treesync/sync/room.py:149)", "Room.cut (sync/room.py)"),
        (
            "execute (/home/someone/treesync/.venv/lib/python3.11/site-packages/asyncpg/pool.py:9)",
            "execute (asyncpg/pool.py)",
        ),
        ("run (/opt/python/lib/python3.11/asyncio/runners.py:118)", "run (asyncio/runners.py)"),
        ("uv_run (/build/source/vendor/libuv/src/unix/core.c:452)", "uv_run (core.c)"),
        ("0x7fe908a4524a (/usr/lib/libc.so.6)", "native code (libc.so.6)"),
        ("<module> (<frozen runpy>:88)", "<module> (<frozen runpy>)"),
        ("f.<locals>.<lambda> (sync/reach.py:26)", "f.<locals>.<lambda> (sync/reach.py)"),
        ("without a place", "without a place"),
    ],
)
def test_frames_lose_their_line_and_what_names_this_machine(frame: str, clean: str) -> None:
    assert scrubbed(frame, HERE) == clean


def test_raw_stacks_are_counted_and_those_that_only_wait_left_out() -> None:
    raw = ["a (x.py:1);b (y.py:2) 3", "a (x.py:9);b (y.py:8) 2", "a (x.py:1);epoll_pwait (libc.so.6) 50", ""]
    raw += ["_worker (/usr/lib/python3.11/concurrent/futures/thread.py:81);0x7f (libc.so.6) 90"]
    assert folded(raw, HERE) == {("a (x.py)", "b (y.py)"): 5}


OUTER = ("run (asyncio/runners.py)", "CommitLoop.run (sync/commit.py)")


@pytest.mark.parametrize(
    ("inner", "step"),
    [
        (("WebSocket.data_received (server/transport.py)", "FrameParser.feed (server/frames.py)"), costs.READ),
        (("Codec.decode (sync/codec.py)",), costs.DECODE),
        (("Connection.received (server/connection.py)",), costs.ADMIT),
        (("Room.cut (sync/room.py)", "Node.replace (sync/nodes.py)", "Struct_replace (msgspec/_core.so)"), costs.JUDGE),
        (("columns (storage/commits.py)", "<listcomp> (storage/commits.py)"), costs.COLUMNS),
        (("PostgresStore.commit (storage/postgres.py)", "execute (asyncpg/connection.py)"), costs.DRIVER),
        (
            ("Delivery.commit (sync/delivery.py)", "WebSocket.write (server/transport.py)", "write (libc.so.6)"),
            costs.WRITE,
        ),
        (("Room.settle (sync/room.py)",), costs.SETTLE),
        ((), costs.LOOP),
    ],
)
def test_a_stack_belongs_to_the_innermost_step(inner: tuple[str, ...], step: str) -> None:
    assert step_of(OUTER + inner) == step


def test_what_is_in_no_step_is_the_rest() -> None:
    assert step_of(("main (server/__main__.py)", "uv_run (core.c)")) == costs.REST


def test_shares_add_up() -> None:
    found = shares({(*OUTER, "Room.cut (sync/room.py)"): 3, ("uv_run (core.c)",): 1})
    assert found[costs.JUDGE] == 0.75
    assert sum(found.values()) == pytest.approx(1.0)
    assert set(found) == set(costs.STEPS)


def test_the_files_that_the_steps_name_are_there() -> None:
    """A module that was moved would silently turn into the rest."""
    named = {file for file, _, _ in costs._RULES if file.endswith(".py")}
    assert [file for file in named if not (CHECKOUT / file).exists()] == []
