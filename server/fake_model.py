"""The HTTP API of OpenAI, as far as it is used here, without a model behind it: for tests, and to try everything
without a key. It answers with what the rules say, marked as its own, or misbehaves as it is told to, call by call.

It never leaves the machine and costs nothing; that it is no model is in every answer (`model` is "fake-model").
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Literal

import msgspec
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ai.rules import content_by_rules
from sync.advice import Kind
from sync.errors import NoAnswer
from sync.plan import Plan

Behaviour = Literal[
    "answer",  # what the rules would say
    "refusal",  # the model declines
    "filtered",  # the provider's filter took the answer away
    "truncated",  # cut off at its length, in the middle of the JSON
    "wrong_schema",  # JSON of another shape
    "extra_field",  # all of it, and a field more
    "invented_step",  # about a step that the plan does not have
    "nonsense",  # no JSON
    "not_an_envelope",  # an answer of another API
    "rate",  # 429
    "rate_long",  # 429, to come back in an hour
    "unauthorised",  # 401, with a piece of the key in its message, as the real one
    "error",  # 500
    "hang",  # never answers
    "cut",  # the connection ends in the middle
    "slow",  # a byte a second
    "flood",  # an answer far too long
]
NAME = "fake-model"
_FOREVER = 86_400.0
_FLOOD_PIECE, _FLOOD_PIECES = b" " * 65_536, 256  # 16 MiB


class FakeModel:
    """`app` speaks HTTP; `calls` are the bodies of what it was asked, in order."""

    def __init__(
        self, script: Iterable[Behaviour] = (), sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`script`: how it behaves, call by call; afterwards it answers."""
        self.calls: list[dict[str, Any]] = []
        self._script = list(script)
        self._sleep = sleep
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])

    def then(self, *behaviours: Behaviour) -> None:
        """How it behaves next."""
        self._script += behaviours

    async def _complete(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        self.calls.append(body)
        behaviour = self._script.pop(0) if self._script else "answer"
        match behaviour:
            case "rate" | "rate_long" | "unauthorised" | "error":
                return _refusing(behaviour, request.headers.get("authorization", ""))
            case "hang":
                await self._sleep(_FOREVER)
            case "cut" | "slow" | "flood":
                return self._trickling(behaviour, orjson.dumps(_envelope(body, "answer")))
            case "not_an_envelope":
                return JSONResponse({"object": "list", "data": []})
        return JSONResponse(_envelope(body, behaviour))

    def _trickling(self, behaviour: Literal["cut", "slow", "flood"], content: bytes) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            if behaviour == "cut":
                yield content[: len(content) // 2]
                raise ConnectionResetError("cut, as it was told to")
            if behaviour == "flood":
                for _ in range(_FLOOD_PIECES):  # whoever stopped reading is not noticed while it is written
                    yield _FLOOD_PIECE
                    await self._sleep(0)
            for byte in content:
                yield bytes((byte,))
                await self._sleep(1.0)

        return StreamingResponse(pieces(), media_type="application/json")


def _refusing(behaviour: Literal["rate", "rate_long", "unauthorised", "error"], key: str) -> Response:
    if behaviour == "unauthorised":
        return _error(401, f"Incorrect API key provided: {key.removeprefix('Bearer ')}.")
    if behaviour == "error":
        return _error(500, "The server had an error while processing your request.")
    return _error(429, "Rate limit reached.", {"Retry-After": "3600" if behaviour == "rate_long" else "0"})


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"message": message, "type": "fake", "code": None}}, status, headers)


def _envelope(body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    kind: Kind = body["response_format"]["json_schema"]["name"]
    content = "" if behaviour in ("refusal", "filtered") else _content(kind, _plan(body), behaviour)
    if behaviour == "truncated":
        content = content[: len(content) // 2]
    finish = {"truncated": "length", "filtered": "content_filter"}.get(behaviour, "stop")
    message = {"role": "assistant", "content": content or None}
    message["refusal"] = "I can't help with that." if behaviour == "refusal" else None
    asked = sum(len(one["content"]) for one in body["messages"])
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": NAME,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {
            "prompt_tokens": asked // 4,
            "completion_tokens": len(content) // 4,
            "total_tokens": (asked + len(content)) // 4,
        },
    }


def _content(kind: Kind, plan: Plan, behaviour: Behaviour) -> str:
    match behaviour:
        case "nonsense":
            return "Certainly! Here is what I would do next."
        case "wrong_schema":
            return orjson.dumps({"items": [{"step": 5}]}).decode()
    said = msgspec.to_builtins(_said(kind, plan))
    if behaviour == "extra_field":
        said["confidence"] = 0.9
    if behaviour == "invented_step":
        for item in said.get("items", []):
            item["step"] = "made-up"
        said["domains"] = [{"node": "made-up", "score": 1, "comment": "x"}] if kind == "health_summary" else None
        said = {name: value for name, value in said.items() if value is not None}
    return orjson.dumps(said).decode()


def _said(kind: Kind, plan: Plan) -> Any:
    try:
        return content_by_rules(kind, plan)
    except NoAnswer:
        return {"items": []}


def _plan(body: dict[str, Any]) -> Plan:
    """The plan as it stands in the question: as much of it as did fit."""
    said = body["messages"][-1]["content"].partition("<plan>\n")[2].rpartition("\n</plan>")[0]
    read = orjson.loads(said)
    read.pop("steps_in_all", None)
    return msgspec.convert({"tree": 0, "seq": 0, **read}, Plan)
