"""Who may do what in a tree: role × action, as one table (SPECS "Who and where")."""

from __future__ import annotations

from typing import Literal

from sync.identity import Identity
from sync.ports import Rights, Visibility
from sync.protocol import Role

Action = Literal["view", "comment", "edit", "share"]

ALLOWED: dict[Role, frozenset[Action]] = {
    "viewer": frozenset({"view"}),
    "commenter": frozenset({"view", "comment"}),
    "editor": frozenset({"view", "comment", "edit"}),
    "owner": frozenset({"view", "comment", "edit", "share"}),
}
_RANKED: tuple[Role, ...] = ("viewer", "commenter", "editor", "owner")
_GIVEN_TO_ALL: dict[Visibility, Role | None] = {"private": None, "tenant_view": "viewer", "tenant_edit": "editor"}


def role_in(rights: Rights, identity: Identity) -> Role | None:
    """The strongest of what owner, tenant admin, membership and visibility give; None: may not even know of it."""
    if rights.deleted:
        return None
    if identity.role == "admin" or identity.user == rights.owner:
        return "owner"
    given = [rights.members.get(identity.user), _GIVEN_TO_ALL[rights.visibility]]
    return max((role for role in given if role is not None), key=_RANKED.index, default=None)


def allows(role: Role | None, action: Action) -> bool:
    return role is not None and action in ALLOWED[role]
