"""Who is asking, and for which tree."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec

TenantRole = Literal["member", "admin"]
ParticipantKind = Literal["human", "agent"]


class TreeKey(NamedTuple):
    """A tree is named by its tenant and its number; one without the other names nothing (P10)."""

    tenant: str
    tree: int


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A verified token. `expires_at` is in seconds since the epoch of Unix."""

    tenant: str
    user: str
    role: TenantRole = "member"
    name: str = ""
    email: str = ""
    expires_at: float
    kind: ParticipantKind = "human"


class Author(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who made an op, through which client, and what the activity row keeps about the way it came.

    `via` names an agent or a part of the server that acted for the user; `visit` is the user's continuous use.
    """

    user: str
    client: str
    via: str = ""
    visit: str = ""
    address: str = ""
    user_agent: str = ""


class Position(msgspec.Struct, frozen=True):
    """A place in a tree's history. `mark` is the random mark of the commit that made `seq` (SEMANTICS 10).

    With an epoch and a mark beside the number, a log that was rebuilt or restored is told from the one a client knew.
    """

    epoch: str
    seq: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    mark: str
