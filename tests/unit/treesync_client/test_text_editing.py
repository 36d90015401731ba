"""Typing through a LiveTree: what becomes one op, what folds into which, and what each caller is answered."""

from __future__ import annotations

import pytest

from sync import ops
from sync.identity import TreeKey
from tests.lines import Network, agree, landed
from treesync_client import Landed, Rejected


async def test_two_type_into_one_text_and_keep_all_of_it(network: Network, key: TreeKey) -> None:
    """[TX1] [RP11]"""
    async with network.client() as client, network.client("bo") as bo:
        tree, other = await client.open(key.tree), await bo.open(key.tree)
        await landed(tree.write("root", "description", "We grow. 🌱"))
        await agree(tree, other)
        answers = [tree.splice("root", "description", place, insert=letter) for place, letter in enumerate("Ada: ")]
        answers += [
            other.splice("root", "description", 10, insert="שלום"),
            other.splice("root", "title", 0, insert="e\u0301"),
        ]
        assert {(await landed(answer)).status for answer in answers} <= {"applied", "merged"}
        await agree(tree, other)
        assert sorted(tree.nodes["root"].description) == sorted("Ada: We grow. 🌱שלום")


async def test_what_is_typed_into_a_new_node_becomes_part_of_it(network: Network, key: TreeKey) -> None:
    """[RP11] Offline a node is made, named, described: one op."""
    async with network.client() as client:
        tree = await client.open(key.tree)
        async with client.offline():
            made = tree.insert("m1", parent="root", type="metric", title="M", template_data={"core_why": "be"})
            typed = [
                tree.splice("m1", "description", 0, insert="first"),
                tree.splice("m1", "title", 1, insert="etric"),
                tree.splice("m1", "template_data.core_why", 2, insert="cause"),
                tree.splice("m1", "metadata.note", 0, insert="new"),
            ]
            assert [type(op) for op in tree.unanswered] == [ops.Insert]
        answer = await made
        assert [await one for one in typed] == [answer] * 4
        node = tree.nodes["m1"]
        assert (node.title, node.description) == ("Metric", "first")
        assert (node.template_data, node.metadata) == ({"core_why": "because"}, {"note": "new"})


async def test_what_is_typed_over_a_value_becomes_part_of_it(network: Network, key: TreeKey) -> None:
    """[RP11] Most of a text taken away is a new value, and goes as one."""
    async with network.client() as client:
        tree = await client.open(key.tree)
        await landed(tree.write("root", "description", "a rather long description"))
        async with client.offline():
            replaced = tree.write("root", "description", "short")
            typed = tree.splice("root", "description", 5, insert=" and new")
            (op,) = tree.unanswered
            assert isinstance(op, ops.Update)
            assert op.set == {"description": "short and new"}
            assert op.was == {"description": "a rather long description"}
        assert await typed == await replaced
        assert tree.nodes["root"].description == "short and new"


@pytest.mark.parametrize(
    ("path", "delta"),
    [
        ("description", [0]),
        ("description", [""]),
        ("description", [-3]),
        ("description", ["half \ud83d"]),
        ("description", ["\x00"]),
        ("description", [100, "beyond"]),
        ("title", ["x" * 500]),
        ("position", ["x"]),
        ("template_data", ["x"]),
        ("template_data.number", ["x"]),
    ],
)
async def test_what_is_no_edit_of_a_text_is_refused_at_once(
    network: Network, key: TreeKey, path: str, delta: list[int | str]
) -> None:
    async with network.client() as client:
        tree = await client.open(key.tree)
        await landed(tree.update("root", {"template_data.number": 5}))
        with pytest.raises(Rejected):
            await tree.text("root", path, delta)
        with pytest.raises(Rejected):
            await tree.text("nowhere", path, delta)
        assert tree.unanswered == []


async def test_writing_what_stands_there_is_unchanged(network: Network, key: TreeKey) -> None:
    async with network.client() as client:
        tree = await client.open(key.tree)
        answer = await tree.write("root", "description", "")
        assert isinstance(answer, Landed)
        assert answer.status == "unchanged"
