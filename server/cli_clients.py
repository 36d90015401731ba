"""The commands that are clients of a running server: demo and load."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import orjson
import uvloop
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from server.auth import mint
from server.bots import Bot, keep_editing
from server.cli import CommandFailed
from server.cli_tools import own_url
from server.demo import NAME, OWNER, demo_tree
from server.guest import TENANT
from server.load import Load, Plan, of_users
from server.load_report import Latency, Report, latency
from server.own_server import own_server
from server.secret import signing_secret
from server.settings import Settings, read_settings
from server.story_table import tell_offline_story
from sync.codec import CodecName
from treesync_client import Client, connect

_MOST_CLIENTS = 5_000  # sockets of one process; its file descriptors end at about as many
_MOST_SECONDS = 24 * 3600.0
_TOKEN_SECONDS = 3600.0
_BOT_PAUSE = 1.0  # seconds between two edits of one bot: as fast as people click
_BOT_NAMES = ("bo", "cy", "di", "eli", "fay", "gus", "hal", "ida")


def demo(
    *,
    url: str | None = None,
    tenant: str = TENANT,
    user: str = OWNER,
    bots: int = 0,
    seconds: float = 60.0,
    offline_story: bool = False,
    seed: int = 1,
) -> None:
    """Make the demo tree on a running server, where it is not there yet, and print a link to it.

    Parameters
    ----------
    url
        The server; by default where these settings would have it.
    tenant
        The company that gets the tree.
    user
        Its owner.
    bots
        So many people who do not exist edit it meanwhile.
    seconds
        How long they do.
    offline_story
        Instead, tell what becomes of an hour of work without network: 300 edits against 500 foreign ones, the report,
        and every conflict decided. Without --url on a server of its own. Ends with 1 where replicas differ.
    seed
        Of the story.
    """
    if offline_story:
        uvloop.run(tell_offline_story(url, tenant, seed))
        return
    if not 0 <= bots <= len(_BOT_NAMES) or not 0 < seconds <= _MOST_SECONDS:
        raise CommandFailed(f"--bots is 0 to {len(_BOT_NAMES)}, --seconds at most {_MOST_SECONDS:.0f}")
    settings = read_settings()
    uvloop.run(_demo(url or own_url(settings), token_maker(settings), tenant, user, bots, seconds))


async def _demo(url: str, token: Callable[[str, str], str], tenant: str, user: str, bots: int, seconds: float) -> None:
    async with connect(url, token(tenant, user)) as client:
        number = await _demo_tree(client, user)
    print(f"demo tree {number}: {url.rstrip('/')}/#tree={number}&token={token(tenant, user)}", flush=True)
    if bots:
        print(f"{bots} bots edit it for {seconds:g} s", flush=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(_be(url, token(tenant, name), name, number) for name in _BOT_NAMES[:bots]))


async def _demo_tree(client: Client, user: str) -> int:
    """The user's demo tree, made where there is none."""
    page: dict[str, Any] = await client.request("GET", "/trees?limit=500")
    known = [tree["id"] for tree in page["trees"] if tree["name"] == NAME and tree["owner"] == user]
    if known:
        return int(min(known))
    details, nodes, connections = demo_tree()
    return await client.create_tree(
        NAME, visibility="tenant_edit", nodes=nodes, connections=connections, details=details
    )


async def _be(url: str, token: str, name: str, number: int) -> None:
    chance = Random(name)
    async with connect(url, token, kind="agent", agent="treesync-demo") as client:
        await keep_editing(Bot(await client.open(number), name, chance), _BOT_PAUSE, chance)


