"""Stops asking a model that does not answer, for a while (Nygard, "Release It!", circuit breaker). Sans-I/O."""

from __future__ import annotations

FAILURES = 5  # one after the other, until it is not asked any more
OPEN_SECONDS = 60.0  # until one question is let through to see


class Breaker:
    """Ask `allows`, then tell `succeeded`, `failed` or `released`. Times are seconds of a monotonic clock."""

    def __init__(self, *, failures: int = FAILURES, open_seconds: float = OPEN_SECONDS) -> None:
        self._most = failures
        self._open_seconds = open_seconds
        self._failures = 0
        self._opened_at: float | None = None
        self._trying = False

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    def allows(self, now: float) -> bool:
        """Whether the model may be asked. Where it was not for a while, one question goes through alone."""
        if self._opened_at is None:
            return True
        if self._trying or now - self._opened_at < self._open_seconds:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        self._failures = 0
        self._opened_at = None
        self._trying = False

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._trying or self._failures >= self._most:
            self._opened_at = now
        self._trying = False

    def released(self) -> None:
        """The question was given up before it said anything about the model."""
        self._trying = False
