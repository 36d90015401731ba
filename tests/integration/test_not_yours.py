"""[OP7] Who may not see a tree cannot tell it from one that does not exist, on any route and in any message (P10)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from itertools import product
from typing import Any, NamedTuple, get_args

import asyncpg
import httpx2
import pytest

from server.auth import mint
from sync.identity import TenantRole
from sync.protocol import ClientMessage
from tests.clocks import RealClock
from tests.commands import SECRET, Command, treesync
from tests.postgres_servers import PostgresServers
from tests.speakers import CodecName, Message, Speaker, speaking

Operation = tuple[str, str, dict[str, Any]]
FIRST_TREE = 7_411  # numbers that stand nowhere else in an answer, to be told from what does
NODES = [{"id": "root", "type": "objective", "title": "A secret plan"}]


class Scene(NamedTuple):
    """A tree that is ada's alone, one she has thrown away, and a number that no tree has; all of as many digits."""

    instance: Command
    private: int
    deleted: int
    ghost: int
    position: dict[str, Any]

    @property
    def kept_from_others(self) -> tuple[int, int]:
        return self.private, self.deleted


class Stranger(NamedTuple):
    tenant: str
    user: str
    role: TenantRole

    @property
    def token(self) -> str:
        now = RealClock().now()
        return mint(SECRET, tenant=self.tenant, user=self.user, role=self.role, expires_at=now + 600)


STRANGERS = [
    pytest.param(Stranger("globex", "eve", "member"), id="of another tenant"),
    pytest.param(Stranger("globex", "ada", "admin"), id="an admin of another tenant, of the owner's name"),
    pytest.param(Stranger("acme", "bo", "member"), id="of the tenant, without rights"),
]


@pytest.fixture(scope="module")
async def scene(postgres_servers: PostgresServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    dsn = await (await postgres_servers.get("18")).fresh()
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"ALTER TABLE impact_trees ALTER COLUMN id RESTART WITH {FIRST_TREE}")
    await connection.close()
    async with treesync("serve", directory=tmp_path_factory.mktemp("serve"), DATABASE_URL=dsn) as instance:
        await instance.until_ready()
        yield await furnished(instance)
        assert await instance.stop() == 0, instance.said()
        assert "Traceback" not in instance.said(), instance.said()


async def furnished(instance: Command) -> Scene:
    made = [await instance.ask("POST", "/api/v1/trees", {"name": name, "nodes": NODES}) for name in ("Plan", "Old")]
    private, deleted = (answer.json()["id"] for answer in made)
    op = {"n": 1, "base": 2, "op": "update", "node": "root", "set": {"title": "A more secret plan"}}
    waits = {"n": 1, "base": 2, "op": "insert", "node": "a", "parent": "gone", "type": "metric", "title": "A secret"}
    for body in ({"client_id": "adas", "ops": [op]}, {"client_id": "adas-2", "mode": "replay", "ops": [waits]}):
        assert (await instance.ask("POST", f"/api/v1/trees/{private}/edits", body)).status_code == 200
    listed = (await instance.ask("GET", f"/api/v1/trees/{private}/conflicts")).json()
    assert [record["id"] for record in listed["conflicts"]] == [1]
    assert (await instance.ask("PUT", f"/api/v1/trees/{private}/members/cy", {"role": "editor"})).status_code == 200
    assert (await instance.ask("DELETE", f"/api/v1/trees/{deleted}")).status_code == 204
    position = (await instance.ask("GET", f"/api/v1/trees/{private}")).json()["position"]
    ghost = int("9" * len(str(private)))
    assert (await instance.ask("GET", f"/api/v1/trees/{ghost}")).status_code == 404
    assert len(str(deleted)) == len(str(ghost))
    return Scene(instance, private, deleted, ghost, position)


# ---- HTTP


