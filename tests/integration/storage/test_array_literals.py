"""That PostgreSQL reads back from an array literal what was put into it."""

from __future__ import annotations

import json
import random

from storage.array_literals import documents, numbers, optional_texts, texts
from storage.database import Database

READ = "SELECT $1::text::text[] AS a, $2::text::text[] AS b, $3::text::bigint[] AS c, $4::text::text[] AS d"
AWKWARD = [*("", "NULL", "null", " ", "{", "}", ",", '"', "\\", "\n", "\t", "'", "a"), "\u2028", "🌳", "\x01", "\x7f"]


async def test_what_was_put_in_comes_back(postgres_database: Database) -> None:
    chance = random.Random(8)

    def text() -> str:
        return "".join(chance.choices(AWKWARD, k=chance.randrange(5)))

    async with postgres_database.connection() as connection:
        for _ in range(300):
            whole = [text() for _ in range(chance.randrange(6))]
            holed = [chance.choice([None, text()]) for _ in range(chance.randrange(6))]
            counted = [chance.choice([None, chance.randrange(-(2**62), 2**62)]) for _ in range(chance.randrange(6))]
            values = [chance.choice([None, {text(): text()}, [text()], 1.5]) for _ in range(chance.randrange(6))]
            given = (texts(whole), optional_texts(holed), numbers(counted), documents(values))
            row = await connection.fetchrow(READ, *given)
            assert row is not None
            assert (row["a"], row["b"], row["c"]) == (whole, holed, counted)
            assert [json.loads(one) for one in row["d"]] == values
