"""What the people in a tree are told of its progress: soon after the edit, once, and slow readers too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sync import progress, progress_news, tallies
from sync.errors import Unavailable
from sync.identity import TreeKey
from sync.node_templates import standard_templates
from sync.owners import OTHERS_SECONDS, OtherTrees, OwnerNews
from sync.progress_news import TELL_SECONDS
from sync.tallies import TEMPLATES_SECONDS
from sync.templates import Field, Template, TemplateSet
from tests.clocks import settle
from tests.hubs import Deployment, ListOutbox, Socket, root

DONE = {"template_data.completion_status": "done"}


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    one = Deployment(hubs=2)
    await one.start()
    yield one
    await one.close()


async def opened(deployment: Deployment) -> tuple[Socket, TreeKey]:
    key = await deployment.tree(root())
    ada = deployment.socket("ada")
    await ada.open(key)
    await deployment.clock.advance(TELL_SECONDS)
    return ada, key


def told(socket: Socket) -> list[dict[str, Any]]:
    outbox = socket.outbox
    assert isinstance(outbox, ListOutbox)
    return outbox.take("progress")


async def test_pg9_whoever_opens_a_tree_is_told_how_far_it_is(deployment: Deployment) -> None:
    """[PG9]"""
    ada, _ = await opened(deployment)
    [message] = told(ada)
    assert (message["whole"], message["seq"], message["nodes"]) == (True, 2, {})
    assert message["summary"]["total_nodes"] == 1


async def test_pg8_a_change_is_told_within_a_second_and_several_as_one(deployment: Deployment) -> None:
    """[PG8]"""
    ada, key = await opened(deployment)
    bo = deployment.socket("bo", hub=1)
    await bo.open(key)
    await deployment.clock.advance(TELL_SECONDS)
    told(ada), told(bo)
    await ada.ask(key, {"op": "insert", "node": "a", "parent": "root", "type": "outcome", "title": "A"})
    await ada.ask(key, {"op": "update", "node": "a", "set": DONE})
    await deployment.clock.advance(1.0)
    for socket in (ada, bo):
        [message] = told(socket)
        assert set(message["nodes"]) == {"a", "root"}
        assert message["nodes"]["a"]["status"] == "complete"
        assert message["nodes"]["root"]["branch_completion"] == 0.5
        assert message["summary"]["completion_rate"] == 0.5
        [domain] = message["domains"]
        assert (domain["node"], domain["maturity"]) == ("a", "mature")


async def test_pg8_what_changes_no_progress_tells_nothing(deployment: Deployment) -> None:
    """[PG8]"""
    ada, key = await opened(deployment)
    told(ada)
    await ada.ask(key, {"op": "update", "node": "root", "set": {"title": "Other"}})
    await deployment.clock.advance(1.0)
    assert told(ada) == []


async def test_pg8_a_root_that_goes_is_told_though_it_touches_nobody(deployment: Deployment) -> None:
    """[PG8]"""
    ada, key = await opened(deployment)
    await ada.ask(key, {"op": "insert", "node": "second", "parent": None, "type": "objective", "title": "S"})
    await ada.ask(key, {"op": "insert", "node": "third", "parent": None, "type": "objective", "title": "T"})
    for node, left in (("third", 2), ("second", 1), ("root", 0)):
        await deployment.clock.advance(TELL_SECONDS)
        told(ada)
        await ada.ask(key, {"op": "delete", "node": node})
        await deployment.clock.advance(TELL_SECONDS)
        assert [message["summary"]["total_nodes"] for message in told(ada)] == [left]


async def test_pg9_who_reads_slowly_is_told_the_state_when_he_has_read(deployment: Deployment) -> None:
    """[PG9]"""
    ada, key = await opened(deployment)
    told(ada)
    assert isinstance(ada.outbox, ListOutbox)
    ada.outbox.full = True
    bo = deployment.socket("bo")
    await bo.open(key)
    for said in ("wip", "done"):
        await bo.ask(key, {"op": "update", "node": "root", "set": {"template_data.completion_status": said}})
        await deployment.clock.advance(TELL_SECONDS)
    assert told(ada) == []
    ada.outbox.full = False
    ada.hub.drained(ada.session)
    await deployment.clock.advance(TELL_SECONDS)
    [message] = told(ada)
    assert message["nodes"]["root"]["status"] == "complete"


async def test_pg9_who_reads_slowly_hears_of_a_root_that_went_too(deployment: Deployment) -> None:
    """[PG9]"""
    ada, key = await opened(deployment)
    for node in ("second", "third"):
        await ada.ask(key, {"op": "insert", "node": node, "parent": None, "type": "objective", "title": "S"})
    await deployment.clock.advance(TELL_SECONDS)
    told(ada)
    assert isinstance(ada.outbox, ListOutbox)
    ada.outbox.full = True
    bo = deployment.socket("bo")
    await bo.open(key)
    await deployment.clock.advance(TELL_SECONDS)
    await bo.ask(key, {"op": "delete", "node": "third"})
    await deployment.clock.advance(TELL_SECONDS)
    assert [message["summary"]["total_nodes"] for message in told(bo)][-1] == 2
    ada.outbox.full = False
    ada.hub.drained(ada.session)
    await deployment.clock.advance(TELL_SECONDS)
    assert [message["summary"]["total_nodes"] for message in told(ada)] == [2]


async def test_pg9_much_comes_in_parts(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """[PG9]"""
    monkeypatch.setattr(progress_news, "PART_NODES", 2)
    ada, key = await opened(deployment)
    nodes = [{"id": f"m{one}", "type": "metric", "title": "M", "template_data": {"unit": "%"}} for one in range(4)]
    told(ada)
    await ada.ask(key, {"op": "import", "parent": "root", "nodes": nodes})
    await deployment.clock.advance(TELL_SECONDS)
    messages = told(ada)
    assert [message["whole"] for message in messages] == [True, False, False]
    assert {node for message in messages for node in message["nodes"]} == {"root", "m0", "m1", "m2", "m3"}


class OwnTemplates:
    """A tenant's own, which may be away."""

    def __init__(self) -> None:
        self.kept = standard_templates()
        self.away = False

    async def node_templates(self, tenant: str) -> TemplateSet:
        if self.away:
            raise Unavailable("the database is away")
        return self.kept


