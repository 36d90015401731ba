"""What every HTTP operation shares: a declared route, a call that comes in, an answer that goes out.

An operation is data: what it takes and what it answers are types, and OpenAPI is made from the same table that serves
(`server.openapi`), so the two cannot drift. Handlers raise `sync.errors`; here they become problem+json.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from server.auth import Gate, is_operator
from server.faults import TooLarge, fault_of, problem
from server.limits import Admission, Meter, Verdict, charge, spend
from sync.codec import JSON, read_json
from sync.errors import BadMessage, Invalid, NotFound, ServerFault, TooMany, TreesyncError, Unauthorised
from sync.identity import Identity

Access = Literal["public", "bearer", "operator"]
PROBLEM = "application/problem+json"
_READ_WITHIN = 60.0  # seconds for a whole body: 8 MiB at 1.1 Mbit/s
_PARSE_INLINE = 64 * 1024  # bytes; larger bodies are parsed in a thread, so that the loop is never held for long
_TREE_NUMBERS = range(1, 2**53)

Body = TypeVar("Body")
Result = TypeVar("Result")


class Answer(NamedTuple):
    """`body` is a Struct, or bytes that go out as they are, or several of them one after the other."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}
    media_type: str = "application/json"


class Call:
    """One request to one operation, its bearer already known."""

    __slots__ = ("_identity", "_spend_ops", "body_limit", "request")

    def __init__(
        self, request: Request, identity: Identity | None, body_limit: int, spend_ops: Callable[[int, bool], None]
    ) -> None:
        self.request = request
        self.body_limit = body_limit
        self._identity = identity
        self._spend_ops = spend_ops

    @property
    def identity(self) -> Identity:
        assert self._identity is not None, "only operations with bearer access have one"
        return self._identity

    @property
    def tree(self) -> int:
        """The tree of the path. A name that no tree can have is answered like a tree that is not there (P10)."""
        text = self.request.path_params["tree"]
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else 0
        if number not in _TREE_NUMBERS or text != str(number):
            raise NotFound("no such tree")
        return number

    @property
    def address(self) -> str:
        return address_of(self.request)

    @property
    def user_agent(self) -> str:
        return self.request.headers.get("user-agent", "")[:400]

    def spend_ops(self, ops: int, *, made: bool = False) -> None:
        """Count ops against what their user and tenant may send. Raises TooMany; those that are `made` already count
        whatever it comes to, and what follows waits."""
        self._spend_ops(ops, made)

    def number(self, name: str, *, default: int | None, least: int, most: int) -> int | None:
        """An integer of the query string. Raises Invalid."""
        text = self.request.query_params.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= 16 and least <= int(text) <= most):
            raise Invalid(f"`{name}` is an integer from {least} to {most}")
        return int(text)

    async def content(self) -> bytes:
        """The whole body. Raises TooLarge before reading where its length says so."""
        if _declared(self.request) > self.body_limit:
            raise TooLarge(f"a body has at most {self.body_limit} bytes")
        chunks = bytearray()
        try:
            async with asyncio.timeout(_READ_WITHIN):
                async for chunk in self.request.stream():
                    chunks += chunk
                    if len(chunks) > self.body_limit:
                        raise TooLarge(f"a body has at most {self.body_limit} bytes")
        except TimeoutError:
            raise BadMessage(f"the body did not arrive within {_READ_WITHIN:g} seconds") from None
        return bytes(chunks)

    async def read(self, kind: type[Body]) -> Body:
        """The body as a Struct. Raises BadMessage for what is no JSON, Invalid for what is of another shape."""
        raw = await parsed(read_json, await self.content())
        try:
            return msgspec.convert(raw, kind, strict=True)
        except (msgspec.ValidationError, RecursionError) as error:
            raise Invalid(str(error)) from None


async def parsed(parse: Callable[[bytes], Result], content: bytes) -> Result:
    """Parse a body, beside the loop where it is large."""
    if len(content) <= _PARSE_INLINE:
        return parse(content)
    return await asyncio.to_thread(parse, content)


Handler = Callable[[Call], Awaitable[Answer]]


class Parameter(NamedTuple):
    """One parameter of the query string, for OpenAPI."""

    name: str
    kind: Literal["integer", "string"]
    what: str
    least: int | None = None
    most: int | None = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path. `takes` and `gives` are the Structs of the bodies; None: none; a tuple: one of these.
    `also`: other statuses that come with what it gives; `accepts`: media types of a body that is no Struct."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    name: str
    summary: str
    handle: Handler
    access: Access = "bearer"
    takes: Any = None
    accepts: tuple[str, ...] = ()
    gives: Any = None
    status: int = 200
    also: tuple[int, ...] = ()
    query: tuple[Parameter, ...] = ()
    media_type: str = "application/json"


