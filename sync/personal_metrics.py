"""What one person did, in buckets of days or weeks of a time zone, for charts. Storage implements the port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal, Protocol

import msgspec

from sync.errors import Invalid

Bucket = Literal["day", "week"]
MOST_BUCKETS = 400  # a year of days, and seven of weeks
_FIRST, _LAST = date(1970, 1, 2), date(9998, 12, 30)  # no zone takes these out of the calendar


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, both days included: the first day of each bucket, and when it begins; `edges` has the end
    behind them. A week begins on Monday (ISO 8601); the first and the last are cut to what was asked for."""

    first: date
    last: date
    bucket: Bucket
    zone: str
    days: list[date]
    edges: list[datetime]

    @property
    def starts(self) -> list[str]:
        """RFC 3339."""
        return [edge.isoformat().replace("+00:00", "Z") for edge in self.edges[:-1]]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """`edits` are accepted ops, those that make a tree among them; `trees` how many different ones he did something in,
    `sessions` how many visits; `events` what his client reported and `time_spent_ms` what it measured, once where one
    lies within the other; `active_ms` from the first to the last of what he did in each visit."""

    nodes_created: int = 0
    edits: int = 0
    templates_filled: int = 0
    trees: int = 0
    sessions: int = 0
    events: int = 0
    time_spent_ms: int = 0
    active_ms: int = 0


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """`series`: by the number of the bucket, from 0; those in which nothing was done are left out."""

    totals: Counts
    kinds: dict[str, int]
    series: dict[int, Counts]


class MetricsReader(Protocol):
    """Raises Unavailable."""

    async def metrics(self, tenant: str, user: str, edges: Sequence[datetime]) -> Counted:
        """What he did from the first edge on and before the last, in the buckets between them."""
        ...


def span_of(first: date, last: date, bucket: Bucket, zone: tzinfo, name: str) -> Span:
    """Raises Invalid for a span that is none, or is too long."""
    if not _FIRST <= first <= last <= _LAST:
        raise Invalid("`from` is a day, and `to` the same or a later one")
    starts = [first]
    step = 1 if bucket == "day" else 7 - first.weekday()
    while (following := starts[-1] + timedelta(days=step)) <= last:
        if len(starts) == MOST_BUCKETS:
            raise Invalid(f"at most {MOST_BUCKETS} buckets at once")
        starts.append(following)
        step = 1 if bucket == "day" else 7
    edges = [_midnight(day, zone) for day in [*starts, last + timedelta(days=1)]]
    return Span(first=first, last=last, bucket=bucket, zone=name, days=starts, edges=edges)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins. Where its first hour is left out that is the next moment, where it comes twice the first."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
