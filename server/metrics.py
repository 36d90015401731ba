"""Prometheus metrics. Read from the hub when asked for; labels are bounded, never a tree or user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from msgspec import UnsetType
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.reports import Reports
from sync.hub import Hub

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# from a read out of memory to the longest wait of a request, in seconds
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

_TOTALS = (
    ("edits", "Edits taken in"),
    ("ops", "Ops applied"),
    ("commits", "Trees committed"),
    ("statements", "Commit statements sent"),
    ("deliveries", "Frames written to sockets"),
    ("resumes", "Returns answered with the missing ops"),
    ("digest_mismatches", "Replicas that found their digest to differ, and asked for a fresh state"),
    ("bus_messages", "Messages heard from other instances"),
    ("bad_bus_messages", "Messages of other instances that could not be read"),
    ("refills", "Gaps refilled from the log"),
    ("resets", "Rooms whose history was replaced"),
    ("lost", "Commits that another instance preceded"),
    ("unavailable", "Commits that the database did not answer"),
    ("slow_readers", "Times a reader fell behind"),
)


class Metrics:
    """One registry per instance: a process may hold several, as tests do."""

    def __init__(self, hub: Hub, reports: Reports, bus_healthy: Callable[[], bool]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_HubCollector(hub, reports, bus_healthy))
        self._requests = Counter(
            "treesync_http_requests_total", "HTTP requests", ["operation", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "treesync_http_request_seconds",
            "Seconds from a request to its answer",
            ["operation"],
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one HTTP request. Operations are those of the table of routes, statuses those of `server.faults`."""
        self._requests.labels(operation, str(status)).inc()
        self._seconds.labels(operation).observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)


class _HubCollector(Collector):
    def __init__(self, hub: Hub, reports: Reports, bus_healthy: Callable[[], bool]) -> None:
        self._hub = hub
        self._reports = reports
        self._bus_healthy = bus_healthy

    def collect(self) -> Iterator[Metric]:
        stats = self._hub.stats
        for name, what in _TOTALS:
            yield CounterMetricFamily(f"treesync_{name}", what, value=getattr(stats, name))
        yield _by_label("treesync_results", "Results of ops", "status", stats.results)
        yield _by_label("treesync_snapshots", "Snapshots sent", "reason", stats.snapshots)
        yield from self._gauges()
        yield from self._caches()
        quantiles = GaugeMetricFamily("treesync_commit_quantile_seconds", "Of the newest commits", labels=["quantile"])
        for share in (0.5, 0.9, 0.99):
            quantiles.add_metric([f"{share:g}"], stats.quantile(share))
        yield quantiles

    def _caches(self) -> Iterator[Metric]:
        asked = CounterMetricFamily(
            "treesync_cache_asked", "Times something was asked for that is kept", labels=["cache"]
        )
        hits = CounterMetricFamily("treesync_cache_hits", "Of these, times it was at hand", labels=["cache"])
        held = GaugeMetricFamily("treesync_cache_bytes", "Bytes of answers kept", labels=["cache"])
        for name, report in self._reports.caches().items():
            asked.add_metric([name], report.asked)
            hits.add_metric([name], report.hits)
            if not isinstance(report.bytes, UnsetType):
                held.add_metric([name], report.bytes)
        yield from (asked, hits, held)

    def _gauges(self) -> Iterator[Metric]:
        rooms = self._reports.rooms()
        values: dict[str, tuple[str, float]] = {
            "rooms": ("Open rooms", len(rooms)),
            "sockets": ("Sockets that have said hello", self._hub.sessions()),
            "participants": ("Participants of all rooms", sum(len(room.participants) for room in rooms)),
            "waiting_ops": ("Ops that wait to be committed", sum(room.waiting_ops for room in rooms)),
            "queued_bytes": ("Bytes readers have not taken", sum(room.queued_bytes for room in rooms)),
            "lag_seconds": ("Age of the oldest waiting edit", max((room.lag_seconds for room in rooms), default=0.0)),
            "bus_up": ("Whether the bus is connected", float(self._bus_healthy())),
            "draining": ("Whether the instance is stopping", float(self._hub.draining)),
            "tasks": ("Tasks of the event loop", float(len(asyncio.all_tasks()))),
        }
        for name, (what, value) in values.items():
            yield GaugeMetricFamily(f"treesync_{name}", what, value=value)


def _by_label(name: str, what: str, label: str, counted: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, what, labels=[label])
    for key, value in sorted(counted.items()):
        family.add_metric([key or "none"], value)
    return family
