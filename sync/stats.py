"""What a hub counts. Plain numbers; `server/` turns them into metrics."""

from __future__ import annotations

from collections import Counter, deque

SAMPLES = 2_048  # the newest durations kept, enough for a p99 of the last seconds under load


class HubStats:
    """Totals since start, and the newest samples in seconds."""

    def __init__(self) -> None:
        self.edits = 0
        self.ops = 0
        self.commits = 0
        self.statements = 0
        self.lost = 0
        self.unavailable = 0
        self.refills = 0
        self.resets = 0
        self.slow_readers = 0
        self.deliveries = 0
        self.results: Counter[str] = Counter()
        self.snapshots: Counter[str] = Counter()
        self.resumes = 0
        self.digest_mismatches = 0
        self.commit_seconds: deque[float] = deque(maxlen=SAMPLES)
        self.bus_messages = 0
        self.bad_bus_messages = 0
        self.rooms_entered = 0
        self.rooms_loaded = 0  # of these, from the database
        self.states_encoded = 0  # for the snapshots sent

    def quantile(self, share: float) -> float:
        """A quantile of the newest commit durations in seconds; 0 where there are none."""
        ordered = sorted(self.commit_seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
