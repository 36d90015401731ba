"""The feed of what people did: of a tree, of a node, of a person. Rows are read newest first and folded into entries
where they are read, never where they are stored (SEMANTICS 15). Declared here, implemented by `storage/`.

A page is a stretch of rows without a gap, so that what was there when the first page was read is told exactly once,
whatever is added meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from sync.errors import Invalid
from sync.feed_rows import Names, Place, Row
from sync.feed_runs import BY_REQUEST, Run, Runs
from sync.feed_sentences import sentence
from sync.identity import Identity

AT_ONCE, AT_ONCE_OF_FEW = 500, 2_000  # rows in one look; the second where most of them are not asked for: 10 ms
LOOKS = 4  # in one page, which then ends early
_CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\|(\d{1,18})")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whose feed: `tree`'s, that of a `node` in it, or, where there is no tree, of what `user` did. The other fields
    leave out: with `user` what others did, with `kinds` entries of none of them, with `since` what was before.

    What people merely looked at is only in their own feeds.
    """

    tenant: str
    tree: int | None = None
    node: str = ""
    user: str = ""
    kinds: Collection[str] = ()
    since: datetime | None = None

    @property
    def stored_kinds(self) -> Collection[str]:
        """Those that rows must be of; none: it takes an entry to tell, since some entries are of rows of many kinds."""
        return () if set(self.kinds) & set(BY_REQUEST.values()) else self.kinds

    @property
    def is_narrow(self) -> bool:
        """Whether most rows that are looked at may be none of those wanted."""
        return bool(self.node or self.kinds or (self.tree is not None and self.user))


class Looked(NamedTuple):
    """The wanted ones of the rows that were looked at, newest first, and the last of those; None: there are no more."""

    rows: list[Row]
    last: Place | None


class FeedReader(Protocol):
    """Raises Unavailable."""

    async def rows(self, wanted: Wanted, *, before: Place | None, limit: int) -> Looked:
        """Looks at `limit` rows at most, of those before that place."""
        ...

    async def names(
        self, reader: Identity, *, trees: Collection[int], nodes: Collection[tuple[int, str]], users: Collection[str]
    ) -> Names: ...


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did in one go, `count` rows of it, with what is called how now.

    `at` and `seq` are of the newest row, `began`, `first_seq` and `id` of the oldest, so that the id stays while
    somebody types on; seq 0: no op. `title` and `type`: of the node; empty where it is gone, or the reader may not see
    the tree. `duration_ms`: from the first to the last, or what was reported.
    """

    id: str
    kind: str
    user: str
    name: str
    via: str
    tree: int | None
    tree_name: str
    node: str | None
    title: str
    type: str
    fields: list[str]
    count: int
    seq: int
    first_seq: int
    at: str
    began: str
    duration_ms: int
    session: str
    sentence: str


class Feed(msgspec.Struct, kw_only=True):
    """Entries, newest first. `next` is the `before` of the following page; null: this is the last. A page may end
    early, also empty, where little of what happened is asked for. What goes on over the end of a page is told again on
    the next, with the rest of it."""

    entries: list[Entry]
    next: str | None


async def page(reader: FeedReader, identity: Identity, wanted: Wanted, *, before: str | None, limit: int) -> Feed:
    """A page of a feed. Raises Invalid for a cursor that no page gave, Unavailable."""
    runs = Runs(limit, wanted.kinds)
    place = None if before is None else place_of(before)
    at_once = AT_ONCE_OF_FEW if wanted.is_narrow else AT_ONCE
    for _ in range(LOOKS):
        looked = await reader.rows(wanted, before=place, limit=at_once)
        for row in looked.rows:
            if not runs.take(row):
                return await _told(reader, identity, runs, place)
            place = row.place
        place = looked.last
        if place is None:
            break
    return await _told(reader, identity, runs, place)


def place_of(cursor: str) -> Place:
    """Raises Invalid."""
    found = _CURSOR.fullmatch(cursor)
    if found is not None:
        try:
            moment = datetime.fromisoformat(found[1])
        except ValueError:
            moment = datetime.min
        if 1970 <= moment.year < 9999:
            return Place(found[1], int(found[2]))
    raise Invalid("`before` is `next` of the page before")


async def _told(reader: FeedReader, identity: Identity, runs: Runs, following: Place | None) -> Feed:
    names = await reader.names(identity, trees=runs.trees, nodes=runs.nodes, users=runs.users)
    return Feed(
        entries=[_entry(run, names) for run in runs.found],
        next=None if following is None else f"{following.at}|{following.id}",
    )


def _entry(run: Run, names: Names) -> Entry:
    newest, oldest = run.newest, run.oldest
    node = names.nodes.get((newest.tree or 0, newest.node))
    seen = newest.tree is None or newest.tree in names.trees
    return Entry(
        id=str(oldest.id),
        kind=run.kind,
        user=newest.user,
        name=names.users.get(newest.user) or newest.user,
        via=newest.via,
        tree=newest.tree,
        tree_name=names.trees.get(newest.tree or 0, ""),
        node=newest.node or None,
        title=node.title if node is not None else "",
        type=node.type if node is not None else "",
        fields=run.fields if seen else [],
        count=run.count,
        seq=newest.seq,
        first_seq=oldest.seq,
        at=newest.at,
        began=oldest.at,
        duration_ms=run.duration_ms,
        session=newest.session,
        sentence=sentence(run, names, seen=seen),
    )
