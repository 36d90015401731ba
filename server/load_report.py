"""What a run of `treesync load` saw, as numbers."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """In milliseconds."""

    samples: int
    p50: float
    p90: float
    p99: float
    most: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `divergence` counts replicas that differ from the server's tree at the end: it must be 0."""

    seconds: float
    rooms: int
    clients: int
    edits: int
    edits_per_second: float
    durable: Latency
    seen: Latency
    outcomes: dict[str, int]
    unanswered: int
    skipped: int
    reconnects: int
    resyncs: int
    divergence: int
    differing: list[str]

    @property
    def errors(self) -> int:
        """What went wrong: unanswered edits, lost connections, replicas that differ. A refusal by the rules of editing
        is an answer."""
        return self.unanswered + self.reconnects + self.divergence

    @property
    def is_good(self) -> bool:
        return self.divergence == 0 and self.unanswered == 0


def latency(seconds: Iterable[float]) -> Latency:
    """Percentiles by nearest rank."""
    ordered = sorted(seconds)
    if not ordered:
        return Latency(0, 0.0, 0.0, 0.0, 0.0)

    def rank(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)

    return Latency(len(ordered), rank(0.5), rank(0.9), rank(0.99), round(ordered[-1] * 1000, 3))
