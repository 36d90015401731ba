"""Over how long the clients of one server come back when they lose it together.

One who loses his line alone is back at once. Thousands who lose it in the same moment (a network's fault, a balancer
or a server that ends) would all knock within that quarter of a second, and wait for each other. Only the server knows
how many they are: it says so beforehand in `welcome`, and to those it sends away itself in its notices.
"""

from __future__ import annotations

from sync.ports import Clock

# a handshake with hello and resume is 1.2 ms of a core (`make reconnect-storm`): half of it stays for everybody's edits
ADMITTED_PER_SECOND = 400
LONGEST_MS = 30_000  # the clients' own longest wait [RP8]
REMEMBERED_SECONDS = 300.0  # twice as long at most: whoever has not come back by then has closed his page
ASKED_BACK_MS = (200, 2_000)  # at least so late, so that another instance has been found; and spread at least so far


def spread_ms(sockets: int) -> int:
    """For so many, in milliseconds."""
    return min(LONGEST_MS, sockets * 1_000 // ADMITTED_PER_SECOND)


class Crowd:
    """How many may come together: the most sockets of the last minutes. Just after all have lost their lines the
    sockets that are there are few, and who comes back first would be told so."""

    def __init__(self) -> None:
        self._most = self._before = 0
        self._since = 0.0

    def spread_ms(self, sockets: int, now: float) -> int:
        """For so many that there are, at that second of a monotonic clock."""
        if now - self._since > REMEMBERED_SECONDS:
            self._before = self._most if now - self._since <= 2 * REMEMBERED_SECONDS else 0
            self._most, self._since = 0, now
        self._most = max(self._most, sockets)
        return spread_ms(max(self._most, self._before))


def retry_ms(clock: Clock, sockets: int) -> int:
    """When one of so many who are sent away together comes back, drawn anew for each."""
    earliest, latest = ASKED_BACK_MS
    return earliest + int(clock.token(8), 16) % max(latest - earliest, spread_ms(sockets))
