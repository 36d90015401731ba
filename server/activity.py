"""What people did, over HTTP: feeds of trees, nodes and people, and what clients report."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from server.addresses import Keep
from server.auth import ID_CHARACTERS
from server.authors import author_of
from server.http import Answer, Call, Operation, Parameter
from server.persons import Persons
from sync.access import role_in
from sync.errors import Invalid, NotFound
from sync.feeds import Feed, FeedReader, Wanted, page
from sync.hub import Hub
from sync.identity import TreeKey
from sync.ports import Store
from sync.protocol import ActivityEvent

_TREE = "/api/v1/trees/{tree}/activity"
_PAGE, _PAGE_MOST = 50, 200
_KINDS_MOST = 50
_FIRST_YEAR, _LAST_YEAR = 1970, 9998  # no zone takes these out of the calendar
_LIMIT = Parameter("limit", "integer", f"entries of a page, at most {_PAGE_MOST}", 1, _PAGE_MOST)
_BEFORE = Parameter("before", "string", "`next` of the page before")
_SINCE = Parameter("since", "string", "nothing before that RFC 3339 time")
_KINDS = Parameter("kinds", "string", "these alone, by commas: `node_created`, `template_filled`, …")
_USER = Parameter("user", "string", "what that user did alone")


class Report(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a client reports: the events of an `activity` message."""

    events: Annotated[list[ActivityEvent], Meta(max_length=500)]


class Activity:
    """The operations about what people did."""

    def __init__(self, hub: Hub, store: Store, feeds: FeedReader, persons: Persons, keep: Keep) -> None:
        """`keep`: what of an address activity rows hold."""
        self._hub = hub
        self._store = store
        self._feeds = feeds
        self._persons = persons
        self._keep = keep

    def operations(self) -> list[Operation]:
        return [*self._of_trees(), *self._of_people()]

    def _of_trees(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path=_TREE,
                name="read_tree_activity",
                summary="What people did in a tree, newest first",
                handle=self.of_tree,
                gives=Feed,
                query=(_LIMIT, _BEFORE, _SINCE, _KINDS, _USER),
            ),
            Operation(
                method="POST",
                path=_TREE,
                name="report_activity",
                summary="Report what somebody did that changed nothing; each event counts once",
                handle=self.report,
                takes=Report,
                status=204,
            ),
            Operation(
                method="GET",
                path="/api/v1/trees/{tree}/nodes/{node}/activity",
                name="read_node_activity",
                summary="What people did to a node, newest first",
                handle=self.of_node,
                gives=Feed,
                query=(_LIMIT, _BEFORE, _SINCE, _KINDS, _USER),
            ),
        ]

    def _of_people(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/api/v1/users/{user}/activity",
                name="read_user_activity",
                summary="What you, or for an admin somebody, did, newest first",
                handle=self.of_user,
                gives=Feed,
                query=(_LIMIT, _BEFORE, _SINCE, _KINDS),
            ),
        ]

    async def of_tree(self, call: Call) -> Answer:
        key = await self._tree(call)
        return await self._feed(call, Wanted(tenant=key.tenant, tree=key.tree))

    async def of_node(self, call: Call) -> Answer:
        key = await self._tree(call)
        node = str(call.request.path_params["node"])
        if not 1 <= len(node) <= ID_CHARACTERS or "\x00" in node:
            raise NotFound("no such node")
        return await self._feed(call, Wanted(tenant=key.tenant, tree=key.tree, node=node))

    async def of_user(self, call: Call) -> Answer:
        user, _ = await self._persons.asked(call)
        return await self._feed(call, Wanted(tenant=call.identity.tenant, user=user))

    async def _feed(self, call: Call, wanted: Wanted) -> Answer:
        limit = call.number("limit", default=_PAGE, least=1, most=_PAGE_MOST) or _PAGE
        before = call.request.query_params.get("before")
        narrowed = _narrowed(call, wanted)
        return Answer(await page(self._feeds, call.identity, narrowed, before=before, limit=limit))

    async def report(self, call: Call) -> Answer:
        key = await self._tree(call)
        wanted = await call.read(Report)
        call.spend_ops(len(wanted.events))
        await self._hub.interactions.take(key, author_of(call, self._hub, self._keep), wanted.events)
        return Answer(None, 204)

    async def _tree(self, call: Call) -> TreeKey:
        """The tree of the path, read alone: nobody needs its room for that. Raises NotFound."""
        key = TreeKey(call.identity.tenant, call.tree)
        if role_in(await self._store.rights(key), call.identity) is None:
            raise NotFound("no such tree")
        return key


def _narrowed(call: Call, wanted: Wanted) -> Wanted:
    """Raises Invalid."""
    asked = call.request.query_params
    kinds = tuple(asked.get("kinds", "").split(",")) if asked.get("kinds") else ()
    if len(kinds) > _KINDS_MOST or not all(kind.isascii() and kind.isidentifier() for kind in kinds):
        raise Invalid(f"`kinds` are at most {_KINDS_MOST} names with commas between them")
    since = asked.get("since")
    user = wanted.user or asked.get("user", "")
    if len(user) > ID_CHARACTERS or "\x00" in user:
        raise Invalid(f"a user's id has 1 to {ID_CHARACTERS} characters")
    return msgspec.structs.replace(wanted, user=user, kinds=kinds, since=None if since is None else _moment(since))


def _moment(said: str) -> datetime:
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise Invalid("`since` is an RFC 3339 time with its zone")
    return moment
