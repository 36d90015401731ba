"""Each attempt is made twice, once about the victim's things and once about things that are not there: a stranger must
not be able to tell the two answers apart, and no answer may hold a word of the victim's."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple, get_args
from urllib.parse import quote

import httpx2

from server.auth import mint
from sync.identity import TenantRole
from sync.protocol import ClientMessage
from tests.clocks import RealClock
from tests.commands import SECRET, Command
from tests.fuzz.corpus import OPS
from tests.fuzz.mutate import mutated_value
from tests.probes.made import IDS, NODES, TREES, Asked, Maker, Place, filled
from tests.probes.victim import CANARY, Names, Victim
from tests.speakers import CodecName, Message, Speaker, pack, speaking

TOKEN_SECONDS = 3600.0
PER_SOCKET = 40  # messages of one pair of sockets
_VARIES = frozenset({"date", "content-length"})  # of a success; the length follows from the text, which is compared


class Stranger(NamedTuple):
    tenant: str
    user: str
    role: TenantRole

    @property
    def token(self) -> str:
        until = RealClock().now() + TOKEN_SECONDS
        return mint(SECRET, tenant=self.tenant, user=self.user, role=self.role, expires_at=until)


STRANGERS = (
    Stranger("globex", "eve", "member"),
    Stranger("globex", "victor", "admin"),
    Stranger("victim", "mallory", "member"),
)
KINDS = tuple(kind.__struct_config__.tag for kind in get_args(ClientMessage))


class Attack:
    """`statuses` and `codes` are what was answered, `reached` how often each route and message type was tried."""

    def __init__(
        self,
        instance: Command,
        victim: Victim,
        described: dict[str, Any],
        seed: int,
        tokens: Sequence[str] | None = None,
    ) -> None:
        """`tokens` in place of those of STRANGERS."""
        self.statuses: Counter[int] = Counter()
        self.codes: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        self.leaks: list[str] = []
        self._instance = instance
        self._victim = victim
        self._chance = Random(seed)
        self._tokens = [stranger.token for stranger in STRANGERS] if tokens is None else tokens
        self._maker = Maker(described, self._chance)

    @property
    def probes(self) -> int:
        return sum(self.reached.values())

    @property
    def untried(self) -> set[str]:
        """Routes and messages that no attempt has used yet."""
        routes = {f"{method} {path}" for method, path, _ in self._maker.operations}
        return (routes | set(KINDS)) - self.reached.keys()

    # ---- by HTTP

    async def by_http(self, probes: int) -> None:
        for stranger, token in enumerate(self._tokens):
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx2.AsyncClient(base_url=self._instance.url, headers=headers, timeout=60.0) as client:
                for _ in range(-(-probes // len(self._tokens))):
                    await self._ask(client, stranger, self._maker.request())

    async def _ask(self, client: httpx2.AsyncClient, stranger: int, asked: Asked) -> None:
        self.reached[asked.operation] += 1
        real = await self._send(client, asked, self._victim.real)
        ghost = await self._send(client, asked, self._victim.ghost)
        self.statuses[real.status_code] += 1
        if CANARY in real.text or CANARY in ghost.text:
            self.leaks.append(f"stranger {stranger} reads {real.text[:200]!r} from {asked}")
        elif self._seen(real) != self._seen(ghost):
            self.leaks.append(
                f"stranger {stranger} can tell {self._seen(real)!r} from {self._seen(ghost)!r}, asking {asked}"[:800]
            )

    async def _send(self, client: httpx2.AsyncClient, asked: Asked, names: Names) -> httpx2.Response:
        path = "/" + "/".join(quote(str(filled(piece, names)), safe="") for piece in asked.path)
        query: list[tuple[str, Any]] = [(name, str(filled(value, names))) for name, value in asked.query]
        body = filled(asked.body, names)
        content = None if asked.body is None else json.dumps(body).encode()
        return await client.request(asked.method, path, params=query or None, content=content)

    def _seen(self, answer: httpx2.Response) -> tuple[Any, ...]:
        """All that a stranger learns. What he made himself has a new number each time: its status is compared."""
        if answer.status_code < 300:
            return (answer.status_code,)
        headers = {name: value for name, value in answer.headers.items() if name not in _VARIES}
        return answer.status_code, self._plain(answer.text), headers

    def _plain(self, text: str) -> str:
        """The text with the ids that were asked for left out."""
        for real, ghost in zip(_flat(self._victim.real), _flat(self._victim.ghost), strict=True):
            text = re.sub(rf"\b({re.escape(real)}|{re.escape(ghost)})\b", "…", text)
        return text

    # ---- by socket

    async def by_socket(self, probes: int) -> None:
        done = 0
        while done < probes:
            stranger = self._chance.randrange(len(self._tokens))
            token = self._tokens[stranger]
            codec: CodecName = self._chance.choice(("json", "msgpack"))
            some = min(PER_SOCKET, probes - done)
            done += some
            async with (
                speaking(self._instance, token, client="own-1", codec=codec) as real,
                speaking(self._instance, token, client="own-2", codec=codec) as ghost,
            ):
                await self._talk(stranger, real, ghost, some)

    async def _talk(self, stranger: int, real: Speaker, ghost: Speaker, messages: int) -> None:
        for _ in range(messages):
            message = self._message()
            self.reached[str(message["type"])] += 1
            heard = []
            for speaker, names in ((real, self._victim.real), (ghost, self._victim.ghost)):
                await speaker.say(filled(message, names))
                # an answer that waits for the database may come after that of the ping that follows
                first = [] if message["type"] == "close" else [await speaker.hear()]
                heard.append(first + await speaker.answers())
            self.codes.update(str(one.get("code", one["type"])) for one in heard[0])
            told, other = [self._plain(json.dumps(one, sort_keys=True)) for one in heard]
            if CANARY in told or CANARY in other:
                self.leaks.append(f"stranger {stranger} hears {told[:200]!r} to {message}")
            elif told != other:
                self.leaks.append(f"stranger {stranger} can tell {told!r} from {other!r}, saying {message}"[:800])

    def _message(self) -> dict[str, Any]:
        """About the victim's tree, of any kind, with ids of the victim's in its fields."""
        chance = self._chance
        kind = chance.choice([one for one in KINDS if one not in ("hello", "auth")])
        position = {"epoch": Place("epoch"), "seq": chance.choice((0, 1, 2, 5, 99)), "mark": Place("mark")}
        op = {"n": chance.choice((1, 1, 1, 2)), "base": chance.choice((0, 2, 3)), **self._op()}
        fields: dict[str, Message] = {
            "open": {"position": position} if chance.random() < 0.6 else {},
            "close": {},
            "ping": {},
            "edit": {"mode": chance.choice(("live", "replay", "force")), "ops": [op]},
            "presence": {"state": {"selection": [chance.choice(NODES)]}},
            "activity": {"events": [{"id": "e1", "kind": "node_viewed", "node": chance.choice(NODES)}]},
            "resolve": {"conflict": chance.choice((1, 2)), "base": 3, "choice": chance.choice(("mine", "theirs"))},
        }
        message = {"type": kind, **fields[kind]}
        if kind != "ping":
            message["tree"] = chance.choice(TREES)
        if chance.random() < 0.5:
            message["ref"] = chance.choice((1, "r"))
        return message

    def _op(self) -> Message:
        op = dict(self._chance.choice(OPS))
        for name in op.keys() & (IDS.keys() - {"id", "name"}):
            op[name] = self._chance.choice(IDS[name])
        changed: Message = mutated_value(op, self._chance) if self._chance.random() < 0.2 else op
        try:
            pack(changed, "json")
            pack(changed, "msgpack")
        except (TypeError, ValueError, OverflowError):  # what this client cannot even write
            return op
        return changed


def _flat(names: Names) -> list[str]:
    return [str(one) for value in names for one in (value if isinstance(value, tuple) else (value,))]
