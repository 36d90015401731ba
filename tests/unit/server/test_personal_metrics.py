"""A person in numbers over HTTP: which days, in whose time zone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.errors import Invalid
from sync.personal_metrics import MOST_BUCKETS, Bucket, span_of
from tests.applications import Running, running
from tests.unit.server.test_progress import edit
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def viewed(app: Running, tree: int, *times: str) -> None:
    events = [{"id": f"{at}", "kind": "tree_viewed", "at": at, "duration_ms": 1000} for at in times]
    assert (await app.ask("POST", f"/api/v1/trees/{tree}/activity", {"events": events})).status_code == 204


async def metrics(app: Running, query: str = "", **asked: Any) -> dict[str, Any]:
    answer = await app.ask("GET", f"/api/v1/users/ada/metrics{query}", **asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_every_day_of_the_span_is_there(app: Running) -> None:
    """[AC10]"""
    tree = await app.tree(visibility="tenant_edit")
    made = {"op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "A"}
    await edit(app, tree, made, {"op": "update", "node": "a", "set": {"template_data.unit": "a week"}})
    found = await metrics(app)
    today = datetime.fromtimestamp(app.app.clock.now(), UTC).date()
    assert (found["to"], found["from"]) == (today.isoformat(), (today - timedelta(days=29)).isoformat())
    assert (found["bucket"], found["zone"], len(found["series"])) == ("day", "UTC", 30)
    assert found["totals"] == {
        "nodes_created": 2,
        "edits": 4,
        "templates_filled": 1,
        "trees": 1,
        "sessions": 1,
        "events": 0,
        "time_spent_ms": 0,
        "active_ms": 0,
    }
    assert found["series"][-1] == found["totals"] | {
        "date": today.isoformat(),
        "start": f"{today.isoformat()}T00:00:00Z",
    }
    assert all(one["edits"] == 0 for one in found["series"][:-1])
    assert found["kinds"]["template_filled"] == 1
    await edit(app, tree, {"op": "update", "node": "a", "set": {"title": "Other"}}, user="bo")
    assert (await metrics(app))["totals"] == found["totals"]


async def test_a_day_is_one_of_the_zone_that_was_named(app: Running) -> None:
    """[AC10] An hour before midnight in London is another day in Berlin."""
    tree = await app.tree()
    await viewed(app, tree, "2026-07-01T22:30:00Z", "2026-07-01T10:00:00Z")
    query = "?from=2026-07-01&to=2026-07-02"
    for zone, counts in (("UTC", [2, 0]), ("Europe/Berlin", [1, 1]), ("America/New_York", [2, 0])):
        found = await metrics(app, f"{query}&zone={zone}")
        assert ([one["events"] for one in found["series"]], found["zone"]) == (counts, zone)
    assert [one["start"] for one in (await metrics(app, f"{query}&zone=Europe/Berlin"))["series"]] == [
        "2026-06-30T22:00:00Z",
        "2026-07-01T22:00:00Z",
    ]


async def test_weeks_begin_on_monday_and_are_cut_to_the_span(app: Running) -> None:
    """[AC10]"""
    tree = await app.tree()
    await viewed(app, tree, "2026-01-04T10:00:00Z", "2026-01-05T10:00:00Z", "2026-01-12T10:00:00Z")
    found = await metrics(app, "?from=2026-01-01&to=2026-01-12&bucket=week")  # a Thursday to a Monday
    assert [(one["date"], one["events"]) for one in found["series"]] == [
        ("2026-01-01", 1),
        ("2026-01-05", 1),
        ("2026-01-12", 1),
    ]
    assert found["totals"]["time_spent_ms"] == 3000


@pytest.mark.parametrize(
    "asked",
    [
        "from=2026-02-30", "from=20260201", "from=2026-02-01T00:00:00Z", "to=yesterday",
        "from=2026-02-02&to=2026-02-01", "from=0001-01-01", "to=9999-12-31", "from=2020-01-01&to=2026-01-01",
        "bucket=month", "bucket=",
        "zone=Europe/Nowhere", "zone=../../etc/passwd", "zone=/etc/localtime", "zone=", "zone=localtime%00",
        "zone=Europe", "zone=posixrules/..", "from=1960-01-01&to=2026-01-01&bucket=week",
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_said(app: Running, asked: str) -> None:
    """[AC10]"""
    await app.tree()
    assert problem(await app.ask("GET", f"/api/v1/users/ada/metrics?{asked}")) == (422, "invalid")


async def test_numbers_are_ones_own(app: Running) -> None:
    """[AC10]"""
    await app.tree()
    other = await app.ask("GET", "/api/v1/users/ada/metrics", user="bo")
    nobody = await app.ask("GET", "/api/v1/users/nobody/metrics", user="bo")
    assert problem(other) == (404, "not_found")
    assert other.json() == nobody.json()
    assert (await metrics(app, user="chef", role="admin"))["totals"]["edits"] == 2


@pytest.mark.parametrize(
    ("zone", "first", "last", "hours"),
    [
        ("Europe/Berlin", "2026-03-28", "2026-03-30", [24, 23, 24]),
        ("Europe/Berlin", "2026-10-24", "2026-10-26", [24, 25, 24]),
        ("America/Santiago", "2026-09-05", "2026-09-07", [24, 23, 24]),  # where midnight itself is left out
        ("Pacific/Apia", "2011-12-29", "2011-12-31", [24, 0, 24]),  # a day that was not
        ("Asia/Kathmandu", "2026-01-01", "2026-01-01", [24]),
    ],
)
def test_days_last_as_long_as_they_do_there(zone: str, first: str, last: str, hours: list[int]) -> None:
    """[AC10]"""
    span = span_of(date.fromisoformat(first), date.fromisoformat(last), "day", ZoneInfo(zone), zone)
    lasted = [(end - start) / timedelta(hours=1) for start, end in zip(span.edges, span.edges[1:], strict=False)]
    assert lasted == hours


@pytest.mark.parametrize(("bucket", "days"), [("day", MOST_BUCKETS), ("week", MOST_BUCKETS * 7)])
def test_the_most_that_may_be_asked_at_once(bucket: Bucket, days: int) -> None:
    """[AC10]"""
    monday = date(2018, 1, 1)
    span = span_of(monday, monday + timedelta(days=days - 1), bucket, UTC, "UTC")
    assert len(span.days) == MOST_BUCKETS
    with pytest.raises(Invalid):
        span_of(monday, monday + timedelta(days=days), bucket, UTC, "UTC")
