"""Futures that a caller may drop: an answer nobody waits for is no error."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from sync.errors import TreesyncError

T = TypeVar("T")


def settle(future: asyncio.Future[T], answer: T | TreesyncError) -> None:
    """Answer it; the first answer holds."""
    if future.done():
        return
    if isinstance(answer, TreesyncError):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def seen(future: asyncio.Future[Any]) -> None:
    """An answer nobody waits for is no error of the program."""
    if not future.cancelled():
        future.exception()
