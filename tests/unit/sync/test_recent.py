"""The newest commits of a room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import recent
from sync.codec import JSON
from sync.effects import Delete
from sync.protocol import Ops
from sync.recent import Commit, Recent


def commit(after: int, count: int) -> Commit:
    ops = [Delete(node=f"n{one}") for one in range(count)]
    seq = after + count
    return Commit(Ops(tree=1, after=after, seq=seq, mark=f"m{seq}", at="", authors=[], ops=list(ops)))


@given(counts=st.lists(st.integers(1, 4), max_size=30), kept=st.integers(1, 20))
def test_they_are_a_run_without_a_gap_of_a_bounded_length(counts: list[int], kept: int) -> None:
    """[BR1]"""
    before = recent.KEPT_OPS
    recent.KEPT_OPS = kept
    try:
        run = Recent(10, "m10")
        ends = {10: "m10"}
        seq = 10
        for count in counts:
            run.append(commit(seq, count))
            seq += count
            ends[seq] = f"m{seq}"
        held = run.after(run.seq)
        assert [one.ops.after for one in held] == [run.seq, *(one.ops.seq for one in held[:-1])][: len(held)]
        assert (held[-1].ops.seq if held else run.seq) == seq
        assert sum(len(one.ops.ops) for one in held) <= max(kept, counts[-1] if counts else 0)
        for place in range(9, seq + 2):
            expected = ends.get(place) if place >= run.seq else None
            assert run.mark_at(place) == expected
        for place in ends:
            if place >= run.seq:
                assert [one.ops.after for one in run.after(place)] == [
                    one.ops.after for one in held if one.ops.after >= place
                ]
    finally:
        recent.KEPT_OPS = before


def test_they_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "KEPT_BYTES", 300)
    run = Recent(0, "")
    for seq in range(3):
        one = commit(seq, 1)
        one.encoded(JSON)
        run.append(one)
    assert run.seq == 1
    assert (run.mark, run.mark_at(0)) == ("m1", None)


def test_a_commit_is_encoded_once() -> None:
    """[BR2]"""
    one = commit(0, 1)
    assert one.encoded(JSON) is one.encoded(JSON)
    run = Recent(0, "")
    run.append(one)
    assert run.newest_frame(JSON) is one.encoded(JSON)
