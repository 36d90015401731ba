# ruff: noqa: S608 - the words put into these statements are constants of this file
"""B12: what people and jobs read, in a tenant of 100,000 trees: lists, search, progress, history.

Trees are 1,000 copies of each of 100 drawn ones, row by row, each copy with words of its own beside those that all
share: so there are words in one tree, in 1,000 and in all. A thousand people own a hundred trees each, a tenth of all
is shared with everyone, and one person owns a third. Every question is asked as the server asks it, through its ports,
under the policies; what HTTP adds is no part of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import asyncpg
import msgspec

from benchmarks.figures import percentile
from benchmarks.machine import postgres
from benchmarks.results import Figure, Measured
from storage.analytics import PostgresAnalytics
from storage.database import Database, DatabaseSettings
from storage.directory import PostgresDirectory
from storage.migrate import migrate
from storage.postgres import PostgresStore
from storage.search import PostgresSearch
from storage.structures import PostgresStructures
from sync.creation import first_batch
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.listing import TreeFilter
from sync.nodes import NODE_TYPES, Details
from sync.ops import ImportedNode
from sync.search import SearchFilter, query
from sync.versions import TreeVersion

DRAWN, COPIES, NODES = 100, 1_000, 15
QUICK_COPIES = 10
LIMIT_MS = 50
ASKED, QUICK_ASKED = 200, 50  # of each question
_WARM = 6  # asked before: a connection plans a statement anew the first five times (PostgreSQL manual, PREPARE)
_SEED = 12
_PEOPLE = 1_000
_VERSIONS = 5

_TEXT = """
new customers cook three boxes in their first month and stay churn of subscribers falls onboarding takes one day we
believe that a reminder on sunday helps families to plan measured by weekly active users and revenue per household the
warehouse packs faster delivery cost goes down interview with twelve people about waste price discount quality supplier
kitchen recipe season holiday referral friend coupon mobile checkout payment invoice support ticket answer survey score
"""
_SHARED = _TEXT.split()
_VERSION = TreeVersion(number=0, seq=1, epoch="e1", state=b"{}")

# `own` in a text becomes a word of the copy; ids and everything else stay
_OWN = "replace({}, 'xown', 'own' || c.copy)"
_COPY = {
    "impact_trees": f"""
(tenant_id, id, user_id, name, description, visibility, is_template, node_count, completion_status, ai_metadata,
    tree_structure, nodes_data, connections_data, projected_epoch, projected_seq, projected_with, updated_at,
    updated_hour)
SELECT tenant_id, id + c.copy * $1, u.owner, {_OWN.format("name")}, description,
    CASE WHEN c.copy % 10 = 3 THEN 'tenant_view' ELSE 'private' END, c.copy % 50 = 7, node_count, completion_status,
    ai_metadata, tree_structure, nodes_data, connections_data, projected_epoch, projected_seq, projected_with, u.moment,
    date_trunc('hour', u.moment, 'UTC')
FROM impact_trees CROSS JOIN c CROSS JOIN LATERAL (
    SELECT CASE WHEN c.copy % 3 = 0 THEN 'u0' ELSE 'u' || (c.copy * 7 + id) % {_PEOPLE} END AS owner,
        now() - interval '2 hours' - (c.copy * 3 + id % 3) * interval '10 minutes' AS moment) AS u
""",
    "tree_heads": """
(tenant_id, tree_id, epoch, commit, seq, mark)
SELECT tenant_id, tree_id + c.copy * $1, epoch, commit, seq, mark FROM tree_heads CROSS JOIN c
""",
    "tree_nodes": f"""
(tenant_id, tree_id, id, parent_id, order_key, node_type, title, description, template_data, seq, marks, created_at,
    created_by, updated_at, updated_by)
SELECT tenant_id, tree_id + c.copy * $1, id, parent_id, order_key, node_type, {_OWN.format("title")}, description,
    template_data, seq, marks, created_at, created_by, updated_at, updated_by FROM tree_nodes CROSS JOIN c
""",
    "tree_ops": """
(tenant_id, tree_id, seq, commit, user_id, client_id, n, mark, at, op, inverse, mode)
SELECT tenant_id, tree_id + c.copy * $1, seq, commit, user_id, client_id, n, mark, at, op, inverse, mode
FROM tree_ops CROSS JOIN c
""",
    "tree_versions": """
(tenant_id, tree_id, version_number, epoch, seq, tree_snapshot, created_at)
SELECT tenant_id, tree_id + c.copy * $1, version_number, epoch, seq, tree_snapshot, created_at
FROM tree_versions CROSS JOIN c
""",
    "user_activities": f"""
(tenant_id, user_id, created_at, tree_id, node_id, activity_type, activity_data)
SELECT tenant_id, 'u' || (c.copy * 7 + tree_id) % {_PEOPLE}, created_at - c.copy * interval '30 minutes',
    tree_id + c.copy * $1,
    node_id, activity_type, activity_data FROM user_activities CROSS JOIN c
""",
    "search_trees": """
