"""What a hub counts."""

from __future__ import annotations

from sync.stats import SAMPLES, HubStats


def test_quantiles_of_the_newest_samples() -> None:
    stats = HubStats()
    assert stats.quantile(0.99) == 0.0
    stats.commit_seconds.extend(float(one) for one in range(100))
    assert stats.quantile(0.5) == 50.0
    assert stats.quantile(0.99) == 99.0
    assert stats.quantile(1.0) == 99.0
    stats.commit_seconds.extend([1.0] * SAMPLES)
    assert stats.quantile(0.99) == 1.0