class Doors:
    """Lets a call through to its operation, or answers why not."""

    def __init__(
        self,
        gate: Gate,
        *,
        operator_token: str | None,
        body_limit: int,
        admission: Admission,
        monotonic: Callable[[], float],
        log: Callable[..., None],
    ) -> None:
        self._gate = gate
        self._admission = admission
        self._monotonic = monotonic
        self._observe: Callable[[str, int, float], None] = lambda operation, status, seconds: None
        self._log = log
        self._operator_token = operator_token
        self._body_limit = body_limit

    def observe_with(self, observe: Callable[[str, int, float], None]) -> None:
        """From now on every answer is counted: operation, status, seconds."""
        self._observe = observe

    def route(self, operation: Operation) -> Route:
        """The operation as a route of Starlette's."""

        async def respond(request: Request) -> Response:
            began = self._monotonic()
            response = await answer(request)
            self._observe(operation.name, response.status_code, self._monotonic() - began)
            return response

        async def answer(request: Request) -> Response:
            try:
                self._spend(self._admission.visit(address_of(request)), 0, 0)  # a stranger's claims cost nobody else
                identity = await self._identify(request, operation.access)
                call = Call(request, identity, self._body_limit, self._meter(request, identity))
                return sent(await operation.handle(call))
            except TreesyncError as error:
                return self._fail(error, operation)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it
            except Exception as error:
                self._log("request failed", operation=operation.name, error=repr(error), exc_info=error)
                return failed(ServerFault("the server failed; it has been logged"))

        path = operation.path
        path = path.replace("{user}/", "{user:path}/")
        for end in ("{user}", "{node}"):  # ids, which may hold a slash; where they end a path, nothing can follow
            path = path.removesuffix(end) + end[:-1] + ":path}" if path.endswith(end) else path
        for end in ("history", "activity"):  # nor is there another node's below one
            path = path.replace(f"{{node}}/{end}", f"{{node:path}}/{end}")
        return Route(path, respond, methods=[operation.method], name=operation.name)

    def _meter(self, request: Request, identity: Identity | None) -> Callable[[int, bool], None]:
        """Count a message of its user and tenant; answers what counts its ops."""
        if identity is None:
            return lambda ops, made: None
        meters = self._admission.visit(address_of(request), identity.tenant, identity.user)[1:]
        self._spend(meters, min(_declared(request), self._body_limit), 0)

        def count(ops: int, made: bool) -> None:
            if made:
                charge(meters, self._monotonic(), ops)
            else:
                self._spend(meters, 0, ops)

        return count

    def _spend(self, meters: Collection[Meter], size: int, ops: int) -> None:
        if spend(meters, self._monotonic(), size, ops) is not Verdict.FINE:
            raise TooMany("too fast; try again", retry_after=1.0)

    def _fail(self, error: TreesyncError, operation: Operation) -> Response:
        if isinstance(error, ServerFault):
            self._log("request failed", operation=operation.name, code=error.code, why=error.why)
        return failed(error)

    async def _identify(self, request: Request, access: Access) -> Identity | None:
        match access:
            case "public":
                return None
            case "bearer":
                return await self.bearer_of(request)
            case "operator":
                if not self.is_operator(request):
                    raise Unauthorised("the operator's credential is needed")
                return None

    def is_operator(self, request: Request) -> bool:
        """Whether the request carries the operator's credential."""
        try:
            return is_operator(bearer(request), self._operator_token)
        except Unauthorised:
            return False

    async def bearer_of(self, request: Request) -> Identity:
        """For operations that show more to those who say who they are. Raises Unauthorised."""
        return await self._gate.enter(bearer(request))


def address_of(request: Request) -> str:
    """The peer, or whom a trusted proxy spoke for."""
    return request.client.host if request.client else ""


def _declared(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) <= 16 else 0


def bearer(request: Request) -> str:
    """The token of the one Authorization header. Raises Unauthorised."""
    found = request.headers.getlist("authorization")
    scheme, _, token = found[0].partition(" ") if len(found) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorised("an Authorization header with a bearer token is needed")
    return token.strip()


def sent(answer: Answer) -> Response:
    """The answer's bytes. API answers are nobody else's to keep."""
    match answer.body:
        case None:
            content = b""
        case bytes() as ready:
            content = ready
        case AsyncIterator() as parts:
            headers = {"Cache-Control": "no-store", **answer.headers}
            return StreamingResponse(parts, answer.status, headers, media_type=answer.media_type)
        case body:
            content = JSON.encode_value(body)
    headers = {"Cache-Control": "no-store", **answer.headers}
    return Response(content, answer.status, headers, media_type=answer.media_type if content else None)


def failed(error: TreesyncError) -> Response:
    """RFC 9457, with the headers that say what to do about it."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, Unauthorised):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooMany) and error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return Response(orjson.dumps(problem(error)), fault_of(error).status, headers, media_type=PROBLEM)