async def operations(instance: Command) -> list[Operation]:
    """(method, path, description) of everything that is served and names a tree or a tenant."""
    described = (await instance.ask("GET", "/openapi.json")).json()
    return [
        (method.upper(), path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if "{tree}" in path or "{tenant}" in path
    ]


def bodies(operation: dict[str, Any], scene: Scene) -> list[Any]:
    """None, nonsense, and what the operation would take."""
    if "requestBody" not in operation:
        return [None]
    op = {"n": 1, "base": 3, "op": "update", "node": "root", "set": {"title": "Mine"}}
    edit = {"client_id": "adas", "ops": [op]}
    real: list[Any] = [
        edit,
        edit | {"epoch": scene.position["epoch"]},
        edit | {"ops": [op | {"node": "no such"}]},
        edit | {"mode": "replay", "policy": "all_or_nothing"},
        {"ops": []},
        {"role": "owner"},
        {"name": "Mine"},
        {"visibility": "tenant_edit"},
        {"name": ""},
        {"base": 3, "choice": "mine"},
        {"base": 3, "choice": "value", "value": "Mine"},
        {"request": "r1", "to": {"seq": 1}},
        {"request": "r1", "to": {"seq": 1}, "dry_run": True},
        {"request": "r1", "user": "ada"},
    ]
    return [None, [], {}, {"unknown": 1}, *real]


QUERIES = ["", "?seq=1", "?seq=99", "?seq=-1", "?before=1", "?before=x", "?from=seq:1", "?at=2001-01-01T00:00:00Z"]


def requests(found: list[Operation], scene: Scene) -> Iterator[tuple[str, str, Any]]:
    """(method, path with its tree and its tenant left open, body)."""
    for method, path, operation in found:
        queries = QUERIES if method == "GET" else [""]
        users = ["ada", "cy", "nobody"] if "{user}" in path else ["-"]
        for query, user, body in product(queries, users, bodies(operation, scene)):
            filled = path.replace("{user}", user).replace("{participant}", "p1").replace("{job}", "partitions")
            yield (
                method,
                filled.replace("{node}", "root").replace("{conflict}", "1").replace("{version}", "1") + query,
                body,
            )


def seen(answer: httpx2.Response, tree: int) -> tuple[Any, ...]:
    """All that the asker learns, the number he asked for left out."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, re.sub(rf"\b{tree}\b", "TREE", answer.text), headers


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_no_route_tells(scene: Scene, stranger: Stranger) -> None:
    found = await operations(scene.instance)
    assert len(found) >= 10
    headers = {"Authorization": f"Bearer {stranger.token}"}
    asked = 0
    async with httpx2.AsyncClient(base_url=scene.instance.url, headers=headers) as client:

        async def ask(method: str, path: str, tree: int, body: Any) -> tuple[Any, ...]:
            filled = path.replace("{tree}", str(tree)).replace("{tenant}", "acme")
            if body is None:
                return seen(await client.request(method, filled), tree)
            return seen(await client.request(method, filled, json=body), tree)

        for method, path, body in requests(found, scene):
            nothing = await ask(method, path, scene.ghost, body)
            assert nothing[0] >= 400, (method, path, body)
            for tree in scene.kept_from_others:
                assert await ask(method, path, tree, body) == nothing, (method, path, body)
                asked += 1
        listed = (await client.get("/api/v1/trees?limit=500")).json()
        assert not {scene.private, scene.deleted} & {tree["id"] for tree in listed["trees"]}
        own = (await client.get("/api/v1/conflicts")).json()
        assert own == {"conflicts": [], "next": None}
    assert asked > 100
    await nothing_happened(scene)


async def nothing_happened(scene: Scene) -> None:
    view = (await scene.instance.ask("GET", f"/api/v1/trees/{scene.private}")).json()
    assert view["position"] == scene.position
    members = (await scene.instance.ask("GET", f"/api/v1/trees/{scene.private}/members")).json()
    assert members["visibility"] == "private"
    assert members["members"] == [{"user": "cy", "role": "editor"}]
    conflicts = (await scene.instance.ask("GET", f"/api/v1/trees/{scene.private}/conflicts")).json()["conflicts"]
    assert [record["id"] for record in conflicts] == [1]


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("name", ["0", "-1", "abc", "1.0", "007", "9007199254740993", "9" * 40, "%00", "..", "1%2F2"])
async def test_a_name_that_no_tree_can_have_is_answered_alike(scene: Scene, stranger: Stranger, name: str) -> None:
    answer = await scene.instance.ask("GET", f"/api/v1/trees/{name}", bearer=stranger.token)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# ---- sockets


def messages(tree: int, scene: Scene) -> dict[str, list[Message]]:
    """What a client can say about a tree, by the type of the message."""
    update = {"n": 1, "base": 3, "op": "update", "node": "root", "set": {"title": "Mine"}}
    insert = {"n": 1, "base": 0, "op": "insert", "node": "mine", "parent": "root", "type": "metric", "title": "Mine"}
    elsewhere = {"epoch": "0" * 16, "seq": 1, "mark": "0" * 16}
    event = {"id": "e1", "kind": "node_viewed", "node": "root"}
    return {
        "open": [
            {"ref": 1},
            {"position": scene.position},
            {"position": elsewhere},
            {"position": scene.position | {"seq": 10**6}},
        ],
        "edit": [
            {"ops": [update]},
            {"ref": "r", "mode": "force", "ops": [update, insert | {"n": 2}]},
            {"mode": "replay", "policy": "all_or_nothing", "ops": [insert]},
            {"ops": [{"n": 1, "base": 0, "op": "unknown"}]},
            {"ops": [update | {"n": 7}]},
            {"ops": []},
        ],
        "resolve": [
            {"ref": 4, "conflict": 1, "base": 3, "choice": "mine"},
            {"conflict": 1, "base": 3, "choice": "value", "value": "Mine"},
            {"conflict": 2, "base": 10**6, "choice": "theirs"},
        ],
        "presence": [{"state": {"cursor": {"x": 1, "y": 2}}}],
        "activity": [{"ref": 2, "events": [event]}, {"events": []}],
        "close": [{}],
    }


ABOUT_NO_TREE = {"hello", "auth", "ping"}


def test_every_message_that_names_a_tree_is_asked_below(scene: Scene) -> None:
    kinds = {kind.__struct_config__.tag for kind in get_args(ClientMessage)}
    assert kinds == messages(1, scene).keys() | ABOUT_NO_TREE


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize("stranger", STRANGERS)
async def test_no_message_tells(scene: Scene, stranger: Stranger, codec: CodecName) -> None:
    """Asked without opening it, and after a refused `open`; on one socket, which stays open."""
    async with speaking(scene.instance, stranger.token, codec=codec) as speaker:
        nothing = await everything_heard(speaker, scene.ghost, scene)
        assert {answer["code"] for _, answers in nothing for answer in answers} == {"not_found", "not_open"}
        for tree in scene.kept_from_others:
            assert await everything_heard(speaker, tree, scene) == nothing
    await nothing_happened(scene)


async def everything_heard(speaker: Speaker, tree: int, scene: Scene) -> list[tuple[Message, list[Message]]]:
    heard = []
    said = messages(tree, scene)
    before = ("edit", "resolve", "presence", "activity", "close")
    for kind in (*before, "open", *before):
        for message in said[kind]:
            await speaker.say({"type": kind, "tree": tree, **message})
            # an answer that waits for the database may come after that of the `ping`
            first = [] if kind == "close" else [await speaker.hear()]
            answers = first + await speaker.answers()
            named = [answer.pop("tree", None) for answer in answers]
            assert set(named) <= {tree}
            heard.append(({"type": kind, **message}, answers))
    return heard


async def test_who_may_no_longer_see_a_tree_is_told_what_anybody_is_told(scene: Scene) -> None:
    """[AC4] The answer to whom a role was taken is that of a tree that never was."""
    instance = scene.instance
    members = f"/api/v1/trees/{scene.private}/members/dee"
    assert (await instance.ask("PUT", members, {"role": "viewer"})).status_code == 200
    async with speaking(instance, instance.token("dee")) as dee:
        assert (await dee.open(scene.private))["type"] == "snapshot"
        assert (await instance.ask("DELETE", members)).status_code == 204
        told = await dee.hear("error")
        missing = await dee.open(scene.ghost)
        assert told.pop("tree") == scene.private
        assert missing.pop("tree") == scene.ghost
        assert told == missing
        assert await everything_heard(dee, scene.private, scene) == await everything_heard(dee, scene.ghost, scene)
