"""What a person did, in numbers, over HTTP: counted by day or week."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from server.cached import Cache, Caches
from server.http import Answer, Call, Operation, Parameter
from server.persons import Persons
from sync.codec import JSON
from sync.errors import Invalid
from sync.personal_metrics import Bucket, Counted, Counts, MetricsReader, Span, span_of
from sync.ports import Clock

_DAYS = 30  # that are told unless said
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ZONE = re.compile(r"[A-Za-z]{1,20}(/[A-Za-z0-9_+-]{1,30}){0,2}")


class BucketCounts(Counts, frozen=True, kw_only=True):
    """A bucket: its first day, and when that begins."""

    date: str
    start: str


class UserMetrics(msgspec.Struct, kw_only=True):
    """What one person did. `series` has every bucket, also those in which nothing was done; `kinds`: rows of each."""

    user: str
    first: str = msgspec.field(name="from")
    last: str = msgspec.field(name="to")
    bucket: Bucket
    zone: str
    totals: Counts
    kinds: dict[str, int]
    series: list[BucketCounts]


class PersonalMetrics:
    """See the module."""

    def __init__(self, metrics: MetricsReader, persons: Persons, caches: Caches, clock: Clock) -> None:
        self._metrics = metrics
        self._persons = persons
        self._clock = clock
        self._kept: Cache[bytes] = caches.new("user_metrics", len)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/api/v1/users/{user}/metrics",
                name="read_user_metrics",
                summary="What you, or for an admin somebody, did, counted by day or week",
                handle=self.read,
                gives=UserMetrics,
                query=(
                    Parameter("from", "string", f"the first day; {_DAYS} days before the last unless said"),
                    Parameter("to", "string", "the last day, itself included; today unless said"),
                    Parameter("bucket", "string", "`day` or `week`, which begins on Monday"),
                    Parameter("zone", "string", "whose days they are, by its IANA name; UTC unless said"),
                ),
            ),
        ]

    async def read(self, call: Call) -> Answer:
        user, stamp = await self._persons.asked(call)
        span = _span(call, datetime.fromtimestamp(self._clock.now(), UTC))
        tenant = call.identity.tenant

        async def made() -> bytes:
            return JSON.encode_value(_numbers(user, span, await self._metrics.metrics(tenant, user, span.edges)))

        key = (tenant, user, span.first, span.last, span.bucket, span.zone)
        return Answer(await self._kept.get(key, stamp, made))


def _span(call: Call, now: datetime) -> Span:
    """Raises Invalid."""
    asked = call.request.query_params
    name = asked.get("zone", "UTC")
    zone = _zone(name)
    last = _day(asked["to"]) if "to" in asked else now.astimezone(zone).date()
    first = _day(asked["from"]) if "from" in asked else last - timedelta(days=_DAYS - 1)
    match asked.get("bucket", "day"):
        case "day" | "week" as bucket:
            return span_of(first, last, bucket, zone, name)
    raise Invalid("`bucket` is `day` or `week`")


def _zone(name: str) -> ZoneInfo:
    """Raises Invalid. A name that no zone has may be looked for as a file, so nothing else is let near the files."""
    if not _ZONE.fullmatch(name):
        raise Invalid("`zone` is the IANA name of a time zone, as Europe/Berlin")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("`zone` is the IANA name of a time zone, as Europe/Berlin") from None


def _day(said: str) -> date:
    try:
        return date.fromisoformat(said) if _DAY.fullmatch(said) else _no_day()
    except ValueError:
        return _no_day()


def _no_day() -> NoReturn:
    raise Invalid("`from` and `to` are days as 2026-01-31")


def _numbers(user: str, span: Span, counted: Counted) -> UserMetrics:
    return UserMetrics(
        user=user,
        first=span.first.isoformat(),
        last=span.last.isoformat(),
        bucket=span.bucket,
        zone=span.zone,
        totals=counted.totals,
        kinds=counted.kinds,
        series=[
            BucketCounts(
                date=day.isoformat(), start=start, **msgspec.structs.asdict(counted.series.get(place, Counts()))
            )
            for place, (day, start) in enumerate(zip(span.days, span.starts, strict=True))
        ],
    )
