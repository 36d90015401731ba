"""`treesync import-legacy`."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from server.cli import CommandFailed
from server.cli_legacy_report import Telling
from server.cli_progress import progress
from server.clock import SystemClock
from server.foundation import opened_database
from server.legacy_import import LegacyImport, Owners, Taken, read_owners
from server.legacy_sources import Source, SourceRow, dump, table_of
from server.settings import Settings, read_settings
from storage.legacy import PostgresLegacy
from sync.errors import Invalid
from sync.ports import Visibility

_SOURCE_CHARACTERS = 100  # of the name of an old table


def import_legacy(
    file: Path | None = None,
    /,
    *,
    tenant: str | None = None,
    owners: Path | None = None,
    owner: str | None = None,
    source: str = "legacy",
    schema: str = "public",
    table: str = "impact_trees",
    visibility: Visibility = "private",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Make a tree of each row of the table that trees were kept in before: from a dump, or from the database that
    LEGACY_DATABASE_URL names. Run twice, beside a server (with DATABASE_URL; an embedded database has room for one of
    both), or again after a kill: each row makes one tree.

    Parameters
    ----------
    file
        A dump: a row as JSON in each line.
    tenant
        Whose the trees become; each owner keeps his id there.
    owners
        CSV of user_id,tenant,user: who is whom now. Others go to --tenant; without it they are refused.
    owner
        Who has the rows that name nobody.
    source
        Which old table it is, where there are several: a row is known by that name and its id.
    schema
        Where the table is.
    table
        What it is called.
    visibility
        Of the trees: private, tenant_view or tenant_edit.
    dry_run
        Change nothing, say what would be.
    json
        Print an object of JSON in each line.
    """
    if not 1 <= len(source) <= _SOURCE_CHARACTERS or not source.isprintable():
        raise CommandFailed(f"--source is a name of 1 to {_SOURCE_CHARACTERS} printable characters")
    settings = read_settings()
    whose = _owners(owners, tenant, owner)
    rows = _rows(settings, file, schema, table)
    telling = Telling(as_json=json, dry_run=dry_run)

    async def run() -> None:
        async with opened_database(settings, migrating=not dry_run) as database:
            taking = LegacyImport(
                PostgresLegacy(database),
                whose,
                SystemClock(),
                source=source,
                limits=settings.limits,
                visibility=visibility,
                dry_run=dry_run,
            )
            await _take_all(rows, taking, telling)

    asyncio.run(run())
    telling.end()
    if refused := telling.tally.rows["refused"]:
        raise CommandFailed(f"{refused} rows were refused; mend them where they are and run this again")


async def _take_all(rows: AbstractAsyncContextManager[Source], taking: LegacyImport, telling: Telling) -> None:
    async with rows as old:
        with progress(old.total) as step:
            async for row in old.rows:
                telling.row(row.place, await _taken(taking, row))
                step(row.step, telling.shortly())


async def _taken(taking: LegacyImport, row: SourceRow) -> Taken:
    if row.content is None:
        return Taken(row="", fate="refused", why="the line is too long for a row")
    return await taking.take(row.content)


def _owners(file: Path | None, tenant: str | None, owner: str | None) -> Owners:
    try:
        return Owners(read_owners(file.read_bytes()) if file is not None else None, tenant=tenant, owner=owner)
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}") from None
    except Invalid as error:
        raise CommandFailed(f"{file}: {error.why}" if error.why.startswith("line ") else error.why) from None


def _rows(settings: Settings, file: Path | None, schema: str, table: str) -> AbstractAsyncContextManager[Source]:
    if file is not None:
        return dump(file)
    if settings.legacy_database_url is None:
        raise CommandFailed("name a dump, or set LEGACY_DATABASE_URL to the database that has the old table")
    return table_of(settings.legacy_database_url.get_secret_value(), schema, table)
