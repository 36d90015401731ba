"""What the benchmarks send and how they look: trees, messages, the watch on a loop, the lines of a comparison."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.compare import Measures, Side
from benchmarks.opening import NODES, SnapshotEnd, realistic
from benchmarks.peers import Counter, client_frame
from benchmarks.peers_yjs.__main__ import _variable
from benchmarks.replay import _STATUS
from benchmarks.scenarios import _RESULT
from benchmarks.watched import Watch
from sync.codec import JSON
from sync.progress_message import NodeProgress
from sync.protocol import Outcome, Result
from tests.waiting import until


def test_a_large_tree_is_a_tree_with_content() -> None:
    nodes = realistic(NODES)
    assert len(nodes) == len({node["id"] for node in nodes}) == NODES
    known = {"root"}
    for node in nodes[1:]:
        assert node["parent"] in known, "parents come first"
        known.add(node["id"])
    assert 200 < len(json.dumps(nodes)) / NODES < 400


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_token_that_two_reads_share_is_counted_once(cut: int) -> None:
    stream = b'{"status":1},{"status":2}'
    counter = Counter(b'"status":')
    assert counter.feed(stream[:cut]) + counter.feed(stream[cut:]) == 2


def test_answers_are_told_from_progress() -> None:
    """A result has its n first; the status of a node's progress comes first there."""
    result = JSON.encode(
        Outcome(ref="r", tree=1, seq=4, results=[Result(n=1, status="applied", seq=3), Result(n=2, status="conflict")])
    )
    progress = JSON.encode_value(NodeProgress(status="complete", fill_rate=1.0))
    assert b'"status":' in progress
    assert (Counter(_RESULT).feed(result), Counter(_RESULT).feed(progress)) == (2, 0)
    assert (Counter(_STATUS).feed(result), Counter(_STATUS).feed(progress)) == (2, 0)


@pytest.mark.parametrize(("size", "head"), [(5, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_frames_are_masked_with_zeros(size: int, head: int) -> None:
    frame = client_frame(b"x" * size)
    assert frame[1] & 0x80
    assert frame[head : head + 4] == bytes(4)
    assert frame[head + 4 :] == b"x" * size


def whole(payload: bytes) -> bytes:
    size = len(payload)
    return b"\x81" + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + payload


@pytest.mark.parametrize("read", [1, 7, 100, 10_000])
async def test_a_snapshot_ends_with_its_last_part_and_what_follows_is_none_of_it(read: int) -> None:
    parts = [
        whole(b'{"type":"snapshot","tree":1,"part":%d,"parts":2,"state":{"nodes":[%s]}}' % (part, b" " * 300))
        for part in (1, 2)
    ]
    parts[0] = parts[0].replace(b'"part":1,', b"")  # left out where it is 1
    parts[0] = whole(parts[0][4:])
    stream = whole(b'{"type":"presence"}') + parts[0] + parts[1] + whole(b'{"type":"progress","part":2}')
    end = SnapshotEnd()
    last = len(stream) - len(whole(b'{"type":"progress","part":2}'))
    for start in range(0, len(stream), read):
        end.data_received(stream[start : start + read])
        assert end.ended.done() == (start + read >= last)
    assert end.size == len(parts[0]) + len(parts[1])


@pytest.mark.parametrize(("number", "taken"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")])
def test_lengths_are_written_as_lib0_does(number: int, taken: bytes) -> None:
    assert _variable(number) == taken


async def test_the_watch_sees_a_blocked_loop() -> None:
    watch = Watch()
    ticking = asyncio.create_task(watch.tick(), name="watch")
    await asyncio.sleep(0)
    time.sleep(0.03)  # noqa: ASYNC251  that is what it is there for
    await until(lambda: watch.longest > 0.0, "the next tick")
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    assert watch.longest > 0.025


def test_two_checkouts_take_turns_and_each_goes_first_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    speeds = iter([200.0, 100.0, 100.0, 200.0])

    async def measured(side: Side, seconds: float) -> Measures:
        order.append(side.checkout.name)
        return (
            {"edits/s": next(speeds), "only here": 1.0} if side.checkout.name == "this" else {"edits/s": next(speeds)}
        )

    monkeypatch.setitem(compare.COMPARED, "B1", measured)
    lines = list(compare.compare("B1", [Side(Path("this"), []), Side(Path("other"), [])], 2, 1.0))
    assert order == ["other", "this", "this", "other"]
    assert lines == ["B1       edits/s                                100.00       200.00    0.500 (0.500-0.500) *"]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"), [([1.0, 2.0], [2.0, 1.0], " 1.250 (0.500-2.000)"), ([1.0], [0.0], "-")]
)
def test_a_ratio_is_marked_only_where_all_rounds_agree(ours: list[float], theirs: list[float], said: str) -> None:
    assert compare._line("B1", "edits/s", ours, theirs).endswith(said)
