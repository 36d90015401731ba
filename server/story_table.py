"""`treesync demo --offline-story`: where it is told, and how it is shown."""

from __future__ import annotations

import time
from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from server.auth import mint
from server.cli import CommandFailed
from server.own_server import own_server
from server.secret import signing_secret
from server.settings import read_settings
from server.story import OFFICE_EDITS, Told, tell
from sync import ops
from treesync_client import Conflict, Report, connect

_TOKEN_SECONDS = 3600.0
_STATUSES = ("applied", "merged", "unchanged", "superseded", "conflict", "rejected")
_NAMES: dict[type[ops.Op], str] = {
    ops.Insert: "new node",
    ops.Update: "field set",
    ops.Text: "text typed",
    ops.Move: "moved",
    ops.Delete: "deleted",
    ops.Connect: "connected",
    ops.Disconnect: "disconnected",
}


async def tell_offline_story(url: str | None, tenant: str, seed: int) -> None:
    """Tell it on a server that runs, or on one of its own. Raises CommandFailed where it does not end well."""
    if url is not None:
        settings = read_settings()
        secret = signing_secret(settings)
        if secret is None:
            raise CommandFailed("TREESYNC_JWT_SECRET: without it no tokens can be made here")
        await _tell(url, secret, tenant, seed, settings.jwt_audience, settings.jwt_issuer)
        return
    async with own_server() as (address, secret):
        await _tell(address, secret, tenant, seed)


async def _tell(
    url: str, secret: str, tenant: str, seed: int, audience: str | None = None, issuer: str | None = None
) -> None:
    def token(user: str) -> str:
        return mint(
            secret,
            tenant=tenant,
            user=user,
            name=user.title(),
            expires_at=time.time() + _TOKEN_SECONDS,
            audience=audience,
            issuer=issuer,
        )

    console = Console()
    async with connect(url, token("ada")) as ada, connect(url, token("bo")) as bo:
        told = await tell(ada, bo, seed, console.print)
    for table in (replay_table(told), decision_table(told)):
        console.print(table)
    if not told.is_good:
        raise CommandFailed(f"{told.open} conflicts are open; digests {', '.join(told.digests)}")
    console.print(f"both replicas and the server are equal: digest {told.digests[0]}")


def replay_table(told: Told) -> Table:
    """What became of each op, by kind; and why what was not done was not."""
    edits = sum(told.edits.values())
    title = f"{edits} offline edits in {len(told.report.entries)} ops, against {OFFICE_EDITS} foreign edits"
    table = Table(title=title, show_footer=True, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Ada's ops", footer="all", no_wrap=True)
    counts = Counter((_NAMES.get(type(one.op), "other"), one.status) for one in told.report.entries)
    for status in _STATUSES:
        table.add_column(
            status, justify="right", no_wrap=True, footer=str(sum(n for (_, was), n in counts.items() if was == status))
        )
    table.add_column("all", justify="right", footer=str(len(told.report.entries)))
    for name in dict.fromkeys((*_NAMES.values(), "other")):
        row = [counts[name, status] for status in _STATUSES]
        if any(row):
            table.add_row(name, *(str(count or "") for count in row), str(sum(row)))
    return table


def decision_table(told: Told) -> Table:
    """The reasons, and the decisions."""
    table = Table(
        title="what was not simply done, and what was decided", show_header=False, box=SIMPLE_HEAD, pad_edge=False
    )
    for reason, count in sorted(_reasons(told.report).items(), key=lambda one: (-one[1], one[0])):
        table.add_row(reason, str(count))
    table.add_section()
    for choice, count in sorted(told.resolved.items()):
        table.add_row(f"decided: {choice}", str(count))
    table.add_row("conflicts open now", str(told.open))
    return table


def _reasons(report: Report) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in report.entries:
        if isinstance(one.answer, Conflict):
            found[f"conflict: {_meaning(one.answer)}"] += 1
        elif one.status == "rejected":
            found[f"rejected: {one.code}, {one.why}"] += 1
    return found


def _meaning(conflict: Conflict) -> str:
    if conflict.code:
        return conflict.code
    paths = sorted({path.partition(".")[0] for path in conflict.paths})
    return f"{', '.join(paths) or 'the node'} changed by someone else"
