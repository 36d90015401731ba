"""What ops are called in the activity feed, and a minute of typing as one activity."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync.activities import RUN, activity_of
from sync.ops import Op
from tests.rooms import Bench, title

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("op", "activity"),
    [
        ({"op": "text", "node": "a", "path": "description", "delta": ["x"]}, "node_edited"),
        ({"op": "text", "node": "a", "path": "template_data.core_why", "delta": ["x"]}, "template_filled"),
        ({"op": "update", "node": "a", "set": {"title": "x"}}, "node_edited"),
        ({"op": "update", "node": "a", "set": {"title": "x", "template_data.k": 1}}, "template_filled"),
        ({"op": "update", "connection": "c", "set": {"label": "x"}}, "connection_edited"),
        ({"op": "delete", "node": "a"}, "node_deleted"),
        ({"op": "configure", "set": {"name": "x"}}, "tree_edited"),
    ],
)
def test_ops_have_names(op: Json, activity: str) -> None:
    assert activity_of(msgspec.convert({"n": 1, "base": 0, **op}, Op)) == activity


class Typist:
    """People who type to a room; answers the activities that were stored."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.numbers: dict[str, int] = {}

    def type(self, *, user: str = "bo", path: str = "description", at: float = 0.0) -> list[str]:
        self.bench.now += at
        base = self.bench.room.seq
        self.bench.do(
            {"n": self.next(user), "base": base, "op": "text", "node": "root", "path": path, "delta": ["x"]}, user=user
        )
        return [op.activity for op in self.bench.batches[-1].ops]

    def next(self, user: str) -> int:
        self.numbers[user] = self.numbers.get(user, 0) + 1
        return self.numbers[user]


def test_a_minute_of_typing_is_one_activity() -> None:
    """[AC3]"""
    typist = Typist()
    assert typist.type() == ["node_edited"]
    assert typist.type(at=1.0) == typist.type(at=RUN - 1.5) == [""]
    assert typist.type(at=0.5) == ["node_edited"], "the next minute"
    assert typist.type(at=1.0) == [""]
    assert typist.type(at=-3600.0) == ["node_edited"], "a clock that was set back"


def test_another_field_or_another_person_is_another_activity() -> None:
    """[AC3]"""
    typist = Typist()
    assert typist.type() == ["node_edited"]
    assert typist.type(path="template_data.k") == ["template_filled"]
    assert typist.type(user="cy") == ["node_edited"]
    assert typist.type() == typist.type(user="cy") == [""]


def test_whole_values_are_an_activity_each() -> None:
    typist = Typist()
    typist.type()
    typist.bench.do(title(typist.next("bo"), "T", base=typist.bench.room.seq))
    typist.bench.do(title(typist.next("bo"), "U", base=typist.bench.room.seq))
    assert [op.activity for batch in typist.bench.batches[-2:] for op in batch.ops] == ["node_edited"] * 2


def test_what_was_not_stored_does_not_count() -> None:
    """A lost commit: the delta is judged again, and its activity with it."""
    typist = Typist()
    typist.bench.offer({"n": 1, "op": "text", "node": "root", "path": "description", "delta": ["x"], "base": 1})
    assert typist.bench.cut() is not None
    typist.bench.room.roll_back()
    typist.bench.settle()
    assert [op.activity for op in typist.bench.batches[-1].ops] == ["node_edited"]


def test_deltas_of_one_batch_are_one_activity() -> None:
    typist = Typist()
    delta = {"op": "text", "node": "root", "path": "description", "delta": ["x"], "base": 1}
    typist.bench.do({"n": 1, **delta}, {"n": 2, **delta})
    assert [op.activity for op in typist.bench.batches[-1].ops] == ["node_edited", ""]
