"""Tenants' own templates in PostgreSQL: see `sync.templates`."""

from __future__ import annotations

import asyncpg
import msgspec

from storage.database import Database
from storage.json_values import encoded
from sync.node_templates import STANDARD
from sync.nodes import NodeType
from sync.templates import Field, Template, Templates, TemplateSet

VERSION = "SELECT templates_version FROM tenants WHERE tenant_id = $1"
READ = "SELECT node_type, meaning, fields FROM node_templates WHERE tenant_id = $1"
# the tenant's row is the lock: of two admins the later one's are kept, whole
RAISE = "UPDATE tenants SET templates_version = templates_version + 1 WHERE tenant_id = $1 RETURNING templates_version"
CLEAR = "DELETE FROM node_templates WHERE tenant_id = $1"
WRITE = """
INSERT INTO node_templates (tenant_id, node_type, meaning, fields, version, updated_by) VALUES ($1, $2, $3, $4, $5, $6)
"""

_fields = msgspec.json.Decoder(list[Field])


class PostgresTemplates(Templates):
    """`sync.templates.Templates` over a Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def node_templates(self, tenant: str) -> TemplateSet:
        async with self._database.transaction(tenant, isolation="repeatable_read", readonly=True) as connection:
            version = await connection.fetchval(VERSION, tenant)
            rows = await connection.fetch(READ, tenant) if version else []
        return TemplateSet(
            version=version or 0, templates=STANDARD | {row["node_type"]: _template(row) for row in rows}
        )

    async def set_node_templates(self, tenant: str, user: str, templates: dict[NodeType, Template]) -> TemplateSet:
        async with self._database.transaction(tenant) as connection:
            version = await connection.fetchval(RAISE, tenant)
            await connection.execute(CLEAR, tenant)
            for kind, template in templates.items():
                fields = encoded(template.fields)
                await connection.execute(WRITE, tenant, kind, template.meaning, fields, version, user)
        return TemplateSet(version=version, templates=STANDARD | templates)


def _template(row: asyncpg.Record) -> Template:
    return Template(meaning=row["meaning"], fields=_fields.decode(row["fields"]))
