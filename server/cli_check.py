"""`treesync check`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from server.cli import CommandFailed
from server.cli_progress import progress
from server.foundation import bring_up_to_date, database_url
from server.settings import Settings, read_settings
from storage.checks import Finding, checking


def check(*, tenant: str | None = None, repair: Annotated[bool, Parameter(negative="")] = False) -> None:
    """See whether the rows of every tree are what its log has made of them; end with 1 where something is not.

    Beside a server with DATABASE_URL; an embedded database has room for one of both. Without --repair nothing is
    changed: what it would mend is said.

    Parameters
    ----------
    tenant
        Of this tenant only.
    repair
        Remove what is left of trees that are gone, and count nodes anew.
    """
    found = asyncio.run(_run(read_settings(), tenant, repair=repair))
    left = [one for one in found if not one.mended]
    if left:
        mendable = sum(bool(one.check.mend) for one in left)
        how = "; --repair mends them" if mendable == len(left) else f"; --repair mends {mendable}" if mendable else ""
        raise CommandFailed(f"{len(left)} findings{how}")
    print("mended" if found else "everything is as it should be")


async def _run(settings: Settings, tenant: str | None, *, repair: bool) -> list[Finding]:
    found: list[Finding] = []
    async with database_url(settings) as (dsn, _):
        await bring_up_to_date(dsn, migrating=False)
        async with checking(dsn, repair=repair) as asking:
            known = await asking.tenants()
            if tenant is not None and tenant not in known:
                raise CommandFailed(f"there is no tenant {tenant!r}")
            tenants = known if tenant is None else [tenant]
            with progress(len(tenants)) as step:
                for one in tenants:
                    for finding in await asking.findings(one):
                        found.append(finding)
                        _print(finding)
                    step(1, f"{len(found)} findings")
    return found


def _print(one: Finding) -> None:
    mended = " (mended)" if one.mended else ""
    print(f"tenant {one.tenant}, tree {one.tree}: {one.check.name}: {one.rows} ({one.check.meaning}){mended}")
