"""How long to wait before trying again: a random part of a doubling bound ("full jitter"), so that the clients of a
server that comes back do not come back together (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015)."""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 30.0
_DOUBLINGS = 20  # 0.25 s doubled so often is three days: past any bound, and no overflow


class Backoff:
    """`chance` answers a number from 0 to below 1."""

    def __init__(
        self, chance: Callable[[], float], *, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS
    ) -> None:
        self._chance = chance
        self._first = first
        self._longest = longest

    def wait(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row; the first failure is 1."""
        bound = self._first * float(1 << min(max(failures, 1) - 1, _DOUBLINGS))
        return self._chance() * min(self._longest, bound)
