"""Taking back some ops of a log: what is left is exactly the rest."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sync import effects
from sync.history import tree_of_state
from sync.planning import Planned, planning
from sync.restoring import same_content
from sync.reverting import Behind, revert
from sync.unmaking import Selection, Unmaking
from sync.values import Refused
from sync.verdict import SetAside
from tests import past
from tests.trees import Grown, arbitrary, empty, image
from tests.unit.sync.test_restoring import carry_out


def unmade(one: Grown, **which: Any) -> Unmaking:
    selection = Selection(**{"first": 1, "last": one.seq, **which})
    first = next((row.seq for row in past.rows(one) if selection.takes(row)), one.seq + 1)
    unmaking = Unmaking(past.at(one, first - 1) if first > 1 else empty(), selection)
    for row in past.rows(one)[first - 1 :]:
        unmaking.feed(row)
    unmaking.through = one.seq
    return unmaking.end()


def reverted(one: Grown, **which: Any) -> Planned:
    """Plan a revert, see that planning left no trace, and carry it out."""
    before = image(one.tree)
    with planning(one.tree, one.seq, "eve", "revert:1", one.limits) as plan:
        planned = past.made(plan, revert(plan, unmade(one, **which)))
    assert image(one.tree) == before
    carry_out(one, planned.ops, "eve")
    return planned


@pytest.mark.parametrize("part", range(5))
def test_what_one_person_did_last_is_taken_back_to_the_letter(part: int) -> None:
    """[HI17]"""
    for seed in range(part * 100, part * 100 + 100):
        chance = Random(seed)
        one = past.grown(seed, 20)
        before = past.at(one, one.seq)
        seq, purged = one.seq, False
        for _ in range(chance.randrange(1, 15)):
            past.one_more(one, chance, ("dan",))
        purged = any(type(effect).__name__ == "Purge" for effect, _ in one.log[seq:])
        reverted(one, first=seq + 1)
        if not purged:
            assert same_content(one.tree, before), seed


def apart(seed: int, people: tuple[str, ...]) -> Grown:
    """Everybody works below a node of his own; `people` are those who do, of the same three with the same ideas."""
    chance = Random(seed)
    one = Grown()
    for who in past.PEOPLE:
        one.insert(f"{who}-top", None, who="eve")
    mirrored: dict[str, Grown] = {who: Grown() for who in past.PEOPLE}
    for who in past.PEOPLE:
        mirrored[who].insert(f"{who}-top")
    for _ in range(chance.randrange(5, 40)):
        who = chance.choice(past.PEOPLE)
        kind, numbers = chance.randrange(15), [chance.randrange(12) for _ in range(3)]
        op = _own(arbitrary(mirrored[who].tree, kind, *numbers), who)
        if op is None:
            continue
        try:
            mirrored[who].ask(op, mode="force", who=who)
        except (Refused, SetAside):
            continue
        if who in people:
            one.ask(op, mode="force", who=who)
    return one


def _own(op: dict[str, Any], who: str) -> dict[str, Any] | None:
    """The op on nodes of one person's own, below the top; None: it would be on something of everyone's."""

    def mine(name: str | None) -> str:
        return f"{who}-top" if name is None else name if name.startswith(who) else f"{who}-{name}"

    if op["op"] == "configure" or (op["op"] in ("delete", "move") and op["node"] == f"{who}-top"):
        return None
    op = dict(op)
    for field in ("node", "parent", "connection", "from", "to"):
        if field in op:
            op[field] = mine(op[field])
    if op.get("after"):
        op["after"] = mine(op["after"])
    if op["op"] == "import":
        op["nodes"] = [
            {**node, "id": mine(node["id"])} | ({"parent": mine(node["parent"])} if "parent" in node else {})
            for node in op["nodes"]
        ]
        op["connections"] = [{key: mine(value) for key, value in one.items()} for one in op["connections"]]
    return op


@pytest.mark.parametrize("part", range(10))
def test_reverting_all_that_one_person_did_leaves_the_rest_exactly(part: int) -> None:
    """[HI17] As if that person had never been there: a thousand logs of three, each on nodes of his own."""
    for seed in range(part * 100, part * 100 + 100):
        one, without = apart(seed, past.PEOPLE), apart(seed, ("ada", "cy"))
        reverted(one, user="bo")
        assert same_content(one.tree, without.tree), seed


# ---- one rule at a time


def pair() -> Grown:
    one = Grown()
    one.insert("root")
    one.insert("a", "root")
    one.insert("b", "root")
    return one


def title(one: Grown, node: str = "a") -> str:
    now = one.tree.node(node)
    assert now is not None
    return now.title


def test_a_person_is_taken_out_of_a_text() -> None:
    """[HI18]"""
    one = pair()
    one.ask({"op": "update", "node": "a", "set": {"title": "Grow"}})
    one.ask({"op": "text", "node": "a", "path": "title", "delta": [4, " very fast"]}, who="bo")
    one.ask({"op": "text", "node": "a", "path": "title", "delta": [9, "much ", 5, "!"]})
    one.ask({"op": "text", "node": "a", "path": "title", "delta": ["We ", 1, -1]}, who="bo")
    assert title(one) == "We Gow verymuch  fast!"
    planned = reverted(one, user="bo")
    assert title(one) == "Growmuch !"
    assert [(met.path, met.by, met.kept) for met in planned.collisions] == [("title", "ada", True)]


@pytest.mark.parametrize("values", [[1, "typed", "x"], ["a", None, "b"], ["text", 2, "words", [3]], [True, "", 0]])
def test_a_field_that_was_text_and_something_else_is_as_it_was(values: list[Any]) -> None:
    one = pair()
    one.ask({"op": "update", "node": "a", "set": {"metadata.k": "before"}})
    for value in values:
        one.ask({"op": "update", "node": "a", "set": {"metadata.k": value}}, who="bo")
    reverted(one, user="bo")
    assert one.tree.nodes["a"].node.metadata == {"k": "before"}


def test_a_value_that_another_has_set_since_stands() -> None:
    """[HI18]"""
    one = pair()
    one.ask({"op": "update", "node": "a", "set": {"title": "Bo's", "description": "Bo's"}}, who="bo")
    one.ask({"op": "update", "node": "a", "set": {"title": "Ada's"}})
    planned = reverted(one, user="bo")
    assert title(one) == "Ada's"
    assert one.tree.nodes["a"].node.description == ""
    assert [(met.path, met.by) for met in planned.collisions] == [("title", "ada")]


def test_a_node_stays_where_others_have_built_on_it() -> None:
    """[HI18]"""
    one = pair()
    one.insert("m", "root", who="bo")
    one.insert("below", "m")
    one.insert("mine", "m", who="bo")
    planned = reverted(one, user="bo")
    assert (one.children("root"), one.children("m")) == (["a", "b", "m"], ["below"])
    assert [(met.node, met.by, met.kept) for met in planned.collisions] == [("m", "ada", True)]


def test_a_node_stays_that_others_have_joined_to_something() -> None:
    """[HI18] Their connection would go with it; so does one of which they changed the label. His own goes."""
    one = pair()
    for node in ("m", "k", "j"):
        one.insert(node, "root", who="bo")
    one.ask({"op": "connect", "connection": "theirs", "from": "a", "to": "m"})
    one.ask({"op": "connect", "connection": "his", "from": "a", "to": "k"}, who="bo")
    one.ask({"op": "connect", "connection": "both", "from": "a", "to": "j"}, who="bo")
    one.ask({"op": "update", "connection": "both", "set": {"label": "Ada's"}})
    seq = one.seq
    planned = reverted(one, user="bo")
    assert one.children("root") == ["a", "b", "m", "j"]
    live = [name for name, held in one.tree.connections.items() if held.deleted is None]
    assert live == ["theirs", "both"]
    assert [(met.node or met.connection, met.by, met.seq, met.kept) for met in planned.collisions] == [
        ("m", "ada", seq - 3, True),
        ("j", "ada", seq, True),
        ("both", "ada", seq, True),
    ]


def test_all_that_stays_above_what_others_need_is_told() -> None:
    """[HI18]"""
    one = pair()
    for above, node in (("root", "m"), ("m", "k")):
        one.insert(node, above, who="bo")
    one.ask({"op": "update", "node": "k", "set": {"title": "Ada's"}})
    planned = reverted(one, user="bo")
    assert sorted((met.node, met.by, met.kept) for met in planned.collisions) == [
        ("k", "ada", True),
        ("m", "ada", True),
    ]


def test_what_others_deleted_or_brought_back_since_is_told() -> None:
    """[HI18] At the top of what went or came."""
    one = pair()
    one.insert("below", "a")
    one.ask({"op": "delete", "node": "a"}, who="bo")
    one.ask({"op": "restore", "node": "a"})
    one.ask({"op": "delete", "node": "a"})
    one.insert("m", "root", who="bo")
    one.ask({"op": "delete", "node": "m"})
    one.ask({"op": "restore", "node": "m"})
    planned = reverted(one, user="bo")
    assert planned.ops == []
    assert [(met.node, met.by, met.kept, met.why) for met in planned.collisions] == [
        ("a", "ada", True, "it was deleted since"),
        ("m", "ada", True, "it was brought back since"),
    ]


def test_what_others_made_in_the_trash_lives_with_what_it_stands_under() -> None:
    """[HI17] Bo deleted, ada made something there, bo took it out: neither leaves it in the trash."""
    one = pair()
    one.ask({"op": "delete", "node": "a"}, who="bo")
    one.insert("late", "a")
    one.ask({"op": "restore", "node": "a"}, who="bo")
    reverted(one, user="bo")
    assert one.children("a") == ["late"]


def test_a_connection_whose_id_was_given_again_joins_again_what_it_joined() -> None:
    """[HI17] With the label that it had."""
    one = pair()
    one.ask({"op": "connect", "connection": "x", "from": "a", "to": "b", "label": "first"})
    one.ask({"op": "disconnect", "connection": "x"}, who="bo")
    one.ask({"op": "connect", "connection": "x", "from": "root", "to": "b", "label": "second"}, who="bo")
    one.ask({"op": "update", "connection": "x", "set": {"label": "third"}}, who="bo")
    reverted(one, user="bo")
    joined = one.tree.connections["x"]
    assert (joined.deleted, joined.connection.source, joined.connection.label) == (None, "a", "first")


def test_moves_are_taken_back_in_the_order_in_which_things_stood() -> None:
    one = pair()
    one.insert("c", "root")
    one.insert("d", "root")
    for node in ("a", "b"):
        one.ask({"op": "move", "node": node, "after": "d" if node == "a" else "a"}, who="bo")
    assert one.children("root") == ["c", "d", "a", "b"]
    reverted(one, user="bo")
    assert one.children("root") == ["a", "b", "c", "d"]


def test_what_it_stood_under_may_be_gone_or_stand_below_it_now() -> None:
    """[HI19]"""
    one = pair()
    here = {"x": 0, "y": 0}
    one.ask({"op": "move", "node": "b", "parent": "a", "position": here})
    one.ask({"op": "move", "node": "b", "parent": "root", "position": here}, who="bo")
    one.ask({"op": "move", "node": "a", "parent": "b", "position": here})
    planned = reverted(one, user="bo")
    assert planned.ops == []
    assert planned.collisions[0].why == "what it stood under stands below it now"
    one = pair()
    one.ask({"op": "move", "node": "b", "parent": "a", "position": here})
    one.ask({"op": "move", "node": "b", "parent": "root", "position": here}, who="bo")
    one.ask({"op": "delete", "node": "a"})
    planned = reverted(one, user="bo")
    assert (planned.ops, planned.collisions[0].why) == ([], "where it stood is gone")


def test_what_was_purged_cannot_come_back() -> None:
    """[HI19]"""
    one = pair()
    one.ask({"op": "delete", "node": "a"}, who="bo")
    one.ask({"op": "purge", "node": "a"}, client="purge:1")
    planned = reverted(one, user="bo")
    assert (planned.ops, [met.why for met in planned.collisions]) == ([], ["it is gone for good"])


def test_a_plan_is_not_made_over_what_changed_since_the_log_was_read() -> None:
    one = pair()
    one.ask({"op": "update", "node": "a", "set": {"title": "Bo's"}}, who="bo")
    following = unmade(one, user="bo")
    one.ask({"op": "update", "node": "b", "set": {"title": "Elsewhere"}})
    with planning(one.tree, one.seq, "cy", "revert:1", one.limits) as plan:
        assert len(past.made(plan, revert(plan, following)).ops) == 1
    one.ask({"op": "update", "node": "a", "set": {"description": "Here"}})
    with planning(one.tree, one.seq, "cy", "revert:1", one.limits) as plan, pytest.raises(Behind):
        past.made(plan, revert(plan, following))


def test_keys_that_were_respaced_meanwhile_say_the_same_places() -> None:
    """[HI18] Bo moves a node; its siblings get new keys; the node comes back between the same two."""
    one = pair()
    one.insert("c", "root")
    one.insert("x", "root", after="a")
    one.ask({"op": "move", "node": "b", "after": "c"}, who="bo")
    key = 0
    while not any(stamp.user == "treesync" for _, stamp in one.log):
        one.insert(f"k{key}", "root", after="a")
        key += 1
    middle = [node for node in one.children("root") if node.startswith("k")]
    assert one.children("root") == ["a", *middle, "x", "c", "b"]
    reverted(one, user="bo")
    assert one.children("root") == ["a", *middle, "x", "b", "c"]


def unmade_from_a_version(one: Grown, kept_at: int, user: str) -> Unmaking:
    """Read from a version, which holds no trash."""
    unmaking = Unmaking(tree_of_state(past.at(one, kept_at).state()), Selection(first=1, last=one.seq, user=user))
    for row in past.rows(one)[kept_at:]:
        unmaking.feed(row)
    return unmaking.end()


def in_the_trash() -> Grown:
    """Node a, whose title is "Ada's", and its connection x, are in the trash; then bo changes all of it there."""
    one = pair()
    one.ask({"op": "update", "node": "a", "set": {"title": "Ada's", "metadata.k": 1}})
    one.ask({"op": "connect", "connection": "x", "from": "a", "to": "b", "label": "first"})
    one.ask({"op": "delete", "node": "a"})
    one.apply(effects.Text(node="a", path="title", delta=[5, " and Bo's"]), who="bo", client="b1")
    one.apply(effects.Update(node="a", set={"metadata.k": 2, "metadata.m": 3}), who="bo", client="b1")
    one.apply(effects.Update(connection="x", set={"label": "second"}), who="bo", client="b1")
    one.apply(effects.Move(node="a", parent="root", order="zz"), who="bo", client="b1")
    return one


@pytest.mark.parametrize("who", ["ada", "bo"])
def test_what_was_done_in_the_trash_is_taken_back_though_a_version_holds_none(who: str) -> None:
    """[HI17]"""
    one = in_the_trash()
    deleted = next(stamp.seq for effect, stamp in one.log if isinstance(effect, effects.Delete))
    one.ask({"op": "restore", "node": "a"}, who=who)
    if who == "bo":  # his taking it out is no making of it: what he did to it goes, though it stays
        one.insert("below", "a")
        one.ask({"op": "update", "node": "a", "set": {"description": "Bo's"}}, who="bo")
    following = unmade_from_a_version(one, deleted, "bo")
    assert following.count == (4 if who == "ada" else 6)
    with planning(one.tree, one.seq, "eve", "revert:1", one.limits) as plan:
        planned = past.made(plan, revert(plan, following))
    carry_out(one, planned.ops, "eve")
    now = one.tree.nodes["a"]
    assert (now.deleted, now.node.title, now.node.metadata) == (None, "Ada's", {"k": 1})
    assert now.node.description == ""
    assert one.children("root") == ["a", "b"]
    joined = one.tree.connections["x"]
    assert joined.connection.label == "first" if who == "ada" else joined.deleted is not None


def test_what_was_done_to_what_lies_in_the_trash_still_is_told_and_not_counted() -> None:
    """[HI19]"""
    one = in_the_trash()
    deleted = next(stamp.seq for effect, stamp in one.log if isinstance(effect, effects.Delete))
    one.ask({"op": "update", "node": "b", "set": {"title": "Bo's"}}, who="bo")
    following = unmade_from_a_version(one, deleted, "bo")
    assert following.count == 1
    with planning(one.tree, one.seq, "eve", "revert:1", one.limits) as plan:
        planned = past.made(plan, revert(plan, following))
    assert len(planned.ops) == 1
    assert [(met.node or met.connection, met.kept) for met in planned.collisions] == [
        ("a", True),
        ("a", True),
        ("x", True),
        ("a", True),
    ]
