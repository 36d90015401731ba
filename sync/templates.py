"""What a node of each type is made of: fields with a kind and a help text, and when one of them counts as filled.

The standard templates are data (`sync.node_templates`); a tenant may put its own in their place. `template_data` may
hold more than a template names: what is extra is kept, and counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from sync.errors import Invalid
from sync.nodes import NODE_TYPES, NodeType

FieldKind = Literal["text", "long_text", "list", "number", "choice", "date", "flag"]
Status = Literal["not_started", "in_progress", "complete"]

STATUS_KEY = "completion_status"  # in template_data of every type; no template names it (SPECS)
STATUS_PATH = f"template_data.{STATUS_KEY}"
MOST_FIELDS = 40  # of one type: a form that a person still fills in

# What people, other tools and imports write for the three; compared in lower case, with `-` and blanks as `_`
STATUS_ALIASES: dict[str, Status] = {
    **dict.fromkeys(("not_started", "todo", "to_do", "open", "new", "pending", "planned", "backlog"), "not_started"),
    **dict.fromkeys(("in_progress", "started", "doing", "active", "wip", "ongoing", "underway"), "in_progress"),
    **dict.fromkeys(("complete", "completed", "done", "finished", "closed", "achieved"), "complete"),
}
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(T.*)?")
_BETWEEN_WORDS = re.compile(r"[\s\-]+")

FieldName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^.]+$")]  # one segment of a path


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field of a form: `template_data.<name>`. `choices` belong to the kind `choice` alone."""

    name: FieldName
    label: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: FieldKind = "text"
    help: Annotated[str, Meta(max_length=500)] = ""
    choices: Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=100)] = []


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of one type of node, its fields in the order in which they are shown."""

    meaning: Annotated[str, Meta(max_length=500)] = ""
    fields: Annotated[list[Field], Meta(max_length=MOST_FIELDS)]


class TemplateSet(msgspec.Struct, frozen=True, kw_only=True):
    """The templates of a tenant. `version` 0: the standard ones; each change by an admin raises it."""

    version: int = 0
    templates: dict[NodeType, Template]


class TemplateSource(Protocol):
    """What progress is measured by."""

    async def node_templates(self, tenant: str) -> TemplateSet:
        """The tenant's templates; the standard one of each type it has none for. Raises Unavailable."""
        ...


class Templates(TemplateSource, Protocol):
    """Where tenants' own templates are kept."""

    async def set_node_templates(self, tenant: str, user: str, templates: dict[NodeType, Template]) -> TemplateSet:
        """Put these in place of all the tenant had; a type that is not named has the standard one again."""
        ...


def check(templates: dict[NodeType, Template]) -> None:
    """What a schema cannot say. Raises Invalid, naming the type and the field."""
    for kind in NODE_TYPES:
        template = templates.get(kind)
        if template is not None:
            _check_fields(kind, template.fields)


def _check_fields(kind: NodeType, fields: list[Field]) -> None:
    names = [field.name for field in fields]
    for field in fields:
        where = f"{kind}.{field.name}"
        if names.count(field.name) > 1:
            raise Invalid(f"{where} stands twice")
        if field.name == STATUS_KEY:
            raise Invalid(f"{where}: every node has that, no template names it")
        if (field.kind == "choice") != bool(field.choices):
            raise Invalid(f"{where}: a field has `choices` if its kind is `choice`, and only then")
        if len(set(field.choices)) != len(field.choices):
            raise Invalid(f"{where}: a choice stands twice")


def status_of(template_data: dict[str, Any]) -> Status | None:
    """The status somebody has set; None: none, or nothing that reads as one."""
    said = template_data.get(STATUS_KEY)
    if not isinstance(said, str):
        return None
    return STATUS_ALIASES.get(said) or STATUS_ALIASES.get(_BETWEEN_WORDS.sub("_", said.strip().lower()))


def canonical_data(template_data: dict[str, Any]) -> dict[str, Any]:
    """Template data with the status that a usual word for one stands for (SPECS); the very same where there is none."""
    if STATUS_KEY not in template_data:
        return template_data
    status = status_of(template_data)
    if status is None or status == template_data[STATUS_KEY]:
        return template_data
    return {**template_data, STATUS_KEY: status}


def canonical_paths(changed: dict[str, Any]) -> dict[str, Any]:
    """The same of paths and the values they are to hold."""
    if STATUS_PATH not in changed:
        return changed
    status = status_of({STATUS_KEY: changed[STATUS_PATH]})
    if status is None or status == changed[STATUS_PATH]:
        return changed
    return {**changed, STATUS_PATH: status}


# ---- when a field counts as filled


def is_filled(field: Field, value: Any) -> bool:
    """Whether a value says something, and something of the field's kind."""
    if value is None:
        return False
    return _FILLED[field.kind](field, value)


def _text(_field: Field, value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _list(_field: Field, value: Any) -> bool:
    """A list in which something stands, or a text that people type one item a line into."""
    if isinstance(value, list):
        return any(bool(one.strip()) if isinstance(one, str) else one is not None for one in value)
    return isinstance(value, str) and bool(value.strip())


def _number(_field: Field, value: Any) -> bool:
    """0 is a number; forms send what was typed."""
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)


def _choice(field: Field, value: Any) -> bool:
    return isinstance(value, str) and value in field.choices


def _date(_field: Field, value: Any) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def _flag(_field: Field, value: Any) -> bool:
    return isinstance(value, bool)


_FILLED: dict[FieldKind, Callable[[Field, Any], bool]] = {
    "text": _text,
    "long_text": _text,
    "list": _list,
    "number": _number,
    "choice": _choice,
    "date": _date,
    "flag": _flag,
}