async def test_pg2_other_templates_make_other_progress(deployment: Deployment) -> None:
    """[PG2]"""
    own = OwnTemplates()
    hub = deployment.hubs[0]
    hub.tallies._templates = own
    own.away = True
    ada, key = await opened(deployment)
    assert told(ada) == [], "no progress without its templates"
    own.away = False
    await ada.ask(key, {"op": "update", "node": "root", "set": {"template_data.budget": 5}})
    await deployment.clock.advance(TELL_SECONDS)
    assert [message["summary"]["fill_rate"] for message in told(ada)] == [0.0]
    budget = Template(fields=[Field(name="budget", label="Budget", kind="number")])
    own.kept = TemplateSet(version=1, templates={**own.kept.templates, "objective": budget})
    hub.tallies.templates_changed("acme")
    await deployment.clock.advance(TELL_SECONDS)
    [message] = told(ada)
    assert (message["whole"], message["summary"]["fill_rate"]) == (True, 1.0)
    await deployment.clock.advance(TEMPLATES_SECONDS + 1)
    assert told(ada) == [], "read again, and the same"


async def test_progress_is_followed_while_rooms_come_and_go(deployment: Deployment) -> None:
    ada, key = await opened(deployment)
    hub = deployment.hubs[0]
    counted = await hub.progress(ada.session.identity, key.tree)
    assert counted.tally.summary().total_nodes == 1
    hub.leave(ada.session)
    await settle()
    await deployment.clock.advance(120.0)
    assert hub.places() == []
    assert hub.tallies._counted == {}


