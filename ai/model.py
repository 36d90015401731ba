"""A language model, as narrow as it is used here: one question, one answer in a schema."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`instructions` are ours; `data` was written by people and is never an instruction."""

    instructions: str
    data: str
    answer: str  # the schema's name
    schema: dict[str, Any]
    most_tokens: int  # of the answer


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer as it was written, not looked at. Tokens are None where the model did not count."""

    text: str
    model: str
    tokens: tuple[int, int] | None = None


class Model(Protocol):
    """Asks once. Whoever calls sets the time limit by cancelling."""

    @property
    def name(self) -> str: ...

    async def ask(self, question: Question) -> Reply:
        """Raises NoAnswer."""
        ...
