"""What a tenant may spend on a day: the ledger of one process."""

from __future__ import annotations

from collections import Counter


class MemoryLedger:
    """`sync.advice.TokenLedger` for one instance. Days that are over are forgotten."""

    def __init__(self) -> None:
        self._day = ""
        self._spent: Counter[str] = Counter()

    async def reserve(self, tenant: str, day: str, tokens: int, most: int) -> bool:
        if day > self._day:
            self._day = day
            self._spent.clear()
        if self._spent[tenant] + tokens > most:
            return False
        self._spent[tenant] += tokens
        return True

    async def settle(self, tenant: str, day: str, reserved: int, used: int) -> None:
        if day == self._day:
            self._spent[tenant] += used - reserved

    def spent(self, tenant: str) -> int:
        """Tokens of the newest day, those that are only reserved among them."""
        return self._spent[tenant]
