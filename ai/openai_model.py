"""`ai.model.Model` over the HTTP API of OpenAI, or of whatever answers as it does at OPENAI_BASE_URL.

The SDK is asked for one request: no retries of its own and no parsing, so that there is one deadline (its default is 10
minutes and three attempts) and one place where answers are judged. Messages of the API's errors are not told on: they
may hold a piece of the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ai.model import Question, Reply
from sync.codec import read_json
from sync.errors import BadMessage, NoAnswer

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_MODEL = "gpt-5-mini"
_BODY_BYTES = 512 * 1024  # an answer has 64 kB at most, escaped and wrapped
_CONNECT_SECONDS = 5.0
_TEMPORARY = frozenset((408, 409, 425, 429))  # and everything from 500
_MOST_RETRY_AFTER = 86_400.0


class OpenAIModel:
    """Made by `opened`; `close` lets its connections go."""

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model

    @property
    def name(self) -> str:
        return self._model

    async def close(self) -> None:
        await self._client.close()

    async def ask(self, question: Question) -> Reply:
        import openai

        try:
            body = await self._body(question)
        except openai.APIStatusError as error:
            raise _refused(error.status_code, dict(error.response.headers)) from None
        except openai.APITimeoutError:
            raise NoAnswer("timeout", "the model did not answer in time", temporary=True) from None
        except openai.APIConnectionError:
            raise NoAnswer("network", "the model cannot be reached", temporary=True) from None
        except openai.OpenAIError as error:
            raise NoAnswer("protocol", f"the model's answer cannot be read ({type(error).__name__})") from None
        return _reply(body, self._model)

    async def _body(self, question: Question) -> bytes:
        """The answer as it came, cut off where it is far too long."""
        import httpx2

        asking: Any = self._client.chat.completions.with_streaming_response.create(
            model=self._model,
            messages=[
                {"role": "system", "content": question.instructions},
                {"role": "user", "content": question.data},
            ],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": question.answer, "strict": True, "schema": question.schema},
            },
            max_completion_tokens=question.most_tokens,
        )
        found = bytearray()
        try:
            async with asking as response:
                async for piece in response.iter_bytes():
                    found += piece
                    if len(found) > _BODY_BYTES:
                        raise NoAnswer("too_large", f"the model's answer has over {_BODY_BYTES} bytes")
        except httpx2.TimeoutException:
            raise NoAnswer("timeout", "the model did not answer in time", temporary=True) from None
        except httpx2.HTTPError:
            raise NoAnswer("network", "the model's answer was cut off", temporary=True) from None
        return bytes(found)


def opened(
    key: str, *, model: str = DEFAULT_MODEL, base_url: str | None = None, http_client: Any = None
) -> OpenAIModel:
    """`http_client` is for tests. The SDK takes 0.3 s to import: only here, where a model is configured."""
    from openai import AsyncOpenAI, Timeout

    client = AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        # between two pieces of an answer; the whole has the deadline of whoever asks
        timeout=Timeout(60.0, connect=_CONNECT_SECONDS),
        http_client=http_client,
    )
    return OpenAIModel(client, model)


def _refused(status: int, headers: dict[str, str]) -> NoAnswer:
    reason = "rate" if status == 429 else "key" if status in (401, 403) else "status"
    return NoAnswer(
        reason,
        f"the model answered with status {status}",
        temporary=status in _TEMPORARY or status >= 500,
        retry_after=_seconds(headers.get("retry-after", "")),
    )


def _seconds(said: str) -> float | None:
    """Retry-After in seconds (RFC 9110 §10.2.3); a date is no help to whoever waits for seconds."""
    try:
        found = float(said)
    except ValueError:
        return None
    return found if 0 <= found <= _MOST_RETRY_AFTER else None


def _reply(body: bytes, asked: str) -> Reply:
    """What the API's envelope holds. Raises NoAnswer for refusals, cut off answers, and what is no such envelope."""
    try:
        envelope = read_json(body)
    except BadMessage:
        raise NoAnswer("protocol", "the model's answer is no JSON") from None
    tokens = _tokens(_at(envelope, "usage"))
    choice = _at(envelope, "choices", 0)
    if _at(choice, "message", "refusal"):
        raise NoAnswer("refused", "the model refused to answer", tokens=tokens)
    match _at(choice, "finish_reason"):
        case "length":
            raise NoAnswer("truncated", "the model's answer was cut off at its length", tokens=tokens)
        case "content_filter":
            raise NoAnswer("filtered", "the model's answer was filtered", tokens=tokens)
    text = _at(choice, "message", "content")
    if not isinstance(text, str) or not text:
        raise NoAnswer("protocol", "the model's answer has no content", tokens=tokens)
    model = _at(envelope, "model")
    return Reply(text=text, model=model[:100] if isinstance(model, str) and model else asked, tokens=tokens)


def _at(value: Any, *path: str | int) -> Any:
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def _tokens(usage: Any) -> tuple[int, int] | None:
    counts = [_at(usage, name) for name in ("prompt_tokens", "completion_tokens")]
    if not all(type(one) is int and 0 <= one < 2**31 for one in counts):
        return None
    return counts[0], counts[1]
