"""How far trees and people are, over HTTP; and the templates that progress is measured by."""

from __future__ import annotations

from typing import Protocol

import msgspec

from server.cached import Cache, Caches
from server.http import Answer, Call, Operation, Parameter
from server.persons import Persons
from sync.analytics import Analytics, UserAnalytics, UserProgress
from sync.codec import JSON
from sync.errors import Forbidden
from sync.hub import Hub
from sync.nodes import NodeType
from sync.progress import SHARE_NODES, domains
from sync.progress_message import Domain, NodeProgress, Summary
from sync.structures import Structures
from sync.tallies import Counted
from sync.tasks import give_way
from sync.templates import Template, Templates, TemplateSet, check

_MOST_DOMAINS = 1_000
_DAYS, _DAYS_MOST = 30, 366


class TreeProgress(msgspec.Struct, kw_only=True):
    """How far a tree is at `seq`. `nodes`: those at which, or below which, anything has begun; where asked for."""

    tree: int
    epoch: str
    seq: int
    summary: Summary
    domains: list[Domain]
    nodes: dict[str, NodeProgress] | None = None


class Known(Protocol):
    """What is asked: how far things are by which templates, and what people did."""

    @property
    def templates(self) -> Templates: ...

    @property
    def structures(self) -> Structures: ...

    @property
    def analytics(self) -> Analytics: ...


class NewTemplates(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tenant's own templates; a type that is not named has the standard one."""

    templates: dict[NodeType, Template]


class ProgressReports:
    """The operations about progress."""

    def __init__(
        self,
        hub: Hub,
        known: Known,
        caches: Caches,
        persons: Persons,
    ) -> None:
        self._hub = hub
        self._templates = known.templates
        self._analytics = known.analytics
        self._structures = known.structures
        self._persons = persons
        self._trees: Cache[bytes] = caches.new("tree_progress", len)
        self._users: Cache[bytes] = caches.new("user_progress", len)

    def operations(self) -> list[Operation]:
        return [*self._about_trees(), *self._about_users()]

    def _about_trees(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/api/v1/trees/{tree}/progress",
                name="read_tree_progress",
                summary="How far a tree, its domains and its nodes are",
                handle=self.tree,
                gives=TreeProgress,
                query=(Parameter("nodes", "integer", "1: every node too", 0, 1),),
            ),
            Operation(
                method="GET",
                path="/api/v1/node-templates",
                name="read_node_templates",
                summary="The fields of each type of node",
                handle=self.templates,
                gives=TemplateSet,
            ),
            Operation(
                method="PUT",
                path="/api/v1/node-templates",
                name="set_node_templates",
                summary="Put the tenant's own templates in place of the standard ones",
                handle=self.set_templates,
                takes=NewTemplates,
                gives=TemplateSet,
            ),
        ]

    def _about_users(self) -> list[Operation]:
        days = Parameter("days", "integer", f"how far back, at most {_DAYS_MOST}; {_DAYS} unless said", 1, _DAYS_MOST)
        return [
            Operation(
                method="GET",
                path="/api/v1/users/{user}/progress",
                name="read_user_progress",
                summary="What you, or for an admin somebody, did day by day",
                handle=self.user,
                gives=UserProgress,
                query=(days,),
            ),
            Operation(
                method="GET",
                path="/api/v1/users/{user}/analytics",
                name="read_user_analytics",
                summary="The trees you own, or for an admin somebody owns, in numbers",
                handle=self.analytics,
                gives=UserAnalytics,
            ),
        ]

    async def tree(self, call: Call) -> Answer:
        counted = await self._hub.progress(call.identity, call.tree)
        if call.number("nodes", default=0, least=0, most=1):
            return Answer(await _with_nodes(counted))
        position = {"tree": counted.room.key.tree, "epoch": counted.room.epoch, "seq": counted.seq}

        async def made() -> bytes:  # without the seq: most edits change no progress
            whole = _progress(counted)
            return JSON.encode_value({"summary": whole.summary, "domains": whole.domains, "nodes": None})

        shown = await self._trees.get(counted.room.key, counted.shown, made)
        return Answer(JSON.encode_value(position)[:-1] + b"," + shown[1:])

    async def templates(self, call: Call) -> Answer:
        return Answer(await self._templates.node_templates(call.identity.tenant))

    async def set_templates(self, call: Call) -> Answer:
        identity = call.identity
        if identity.role != "admin":
            raise Forbidden("only an admin of the tenant may change its templates")
        wanted = await call.read(NewTemplates)
        check(wanted.templates)
        changed = await self._templates.set_node_templates(identity.tenant, identity.user, wanted.templates)
        self._hub.tallies.templates_changed(identity.tenant)
        return Answer(changed)

    async def user(self, call: Call) -> Answer:
        user, stamp = await self._persons.asked(call)
        days = call.number("days", default=_DAYS, least=1, most=_DAYS_MOST) or _DAYS
        tenant = call.identity.tenant

        async def made() -> bytes:
            await self._structures.level(tenant, user)
            return JSON.encode_value(await self._analytics.progress(tenant, user, days=days))

        return Answer(await self._users.get((tenant, user, days), stamp, made))

    async def analytics(self, call: Call) -> Answer:
        user, stamp = await self._persons.asked(call)
        tenant = call.identity.tenant

        async def made() -> bytes:
            return JSON.encode_value(await self._analytics.analytics(tenant, user))

        return Answer(await self._users.get((tenant, user), stamp, made))


def _progress(counted: Counted) -> TreeProgress:
    with counted.room.confirmed() as tree:
        return TreeProgress(
            tree=counted.room.key.tree,
            epoch=counted.room.epoch,
            seq=counted.seq,
            summary=counted.tally.summary(),
            domains=domains(tree, counted.tally, _MOST_DOMAINS),
        )


async def _with_nodes(counted: Counted) -> TreeProgress:
    """A share at a time, all as of one seq; the tree may go on meanwhile. Not kept: it is large, and seldom asked
    twice at one seq."""
    progress = _progress(counted)
    with counted.room.confirmed() as tree:
        begun = counted.tally.begun(tree)
    progress.nodes = {}
    for first in range(0, len(begun), SHARE_NODES):
        await give_way()
        progress.nodes |= {one.id: one.told() for one in begun[first : first + SHARE_NODES]}
    return progress
