"""Tenants' own templates in memory: see `sync.templates`."""

from __future__ import annotations

from sync.node_templates import STANDARD
from sync.nodes import NodeType
from sync.templates import Template, Templates, TemplateSet


class MemoryTemplates(Templates):
    """`sync.templates.Templates`; several instances may share one."""

    def __init__(self) -> None:
        self._kept: dict[str, TemplateSet] = {}

    async def node_templates(self, tenant: str) -> TemplateSet:
        return self._kept.get(tenant) or TemplateSet(templates=STANDARD)

    async def set_node_templates(self, tenant: str, user: str, templates: dict[NodeType, Template]) -> TemplateSet:
        before = await self.node_templates(tenant)
        self._kept[tenant] = TemplateSet(version=before.version + 1, templates=STANDARD | templates)
        return self._kept[tenant]