def load(
    *,
    url: str | None = None,
    tenants: int = 1,
    rooms: int = 4,
    clients: int = 5,
    users: int = 0,
    seconds: float = 10.0,
    rate: float = 100.0,
    seed: int = 1,
    codec: CodecName = "msgpack",
    json: bool = False,
) -> None:
    """Drive real clients against a running server and report what they saw. Ends with 1 where replicas differ.

    Parameters
    ----------
    url
        The server; by default where these settings would have it.
    tenants
        Companies that the trees are spread over.
    rooms
        Trees, made anew.
    clients
        Clients on each tree.
    users
        In place of rooms, clients and rate: so many people, ten on each tree, who each change something every five
        seconds. Without --url on a server of its own.
    seconds
        How long they edit.
    rate
        Edits per second in all; 0: each client sends its next edit when the last is durable.
    seed
        Of what they do.
    codec
        `msgpack` or `json`.
    json
        Print the report as JSON, and nothing else.
    """
    if min(tenants, rooms, clients) < 1 or users < 0 or max(rooms * clients, users) > _MOST_CLIENTS:
        raise CommandFailed(f"--tenants, --rooms, --clients: at least 1, and {_MOST_CLIENTS} clients in all")
    if not 0 < seconds <= _MOST_SECONDS or rate < 0:
        raise CommandFailed(f"--seconds is at most {_MOST_SECONDS:.0f}, --rate at least 0")

    def plan(address: str) -> Plan:
        if users:
            return of_users(address, users, seconds, tenants=tenants, seed=seed, codec=codec)
        return Plan(
            url=address,
            tenants=tenants,
            rooms=rooms,
            clients=clients,
            seconds=seconds,
            rate=rate,
            seed=seed,
            codec=codec,
        )

    report = uvloop.run(_drive(plan, url, own=bool(users), quiet=json))
    if json:
        print(orjson.dumps(msgspec.to_builtins(report), option=orjson.OPT_INDENT_2).decode())
    else:
        Console().print(table(report))
    if not report.is_good:
        raise CommandFailed(f"{report.divergence} replicas differ, {report.unanswered} edits are unanswered")


async def _drive(plan: Callable[[str], Plan], url: str | None, *, own: bool, quiet: bool) -> Report:
    """Against the named server, one of its own, or the one of these settings."""
    if own and url is None:
        async with own_server() as (address, secret):
            return await _load(Load(plan(address), token_of(secret)), quiet=quiet)
    settings = read_settings()
    return await _load(Load(plan(url or own_url(settings)), token_maker(settings)), quiet=quiet)


async def _load(run: Load, *, quiet: bool) -> Report:
    if quiet:
        return await run.run()
    with Live(Text("connecting …"), console=Console(stderr=True), transient=True, auto_refresh=False) as live:
        return await run.run(lambda: live.update(line(run), refresh=True))


def line(run: Load) -> Text:
    """How it goes."""
    passed = max(time.monotonic() - run.started, 0.001)
    durable = latency(list(run.durable)[-2000:])
    return Text(
        f"{min(passed, run.plan.seconds):5.1f}/{run.plan.seconds:g} s  {run.edits / passed:8.1f} edits/s  "
        f"durable p50 {durable.p50:.1f} p99 {durable.p99:.1f} ms  {run.waiting} waiting"
    )


def table(report: Report) -> Table:
    """The report for people."""
    shown = Table(title=f"{report.clients} clients on {report.rooms} trees, {report.seconds:g} s", show_header=False)
    shown.add_row("edits", f"{report.edits} ({report.edits_per_second:g} per second)")
    shown.add_row("autosave, edit to durable", _shown(report.durable))
    shown.add_row("sync, edit to seen by another", _shown(report.seen))
    shown.add_row("errors", str(report.errors))
    shown.add_row("outcomes", ", ".join(f"{status} {count}" for status, count in report.outcomes.items()) or "none")
    shown.add_row("unanswered", str(report.unanswered))
    if report.skipped:
        shown.add_row("skipped, too far behind", str(report.skipped))
    shown.add_row("reconnects", str(report.reconnects))
    shown.add_row("divergence", f"{report.divergence} (resyncs on the way: {report.resyncs})")
    for one in report.differing[:10]:
        shown.add_row("", one)
    return shown


def _shown(found: Latency) -> str:
    return f"p50 {found.p50:g}  p90 {found.p90:g}  p99 {found.p99:g}  most {found.most:g} ms  ({found.samples} samples)"


def token_maker(settings: Settings) -> Callable[[str, str], str]:
    """Tokens for users of a tenant, as the configured secret signs them."""
    secret = signing_secret(settings)
    if secret is None:
        raise CommandFailed("TREESYNC_JWT_SECRET: without it no tokens can be made here")
    return token_of(secret, settings.jwt_audience, settings.jwt_issuer)


def token_of(secret: str, audience: str | None = None, issuer: str | None = None) -> Callable[[str, str], str]:
    """Tokens for users of a tenant, signed with this secret."""

    def token(tenant: str, user: str) -> str:
        return mint(
            secret,
            tenant=tenant,
            user=user,
            name=user.title(),
            expires_at=time.time() + _TOKEN_SECONDS,
            audience=audience,
            issuer=issuer,
        )

    return token
