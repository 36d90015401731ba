"""What must hold of a tree's past for every log (HI), shown for many random ones.

`python -m tests.past_proofs --logs 100000 --first 0` for more than a run of the tests takes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from random import Random
from typing import Any

import msgspec

from sync.apply import Stamp, apply
from sync.codec import JSON
from sync.history import tree_of_version
from sync.ops import Op
from sync.planning import Planned, planning
from sync.ports import LoggedOp
from sync.restoring import aim_at, restore, same_content
from sync.reverting import revert
from sync.tree import Tree
from sync.unmaking import Selection, Unmaking
from sync.values import ABSENT
from sync.versions import TreeVersion
from tests import past
from tests.never_made import NeverMade, Thing, of_node, says
from tests.trees import Grown, empty

VERSIONS = 4  # of each log, at random
TRASHED = "it lay in the trash then, and does"
GONE = {
    "it is gone for good",
    "what it stood under is gone",
    "one of its ends is gone",
    TRASHED,
}


def prove(seed: int, found: Counter[str]) -> None:
    """Everything about one log; `found` counts what was met, so that a test can tell that it was."""
    chance = Random(seed)
    one = past.grown(seed)
    rows = past.rows(one)
    for seq in sorted({one.seq, *(chance.randint(0, one.seq) for _ in range(VERSIONS))}):
        check_version(one, rows, seq)
        found["versions"] += 1
    check_restored_and_undone(one, rows, chance.randint(1, one.seq), found)
    for who in past.PEOPLE:
        check_reverted(seed, {"user": who}, found)
    first = chance.randint(1, one.seq)
    check_reverted(seed, {"first": first, "last": chance.randint(first, one.seq)}, found)
    check_reverted(seed, {"first": first, "last": first}, found)


# ---- versions


def check_version(one: Grown, rows: list[LoggedOp], seq: int) -> None:
    """[HI6] A version and the ops after it are the tree: all that lives, to the letter; of the trash what was deleted
    since, for a version holds none."""
    version = TreeVersion(number=1, seq=seq, epoch="e1", state=JSON.encode_value(past.at(one, seq).state()))
    tree = tree_of_version(version)
    for row in rows[seq:]:
        apply(tree, row.effect, Stamp(row.seq, row.author.user, row.author.client))
    tree.check()
    assert tree.digest == one.tree.digest
    assert tree.details.details == one.tree.details.details
    assert _kept(tree, 0) == _kept(one.tree, seq)
    joined = {name: held.connection for name, held in tree.connections.items() if held.deleted is None}
    assert joined == {name: held.connection for name, held in one.tree.connections.items() if held.deleted is None}
    assert tree.connections.keys() <= one.tree.connections.keys()


def _kept(tree: Tree, since: int) -> dict[str, Any]:
    held = tree.nodes.items()
    return {name: (one.node, one.deleted) for name, one in held if one.deleted is None or one.deleted > since}


# ---- going back


def _carried_out(tree: Tree, seq: int, ops: list[Op], user: str) -> list[LoggedOp]:
    """Ops made as the room makes them: on a tree of its own, with what the log keeps of them."""
    one = Grown()
    one.tree, one.seq = tree, seq
    for op in ops:
        asked: Any = msgspec.to_builtins(op)
        verdict = one.ask({**asked}, mode="force", who=user, client="restore:1", base=asked.pop("base"))
        assert verdict.effect is not None, "nothing is planned that changes nothing"
    return past.rows(one)


def _unmade(rows: list[LoggedOp], **which: Any) -> Unmaking:
    selection = Selection(**{"first": 1, "last": len(rows), **which})
    unmaking = Unmaking(empty(), selection)
    for row in rows:
        unmaking.feed(row)
    return unmaking.end()


def check_restored_and_undone(one: Grown, rows: list[LoggedOp], seq: int, found: Counter[str]) -> None:
    """[HI12] A restore makes the tree what it was, a dry run lists those very ops (HI14), its undo takes all of it
    back (HI16)."""
    tree = one.tree.copy()
    aim = aim_at(past.at(one, seq).state(), seq)
    foreseen = _planned_restore(one, tree.copy(), aim)
    planned = _planned_restore(one, tree, aim)
    assert planned == foreseen
    made = _carried_out(tree, one.seq, planned.ops, "ada")
    assert same_content(tree, past.at(one, seq))
    log = [*rows, *made]
    with planning(tree, len(log), "ada", "revert:1", one.limits) as plan:
        undo = past.made(plan, revert(plan, _unmade(log, client="restore:1", first=one.seq + 1)))
    _carried_out(tree, len(log), undo.ops, "ada")
    assert same_content(tree, one.tree)
    found["restored ops"] += len(planned.ops)


def _planned_restore(one: Grown, tree: Tree, aim: Any) -> Planned:
    with planning(tree, one.seq, "ada", "restore:1", one.limits) as plan:
        return past.made(plan, restore(plan, aim))


def check_reverted(seed: int, which: dict[str, Any], found: Counter[str]) -> None:
    """[HI17] [HI18] A revert leaves the rest exactly (`never_made` says what that is); what depends on what was taken
    back stays, and each such thing is a collision with `kept`."""
    one = past.grown(seed, purges=False)
    rows = past.rows(one)
    unmaking = _unmade(rows, **which)
    selection = Selection(**{"first": 1, "last": len(rows), **which})
    tree = one.tree.copy()
    with planning(tree, one.seq, "eve", "revert:1", one.limits) as plan:
        planned = past.made(plan, revert(plan, unmaking))
    _carried_out(tree, one.seq, planned.ops, "eve")
    tree.check()
    never = NeverMade(rows, selection.takes)
    found["reverted ops"] += len(planned.ops)
    found["kept"] += sum(met.kept for met in planned.collisions)
    _Rest(one.tree, tree, never, planned).check()


class _Rest:
    def __init__(self, before: Tree, after: Tree, never: NeverMade, planned: Planned) -> None:
        self._before = before
        self._after = after
        self._never = never
        self._kept: dict[tuple[Thing, str], str] = {}
        for met in planned.collisions:
            if met.kept:
                thing = (
                    ("connection", met.connection)
                    if met.connection
                    else ("node", met.node)
                    if met.node
                    else ("tree", "")
                )
                self._kept[thing, met.path] = met.why

    def check(self) -> None:
        for node, held in self._before.nodes.items():
            self._check(("node", node), held.deleted is None, of_node(held.node))
        for one, joined in self._before.connections.items():
            if (
                joined.deleted in self._never.deletes and ("connection", one) not in self._never.lives
            ):  # it waits for what that took
                ends = {("node", joined.connection.source), ("node", joined.connection.target)}
                self._never.follows.setdefault(("connection", one), sorted(ends))
            fields = says(joined.connection, ("source", "target", "label"), ())
            self._check(("connection", one), joined.deleted is None, fields)
        details = self._before.details.details
        self._check(
            ("tree", ""),
            True,
            says(details, ("name", "description", "discovery_phase", "is_template"), ("canvas_state",)),
        )
        assert self._after.nodes.keys() == self._before.nodes.keys(), "a revert makes no node"

    def _check(self, thing: Thing, lived: bool, fields: dict[str, Any]) -> None:
        lives, says_now = self._now(thing)
        wanted = self._never.lives.get(thing, lived)
        if thing in self._never.follows and not (thing in self._never.either and lives == wanted):
            wanted = all(self._now(above)[0] for above in self._never.follows[thing])
        if lives != wanted and (thing, "placement") not in self._kept:
            why = self._kept.get((thing, "node"))
            assert why is not None, f"{thing} lives: {lives}, and nobody is told"
            assert (why in GONE) == wanted, f"{thing}: {why}"
            assert why in GONE or self._others_need(thing), f"{thing} stays for nobody: {why}"
        if not lives or self._kept.get((thing, "node")) == TRASHED:
            return
        stays_whole = not wanted and thing in self._never.made
        for path in {**fields, **says_now, **dict.fromkeys(path for one, path in self._never.fields if one == thing)}:
            never = None if stays_whole else self._never.fields.get((thing, path))
            expected = fields.get(path, ABSENT) if never is None else never.value
            if path == "order":  # a key says no more than a place among siblings, which is looked at apart
                continue
            told = "placement" if path == "parent" else path
            now = says_now.get(path, ABSENT)
            if now != expected:
                assert (thing, told) in self._kept, f"{thing} {path} is {now!r}, not {expected!r}"

    def _others_need(self, thing: Thing) -> bool:
        """Whether others have changed it or built on it, or a thing that they need stands below it."""
        if thing[0] != "node":
            return thing in self._never.others
        below = {node for node, _ in self._after.subtree(thing[1])}
        joined = {one for node in below for one in self._after.touching(node)}
        things = {*(("node", node) for node in below), *(("connection", one) for one in joined)}
        return bool(things & self._never.others)

    def _now(self, thing: Thing) -> tuple[bool, dict[str, Any]]:
        kind, name = thing
        if kind == "node":
            held = self._after.nodes[name]
            return held.deleted is None, of_node(held.node)
        if kind == "connection":
            joined = self._after.connections[name]
            return joined.deleted is None, says(joined.connection, ("source", "target", "label"), ())
        return True, says(
            self._after.details.details, ("name", "description", "discovery_phase", "is_template"), ("canvas_state",)
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.past_proofs", description=__doc__)
    parser.add_argument("--logs", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    asked = parser.parse_args()
    found: Counter[str] = Counter()
    for seed in range(asked.first, asked.first + asked.logs):
        try:
            prove(seed, found)
        except AssertionError as error:
            raise SystemExit(f"seed {seed}: {error}") from error
    print(f"{asked.logs} logs from seed {asked.first} on: {dict(found)}")


if __name__ == "__main__":
    main()
