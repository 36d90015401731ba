"""The guarantees of `sync.ports.Directory`, over every implementation."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sync.errors import NotFound, Unstorable
from sync.identity import Identity, TreeKey
from sync.listing import TreeFilter
from sync.ports import Visibility
from sync.protocol import Role
from tests.batches import author, first_batch
from tests.contract.conftest import Bench, raised


async def names(bench: Bench, identity: Identity) -> list[str]:
    return [line.name for line in await bench.directory.trees(identity, limit=100)]


async def test_a_person_may_be_admitted_again_and_again(bench: Bench) -> None:
    for name in ("ada", "ada", "Ada L."):
        await bench.directory.admit(bench.identity(name))
    await bench.directory.admit(bench.identity("ada", tenant=f"{bench.tenant}-b"))


async def test_create_numbers_trees_and_keeps_the_first_commit(bench: Bench) -> None:
    writer, other = await bench.create(name="One"), await bench.create(name="Two")
    assert writer.key.tenant == other.key.tenant == bench.tenant
    assert writer.key.tree != other.key.tree
    summary = await bench.directory.summary(bench.identity(), writer.key.tree)
    assert (summary.id, summary.name, summary.description) == (writer.key.tree, "One", "What we do next")
    assert (summary.owner, summary.role, summary.node_count) == ("ada", "owner", 3)
    assert (summary.visibility, summary.discovery_phase, summary.is_template) == ("private", "strategy", False)
    assert await bench.activities(writer.key)
    assert len([row for row in await bench.activities(writer.key) if row[0] == "tree_created"]) == 1


async def test_create_is_all_or_nothing(bench: Bench) -> None:
    identity = bench.identity()
    await bench.directory.admit(identity)
    first = first_batch(bench.tenant, name="Bad \x00 name")
    assert await raised(bench.directory.create(identity, first, "private", author())) is Unstorable
    assert await bench.directory.trees(identity, limit=10) == []


@pytest.mark.parametrize(
    ("visibility", "member", "expected"),
    [
        ("private", None, None),
        ("private", "viewer", "viewer"),
        ("private", "commenter", "commenter"),
        ("private", "editor", "editor"),
        ("private", "owner", "owner"),
        ("tenant_view", None, "viewer"),
        ("tenant_view", "editor", "editor"),
        ("tenant_edit", None, "editor"),
        ("tenant_edit", "viewer", "editor"),
        ("tenant_edit", "owner", "owner"),
    ],
)
async def test_the_role_is_the_higher_of_membership_and_visibility(
    bench: Bench, visibility: Visibility, member: Role | None, expected: Role | None
) -> None:
    key = (await bench.create(visibility=visibility)).key
    await bench.directory.set_member(key, "bo", member)
    bo = bench.identity("bo")
    await bench.directory.admit(bo)
    if expected is None:
        assert await raised(bench.directory.summary(bo, key.tree)) is NotFound
        assert await bench.directory.trees(bo, limit=10) == []
    else:
        assert (await bench.directory.summary(bo, key.tree)).role == expected
        assert [line.role for line in await bench.directory.trees(bo, limit=10)] == [expected]


async def test_an_admin_sees_all_of_the_own_tenant_and_nothing_else(bench: Bench) -> None:
    key = (await bench.create(name="Private")).key
    chief = bench.identity("chief", admin=True)
    stranger = bench.identity("chief", tenant=f"{bench.tenant}-b", admin=True)
    for identity in (chief, stranger):
        await bench.directory.admit(identity)
    assert (await bench.directory.summary(chief, key.tree)).role == "owner"
    assert await names(bench, chief) == ["Private"]
    assert await raised(bench.directory.summary(stranger, key.tree)) is NotFound
    assert await names(bench, stranger) == []


async def test_the_list_shows_the_last_updated_first_in_pages(bench: Bench) -> None:
    writers = []
    for name in ("one", "two", "three", "four"):
        writers.append(await bench.create(name=name))
        await bench.pass_time(1)
    writers[1].update("left", title="Touched")
    await bench.land(writers[1])
    identity = bench.identity()
    assert await names(bench, identity) == ["two", "four", "three", "one"]
    seen: list[str] = []
    before: str | None = None
    while page := await bench.directory.trees(identity, limit=3, before=before):
        seen += [line.name for line in page]
        before = f"{page[-1].updated_at}|{page[-1].id}"
    assert seen == ["two", "four", "three", "one"]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (TreeFilter(), ["Größer", "Small 50%"]),
        (TreeFilter(name="GRö"), ["Größer"]),
        (TreeFilter(name="%"), ["Small 50%"]),
        (TreeFilter(name="none"), []),
        (TreeFilter(is_template=False), ["Größer", "Small 50%"]),
        (TreeFilter(is_template=True), []),
        (TreeFilter(phase="strategy"), ["Größer", "Small 50%"]),
        (TreeFilter(phase="growth"), []),
        (TreeFilter(least_nodes=3), ["Größer"]),
        (TreeFilter(least_nodes=2, name="small"), ["Small 50%"]),
    ],
)
async def test_a_list_shows_what_it_is_asked_for(bench: Bench, only: TreeFilter, expected: list[str]) -> None:
    smaller = await bench.create(name="Small 50%")
    smaller.delete("left")
    await bench.land(smaller)
    await bench.pass_time(1)
    await bench.create(name="Größer")
    found = await bench.directory.trees(bench.identity(), limit=10, only=only)
    assert [line.name for line in found] == expected


async def test_a_list_of_what_was_updated_since(bench: Bench) -> None:
    first = await bench.create(name="first")
    await bench.pass_time(1)
    later = await bench.create(name="later")
    identity = bench.identity()
    since = datetime.fromisoformat((await bench.directory.summary(identity, later.key.tree)).updated_at)
    for moment, expected in ((since, ["later"]), (since - timedelta(days=1), ["later", "first"])):
        only = TreeFilter(updated_since=moment)
        assert [line.name for line in await bench.directory.trees(identity, limit=10, only=only)] == expected
    assert first.key != later.key


async def test_the_list_follows_the_edits(bench: Bench) -> None:
    writer = await bench.create(name="Before")
    writer.rename("After")
    writer.delete("left")
    await bench.land(writer)
    summary = await bench.directory.summary(bench.identity(), writer.key.tree)
    assert (summary.name, summary.node_count) == ("After", 2)


async def test_every_change_of_rights_raises_their_version(bench: Bench) -> None:
    key = (await bench.create()).key
    before = await bench.store.rights(key)
    made = await bench.directory.set_member(key, "not-yet-seen", "editor")
    assert made.members == {"not-yet-seen": "editor"}
    changed = await bench.directory.set_member(key, "not-yet-seen", "viewer")
    assert changed.members == {"not-yet-seen": "viewer"}
    removed = await bench.directory.set_member(key, "not-yet-seen", None)
    assert removed.members == {}
    opened = await bench.directory.set_visibility(key, "tenant_edit")
    assert opened.visibility == "tenant_edit"
    frozen = await bench.directory.set_frozen(key, True)
    assert frozen.frozen
    thawed = await bench.directory.set_frozen(key, False)
    assert not thawed.frozen
    versions = [rights.version for rights in (before, made, changed, removed, opened, frozen, thawed)]
    assert versions == sorted(set(versions))
    assert await bench.store.rights(key) == thawed
    assert (await bench.store.load(key)).rights == thawed


async def test_a_trashed_tree_is_gone_for_everyone(bench: Bench) -> None:
    key = (await bench.create()).key
    rights = await bench.directory.trash_tree(key)
    assert rights.deleted
    assert await raised(bench.directory.summary(bench.identity(), key.tree)) is NotFound
    assert await names(bench, bench.identity("chief", admin=True)) == []
    assert await raised(bench.directory.trash_tree(key)) is NotFound


async def test_rights_of_a_foreign_tree_cannot_be_changed(bench: Bench) -> None:
    key = (await bench.create()).key
    before = await bench.store.rights(key)
    foreign = TreeKey("somebody-else", key.tree)
    for attempt in (
        bench.directory.set_member(foreign, "eve", "owner"),
        bench.directory.set_visibility(foreign, "tenant_edit"),
        bench.directory.set_frozen(foreign, True),
        bench.directory.trash_tree(foreign),
    ):
        assert await raised(attempt) is NotFound
    assert await bench.store.rights(key) == before
