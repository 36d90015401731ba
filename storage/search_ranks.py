"""Which documents of some trees have all the words, and in which order: `sync.search.documents` as a statement.

A usual word stands in every node of a large tree, so what is compared is counted in hundreds of thousands. The
database does that; here arrives a page of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from storage.database import Connection
from sync.search import OF_TREE, Rank
from sync.search_words import Word

# OFFSET 0: each tree and word is a range of the key of its own, never a filter over a whole tree; read in the order of
# the trees, and no further than $5. A word is a bit of `has`; `theirs` are those of the tree's own name and description
RANKS = f"""
WITH postings AS MATERIALIZED (
    SELECT k.tree, k.place, substr(one, 2) AS node, 2 * left(one, 1)::integer + (x.term = k.low)::integer AS points
    FROM (
        SELECT t.tree, w.low, w.high, w.place FROM unnest($2::bigint[]) WITH ORDINALITY AS t (tree, number)
        CROSS JOIN unnest($3::text[], $4::text[]) WITH ORDINALITY AS w (low, high, place)
        ORDER BY t.number, w.place OFFSET 0
    ) AS k
    CROSS JOIN LATERAL (SELECT x.term, x.nodes FROM search_terms AS x
        WHERE x.tenant_id = $1 AND x.tree_id = k.tree AND x.term >= k.low AND x.term < k.high OFFSET 0) AS x
    CROSS JOIN LATERAL unnest(x.nodes) AS one
    LIMIT $5
), best AS (
    SELECT tree, place::integer AS place, node, max(points) AS points FROM postings GROUP BY tree, place, node
), documents AS (
    SELECT tree, node, sum(points)::bigint AS points, bit_or(1 << place) AS has,
        COALESCE(bit_or(bit_or(1 << place)) FILTER (WHERE node = '') OVER (PARTITION BY tree), 0) AS theirs
    FROM best GROUP BY tree, node
), ranked AS (
    SELECT -points - {OF_TREE} * bit_count((theirs & ~has)::bit(16)) AS points, -tree AS tree, node
    FROM documents WHERE has | theirs = (2 << cardinality($3::text[])) - 2
)
SELECT c.postings, r.points, r.tree, r.node FROM (SELECT count(*) AS postings FROM postings) AS c LEFT JOIN (
    SELECT * FROM ranked WHERE $6::bigint IS NULL OR (points, tree, node) > ($6, $7::bigint, $8::text)
    ORDER BY points, tree, node LIMIT $9
) AS r ON true ORDER BY r.points, r.tree, r.node
"""  # noqa: S608

# words in nodes that are looked at, under 10 µs each of the database's time on a busy machine: two words in each
# node of a tree of 50,000
MOST_POSTINGS = 100_000


class Ranked(NamedTuple):
    """The best documents behind a place; `complete`: every one of those trees was looked at."""

    ranks: list[Rank]
    complete: bool


async def ranked(
    connection: Connection, tenant: str, asked: Sequence[Word], trees: Sequence[int], after: Rank | None, limit: int
) -> Ranked:
    """`trees` are read in their order, as far as MOST_POSTINGS go."""
    place = (None, None, None) if after is None else after
    rows = await connection.fetch(RANKS, tenant, list(trees), *bounds(asked), MOST_POSTINGS + 1, *place, limit)
    found = [Rank(row["points"], row["tree"], row["node"]) for row in rows if row["node"] is not None]
    return Ranked(found, rows[0]["postings"] <= MOST_POSTINGS)


def bounds(asked: Sequence[Word]) -> tuple[list[str], list[str]]:
    """The first terms that are meant, and those behind the last."""
    return [word.bounds[0] for word in asked], [word.bounds[1] for word in asked]