(tenant_id, tree_id, epoch, seq, made_with)
SELECT tenant_id, tree_id + c.copy * $1, epoch, seq, made_with FROM search_trees CROSS JOIN c
""",
    "search_nodes": f"""
(tenant_id, tree_id, node_id, seq, node_type, status, terms)
SELECT tenant_id, tree_id + c.copy * $1, node_id, seq, node_type, status, {_OWN.format("terms")}
FROM search_nodes CROSS JOIN c
""",
    "search_terms": f"""
(tenant_id, tree_id, term, weight, nodes)
SELECT tenant_id, tree_id + c.copy * $1, {_OWN.format("term")}, weight, nodes FROM search_terms CROSS JOIN c
""",
}
_PEOPLE_ROWS = (
    f"INSERT INTO users (tenant_id, user_id) SELECT 'bench', 'u' || n FROM generate_series(0, {_PEOPLE}) AS n"
)
_LEVEL = "UPDATE tenants SET searched_at = now() - interval '1 minute'"
_MEMBERS = """
INSERT INTO tree_members (tenant_id, tree_id, user_id, role)
SELECT 'bench', id, 'u' || id % 977, 'editor' FROM impact_trees WHERE id % 20 = 1
"""


def _drawn(chance: Random) -> list[ImportedNode]:
    """A tree of 15 nodes with 25 words each, one of the titles with a word of its own."""
    nodes: list[ImportedNode] = []
    for number in range(NODES):
        parent = {} if not nodes else {"parent": nodes[chance.randrange(max(0, number - 6), number)].id}
        title = " ".join(chance.choices(_SHARED, k=6)) + (f" xown{number}" if number < 3 else "")
        data = {
            "core_why": " ".join(chance.choices(_SHARED, k=8)),
            "completion_status": chance.choice(["done", "todo"]),
        }
        raw = {"id": f"n{number}", "type": chance.choice(NODE_TYPES), "title": title, "template_data": data}
        described = {"description": " ".join(chance.choices(_SHARED, k=11))}
        nodes.append(msgspec.convert(raw | parent | described, ImportedNode))
    return nodes


async def furnish(dsn: str, database: Database, copies: int) -> None:
    chance, directory = Random(_SEED), PostgresDirectory(database)
    store = PostgresStore(database)
    author, who = Author(user="u1", client="create:1"), Identity(tenant="bench", user="u1", expires_at=4e9)
    for number in range(DRAWN):
        name = " ".join(chance.choices(_SHARED, k=2)) + f" xown{number}"
        nobody, details = TreeKey("bench", 0), Details(name=name)
        first = first_batch(nobody, "e1", "m1", author, details, _drawn(chance), [], Limits())
        key = await directory.create(who, first, "private", author)
        for seq in range(1, _VERSIONS):
            await store.keep_version(key, msgspec.structs.replace(_VERSION, epoch=f"e{seq}"))
    await PostgresSearch(database).refresh("bench", everything=True)
    await PostgresStructures(database).refresh("bench", since=None)
    owner = await asyncpg.connect(dsn, command_timeout=3600)
    await owner.execute("SET session_replication_role = replica")  # the rows are copies: nothing to check
    await owner.execute(_PEOPLE_ROWS + " ON CONFLICT DO NOTHING")
    for table, statement in _COPY.items():
        key_column = "id" if table == "impact_trees" else "tree_id"
        copied = f"WITH c AS (SELECT generate_series(1, {copies - 1}) AS copy) INSERT INTO {table} {statement}"
        await owner.execute(f"{copied} WHERE {table}.{key_column} <= $1".replace("$1", str(DRAWN)))
    for statement in (_MEMBERS, _LEVEL):
        await owner.execute(statement)
    await owner.execute("VACUUM ANALYZE")
    await owner.close()


def _who(user: str, *, admin: bool = False) -> Identity:
    return Identity(tenant="bench", user=user, role="admin" if admin else "member", expires_at=4e9)


Question = Callable[[Random], Awaitable[Any]]


def questions(database: Database, copies: int) -> dict[str, dict[str, Question]]:
    """By topic and name, each asked of a tree or person drawn anew."""
    trees = DRAWN * copies
    return {
        "lists": _of_lists(database),
        "search": _of_search(database, copies),
        "progress": _of_progress(database, trees),
        "history": _of_history(database, trees),
    }


def _of_lists(database: Database) -> dict[str, Question]:
    directory = PostgresDirectory(database)
    ago = datetime.now(UTC) - timedelta(days=10)
    filters = {
        "all": TreeFilter(),
        "templates": TreeFilter(is_template=True),
        "large": TreeFilter(least_nodes=5_000),
        "updated in a window": TreeFilter(updated_since=ago - timedelta(days=1), updated_before=ago),
        "with research": TreeFilter(type="research"),
        "complete": TreeFilter(status="complete"),
        "in progress": TreeFilter(status="in_progress"),
    }

    def asked(only: TreeFilter, admin: bool) -> Question:
        async def ask(chance: Random) -> None:
            who = _who(f"u{chance.randrange(_PEOPLE)}", admin=admin)
            await directory.trees(who, limit=50, only=only)

        return ask

    async def deep(chance: Random) -> None:
        moment = datetime.now(UTC) - timedelta(days=chance.randrange(1, 15))
        await directory.trees(
            _who("u0", admin=True), limit=50, before=f"{moment.isoformat()}|{chance.randrange(10**5)}"
        )

    found: dict[str, Question] = {"a later page": deep}
    for name, only in filters.items():
        found |= {f"{name}, a member": asked(only, False), f"{name}, an admin": asked(only, True)}
    return found


def _of_search(database: Database, copies: int) -> dict[str, Question]:
    search = PostgresSearch(database)
    drawn = {
        "a word of all": lambda chance: chance.choice(_SHARED),
        "a word of a few": lambda chance: f"own{chance.randrange(1, copies)}",
        "a word of none": lambda chance: f"zz{chance.randrange(10**6)}",
        "two words of all": lambda chance: " ".join(chance.sample(_SHARED, 2)),
        "a common and a rare word": lambda chance: f"{chance.choice(_SHARED)} own{chance.randrange(1, copies)}",
        "three words": lambda chance: " ".join(chance.sample(_SHARED, 3)),
        "two letters": lambda chance: chance.choice(_SHARED)[:2],
    }
    people = {
        "an admin": lambda chance: _who("chef", admin=True),
        "a member": lambda chance: _who(f"u{chance.randrange(1, _PEOPLE)}"),
        "who owns a third": lambda chance: _who("u0"),
    }

    def asked(text: Callable[[Random], str], who: Callable[[Random], Identity], only: SearchFilter) -> Question:
        async def ask(chance: Random) -> None:
            await search.search(who(chance), query(text(chance)), only=only, limit=20, after=None)

        return ask

    found = {
        f"{what}, {who}": asked(text, person, SearchFilter())
        for what, text in drawn.items()
        for who, person in people.items()
    }
    filtered = SearchFilter(type="metric", status="complete")
    return found | {"a word of all, of a type and status": asked(drawn["a word of all"], people["an admin"], filtered)}


def _of_progress(database: Database, trees: int) -> dict[str, Question]:
    analytics, structures = PostgresAnalytics(database), PostgresStructures(database)
    return {
        "what a person did": lambda chance: analytics.progress("bench", f"u{chance.randrange(1, _PEOPLE)}", days=30),
        "a person's trees": lambda chance: analytics.analytics("bench", f"u{chance.randrange(1, _PEOPLE)}"),
        "a tree": lambda chance: structures.structure(TreeKey("bench", chance.randrange(1, trees))),
    }


def _of_history(database: Database, trees: int) -> dict[str, Question]:
    store = PostgresStore(database)

    def key(chance: Random) -> TreeKey:
        return TreeKey("bench", chance.randrange(1, trees))

    now = datetime.now(UTC)
    return {
        "versions": lambda chance: store.versions(key(chance), limit=50),
        "the version before a seq": lambda chance: store.version_before(key(chance), "e1", 1),
        "the seq of a time": lambda chance: store.seq_at(key(chance), now),
        "of a node": lambda chance: store.node_ops(key(chance), "n3", before=2**53 - 1, limit=50),
        "a person's ops": lambda chance: store.ops_span(key(chance), "u1", ""),
    }


async def _timed(question: Question, chance: Random, times: int) -> list[float]:
    for _ in range(_WARM):
        await question(chance)
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await question(chance)
        taken.append((time.perf_counter() - began) * 1_000)
    return taken


async def _measured(dsn: str, copies: int, rounds: int, times: int) -> dict[str, dict[str, list[float]]]:
    database = Database(DatabaseSettings(dsn=dsn, pool_min=1))
    await database.open()
    try:
        await furnish(dsn, database, copies)
        found: dict[str, dict[str, list[float]]] = {}
        for turn in range(rounds):
            for topic, asked in questions(database, copies).items():
                for name, question in asked.items():
                    taken = await _timed(question, Random(turn), times)
                    found.setdefault(topic, {}).setdefault(name, []).append(percentile(taken, 0.99))
        return found
    finally:
        await database.close()


def b12(rounds: int, seconds: float) -> Measured:
    """Of each topic the slowest of its questions. A second of measuring is asked of few trees."""
    copies, times = (COPIES, ASKED) if seconds > 1 else (QUICK_COPIES, QUICK_ASKED)
    with postgres() as database:
        asyncio.run(migrate(database.dsn))
        found = asyncio.run(_measured(database.dsn, copies, rounds, times))
    figures = []
    for topic, asked in found.items():
        slowest = max(asked, key=lambda name: max(asked[name]))
        what = f"B12 {topic} among {DRAWN * copies:,} trees, p99 of the slowest of {len(asked)} questions"
        figures.append(Figure(what=what, values=asked[slowest], unit=" ms", limit=LIMIT_MS, beside=slowest))
    return Measured(figures)
