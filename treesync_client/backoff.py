"""How long to wait before trying again: a random part of a doubling bound ("full jitter"), so that the clients of a
server that comes back do not come back together (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 30.0
LONGEST_ASKED_SECONDS = 120.0  # of a Retry-After: a proxy's hour would be somebody's whole afternoon without the others
_DOUBLINGS = 20  # 0.25 s doubled so often is three days: past any bound, and no overflow


class Backoff:
    """`chance` answers a number from 0 to below 1."""

    def __init__(
        self, chance: Callable[[], float], *, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS
    ) -> None:
        self._chance = chance
        self._first = first
        self._longest = longest

    def wait(self, failures: int, spread: float = 0.0) -> float:
        """Seconds to wait after so many failures in a row; the first failure is 1. `spread`: the least bound, where
        many are known to come back."""
        bound = self._first * float(1 << min(max(failures, 1) - 1, _DOUBLINGS))
        return self._chance() * min(self._longest, max(bound, spread))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a Retry-After asks for, at most LONGEST_ASKED_SECONDS; None where there is none, or no sense in
    it. A date is taken against the answer's own, whatever this machine's clock says (RFC 9110, 10.2.3)."""
    asked = headers.get("Retry-After", "").strip()
    try:
        if asked.isascii() and asked.isdigit():
            seconds = float(asked)
        else:
            later = parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("Date", ""))
            seconds = later.total_seconds()
    except (TypeError, ValueError, LookupError):
        return None
    return min(max(seconds, 0.0), LONGEST_ASKED_SECONDS)