async def test_a_commit_that_names_much_is_judged_a_share_at_a_time(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[PG8] With others' turns between the shares."""
    monkeypatch.setattr(progress, "SHARE_NODES", 2)
    monkeypatch.setattr(tallies, "_FOLLOWED_AT_ONCE", 2)
    ada, key = await opened(deployment)
    told(ada)
    nodes = [{"id": f"m{one}", "type": "metric", "title": "M"} for one in range(5)]
    await ada.ask(key, {"op": "import", "parent": "root", "nodes": nodes})
    hub, turns = deployment.hubs[0], deployment.clock.sleeping
    counting = asyncio.create_task(hub.progress(ada.session.identity, key.tree))
    await settle()
    assert (counting.done(), deployment.clock.sleeping) == (False, turns + 1)
    await deployment.clock.advance(TELL_SECONDS)
    assert (await counting).tally.summary().total_nodes == 6
    assert told(ada)[-1]["summary"]["total_nodes"] == 6


async def test_a_large_tree_is_counted_once_for_all_who_ask(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SHARE_NODES", 2)
    key = await deployment.tree(root(), *(root(f"r{one}") for one in range(4)))
    hub, began = deployment.hubs[0], []
    anew = tallies._anew

    def watched(*asked: Any) -> Any:
        began.append(asked)
        return anew(*asked)

    monkeypatch.setattr(tallies, "_anew", watched)
    who = deployment.socket("ada").session.identity
    asking = [asyncio.create_task(hub.progress(who, key.tree)) for _ in range(5)]
    await settle()
    assert not any(one.done() for one in asking)
    await deployment.clock.advance(0.1)
    found = await asyncio.gather(*asking)
    assert len(began) == len(set(map(id, found))) == 1


async def test_a_tree_that_keeps_changing_that_much_is_counted_in_one_piece_in_the_end(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SHARE_NODES", 1)
    monkeypatch.setattr(tallies, "_FOLLOWED_AT_ONCE", 0)
    monkeypatch.setattr(tallies, "_TIMES", 1)
    ada, key = await opened(deployment)
    hub, turns = deployment.hubs[0], deployment.clock.sleeping
    await ada.ask(key, {"op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "A"})
    asking = asyncio.create_task(hub.progress(ada.session.identity, key.tree))
    await settle()
    assert deployment.clock.sleeping == turns + 1, "it is being counted"
    await ada.ask(key, {"op": "insert", "node": "b", "parent": "root", "type": "metric", "title": "B"})
    await deployment.clock.advance(0)
    counted = await asking
    assert (counted.seq, counted.tally.summary().total_nodes) == (counted.room.seq, 3)


async def test_pg2_templates_read_before_they_were_changed_are_not_kept(deployment: Deployment) -> None:
    """[PG2] A read that was on its way while an admin changed them, and came back with the old ones."""
    own, hub = OwnTemplates(), deployment.hubs[0]
    hub.tallies._templates = own
    read = own.node_templates

    async def late(tenant: str) -> TemplateSet:
        found = await read(tenant)
        if own.kept.version == 0:
            own.kept = TemplateSet(version=1, templates=own.kept.templates)
            hub.tallies.templates_changed("acme")
        return found

    own.node_templates = late  # type: ignore[method-assign]
    assert (await hub.tallies.templates_of("acme")).version == 1


async def test_templates_are_forgotten_with_the_rooms_they_count(deployment: Deployment) -> None:
    ada, key = await opened(deployment)
    await deployment.hubs[0].tallies.templates_of("passing")
    before = deployment.hubs[0].tallies._kept["acme"][1]
    await deployment.clock.advance(2 * TEMPLATES_SECONDS)
    assert set(deployment.hubs[0].tallies._kept) == {"acme"}
    await ada.ask(key, {"op": "update", "node": "root", "set": DONE})
    await deployment.clock.advance(TELL_SECONDS)
    assert deployment.hubs[0].tallies._kept["acme"][1] is before, "else every tally would be made anew each minute"


class Owned:
    """Somebody's other trees."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.away = False

    async def others(self, tenant: str, user: str, *, but: int) -> OtherTrees:
        if self.away:
            raise Unavailable("the database is away")
        self.asked.append((tenant, user, but))
        return OtherTrees(trees=3, known=1, completion=0.5)


async def watching(deployment: Deployment, owned: Owned) -> AsyncIterator[OwnerNews]:
    """What a hub does that knows of its owners' trees."""
    news = deployment.hubs[0]._progress.owners = OwnerNews(owned, deployment.clock)
    asking = asyncio.create_task(news.ask())
    yield news
    asking.cancel()
    await settle()


@pytest.fixture
async def owned() -> Owned:
    return Owned()


@pytest.fixture
async def owners(deployment: Deployment, owned: Owned) -> AsyncIterator[OwnerNews]:
    async for one in watching(deployment, owned):
        yield one


async def test_pg11_the_owner_alone_is_told_how_far_he_is_in_all(
    deployment: Deployment, owned: Owned, owners: OwnerNews
) -> None:
    """[PG11]"""
    owned.away = True
    ada, key = await opened(deployment)
    bo = deployment.socket("bo")
    await bo.open(key)
    assert [message.get("mine") for message in told(ada)] == [None]
    owned.away = False
    await deployment.clock.advance(1.0)
    [message] = told(ada)
    assert (message["mine"], message["nodes"]) == ({"trees": 4, "completion_rate": 0.25}, {})
    for status, rate in (("done", 0.75), ("todo", 0.25)):
        await bo.ask(key, {"op": "update", "node": "root", "set": {"template_data.completion_status": status}})
        await deployment.clock.advance(1.0)
        assert [message["mine"]["completion_rate"] for message in told(ada) if "mine" in message] == [rate]
    assert owned.asked == [("acme", "ada", key.tree)], "the others are not asked for at each edit"
    await bo.ask(key, {"op": "update", "node": "root", "set": {"title": "Other"}})
    await deployment.clock.advance(2 * OTHERS_SECONDS)
    assert told(ada) == []
    assert all("mine" not in message for message in told(bo))
    for socket in (ada, bo):
        socket.hub.leave(socket.session)
    await deployment.clock.advance(120.0)
    assert (owners._kept, owners._told, owners._wanted) == ({}, {}, {})


async def test_pg11_nobody_waits_for_a_database_that_is_slow(
    deployment: Deployment, owned: Owned, owners: OwnerNews
) -> None:
    """[PG8] [PG11] Progress needs none."""

    async def slow(tenant: str, user: str, *, but: int) -> OtherTrees:
        await asyncio.Event().wait()
        raise AssertionError("never")

    owned.others = slow  # type: ignore[method-assign]
    await opened(deployment)
    other = await deployment.tree(root(), user="bo")
    bo = deployment.socket("bo")
    await bo.open(other)
    await deployment.clock.advance(1.0)
    told(bo)
    await bo.ask(other, {"op": "update", "node": "root", "set": DONE})
    await deployment.clock.advance(1.0)
    assert [message["summary"]["completion_rate"] for message in told(bo)] == [1.0]


async def test_pg11_an_owner_who_reads_slowly_is_told_when_he_has_read(
    deployment: Deployment, owners: OwnerNews
) -> None:
    """[PG11]"""
    ada, key = await opened(deployment)
    told(ada)
    assert isinstance(ada.outbox, ListOutbox)
    ada.outbox.full = True
    bo = deployment.socket("bo")
    await bo.open(key)
    await bo.ask(key, {"op": "update", "node": "root", "set": DONE})
    await deployment.clock.advance(1.0)
    ada.outbox.full = False
    ada.hub.drained(ada.session)
    await deployment.clock.advance(1.0)
    assert [message["mine"]["completion_rate"] for message in told(ada) if "mine" in message] == [0.75]
