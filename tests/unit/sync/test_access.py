"""Role × action, and where a role comes from."""

from __future__ import annotations

from typing import get_args

import pytest

from sync.access import ALLOWED, Action, allows, role_in
from sync.ports import Rights, Visibility
from sync.protocol import Role
from tests.hubs import identity

TABLE: dict[Role, str] = {
    "viewer": "view",
    "commenter": "view comment",
    "editor": "view comment edit",
    "owner": "view comment edit share",
}


@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize("action", get_args(Action))
def test_what_a_role_may_do(role: Role, action: Action) -> None:
    """[ED15]"""
    assert allows(role, action) == (action in TABLE[role].split())
    assert allows(None, action) is False


def test_the_table_names_every_role() -> None:
    assert ALLOWED.keys() == set(get_args(Role))


@pytest.mark.parametrize(
    ("visibility", "member", "role"),
    [
        ("private", None, None),
        ("private", "viewer", "viewer"),
        ("private", "owner", "owner"),
        ("tenant_view", None, "viewer"),
        ("tenant_view", "commenter", "commenter"),
        ("tenant_view", "editor", "editor"),
        ("tenant_edit", None, "editor"),
        ("tenant_edit", "viewer", "editor"),
        ("tenant_edit", "owner", "owner"),
    ],
)
def test_the_strongest_of_membership_and_visibility_counts(
    visibility: Visibility, member: Role | None, role: Role | None
) -> None:
    """[OP7]"""
    rights = Rights(version=1, owner="ada", visibility=visibility, members={} if member is None else {"bo": member})
    assert role_in(rights, identity("bo")) == role


def test_owners_and_admins_of_the_tenant_may_do_all() -> None:
    rights = Rights(version=1, owner="ada", members={"ada": "viewer"})
    assert role_in(rights, identity("ada")) == "owner"
    assert role_in(rights, identity("root", role="admin")) == "owner"


def test_a_deleted_tree_is_nobodys() -> None:
    """[OP7]"""
    rights = Rights(version=1, owner="ada", visibility="tenant_edit", deleted=True)
    assert role_in(rights, identity("ada")) is None
    assert role_in(rights, identity("root", role="admin")) is None
