"""What came of a drill."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Report(msgspec.Struct):
    """`times` the trouble was made, over so many ops; `figures` are seconds, or counts, by their name."""

    times: int
    ops: int
    figures: dict[str, float] = {}
    wrong: list[str] = []

    def line(self, name: str) -> str:
        figures = ", ".join(f"{what} {value:.2f}" for what, value in self.figures.items())
        return f"{name}: {self.times} times over {self.ops} ops, {len(self.wrong)} violations; {figures}"


def spread(name: str, taken: Sequence[float]) -> dict[str, float]:
    """The median, the 99th percentile and the most of it."""
    ordered = sorted(taken)
    if not ordered:
        return {}
    at = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "most": -1}
    return {f"{name} {share}": ordered[place] for share, place in at.items()}
