"""`treesync migrate`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

import storage.migrate
from server.cli import CommandFailed
from server.foundation import database_url
from server.settings import Settings, read_settings


def migrate(
    *,
    only_check: Annotated[bool, Parameter(name="--check", negative="")] = False,
    verify: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Bring the database to this release's schema; say what was done.

    Parameters
    ----------
    only_check
        Change nothing, list what is pending; end with 1 where something is.
    verify
        Change nothing; end with 1 unless exactly this release's migrations, with their content, were applied.
    """
    asyncio.run(_run(read_settings(), only_check=only_check, verify=verify))


async def _run(settings: Settings, *, only_check: bool, verify: bool) -> None:
    async with database_url(settings) as (dsn, _):
        if verify:
            await storage.migrate.verify(dsn)
            print("the database is exactly as this release needs it")
        elif only_check:
            await _check(dsn)
        else:
            applied = await storage.migrate.migrate(dsn)
            print("\n".join(f"applied {name}" for name in applied) or "nothing to apply")


async def _check(dsn: str) -> None:
    state = await storage.migrate.check(dsn)
    for kind in ("applied", "pending", "changed", "unknown"):
        for name in getattr(state, kind):
            print(f"{kind:<9}{name}")
    if not state.current:
        raise CommandFailed("the database is not as this release needs it")
