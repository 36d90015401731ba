"""Who may do what in a tree, over HTTP: for its owner and the tenant's admins."""

from __future__ import annotations

from server.addresses import Keep
from server.auth import ID_CHARACTERS
from server.authors import author_of
from server.bodies import Member, Members, NewRole
from server.http import Answer, Call, Operation
from sync.access import allows
from sync.errors import Forbidden, Invalid, NotFound
from sync.hub import Hub
from sync.identity import TreeKey
from sync.ports import Directory, Rights, Store

_ALL = "/api/v1/trees/{tree}/members"
_ONE = "/api/v1/trees/{tree}/members/{user}"


class Membership:
    """The operations below /api/v1/trees/{tree}/members."""

    def __init__(self, hub: Hub, store: Store, directory: Directory, keep: Keep) -> None:
        """`keep`: what of an address activity rows hold."""
        self._hub = hub
        self._store = store
        self._directory = directory
        self._keep = keep

    def operations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path=_ALL,
                name="list_members",
                summary="The members of a tree",
                handle=self.everyone,
                gives=Members,
            ),
            Operation(
                method="GET",
                path=_ONE,
                name="read_member",
                summary="One member's role",
                handle=self.one,
                gives=Member,
            ),
            Operation(
                method="PUT",
                path=_ONE,
                name="set_member",
                summary="Give a user a role, also one who has never been here",
                handle=self.put,
                takes=NewRole,
                gives=Member,
            ),
            Operation(
                method="DELETE",
                path=_ONE,
                name="remove_member",
                summary="Take a user's role; what the visibility gives to all stays",
                handle=self.remove,
                status=204,
            ),
        ]

    async def everyone(self, call: Call) -> Answer:
        _, rights = await self._opened(call)
        members = [Member(user=user, role=role) for user, role in sorted(rights.members.items())]
        return Answer(Members(owner=rights.owner, visibility=rights.visibility, members=members))

    async def one(self, call: Call) -> Answer:
        _, rights = await self._opened(call)
        user = _user(call)
        if user == rights.owner:
            return Answer(Member(user=user, role="owner"))
        if user not in rights.members:
            raise NotFound("no such member")
        return Answer(Member(user=user, role=rights.members[user]))

    async def put(self, call: Call) -> Answer:
        key, rights = await self._opened(call)
        user = _other_than_owner(call, rights)
        wanted = await call.read(NewRole)
        await self._directory.set_member(key, user, wanted.role, author_of(call, self._hub, self._keep))
        self._hub.rights_changed(key)
        return Answer(Member(user=user, role=wanted.role))

    async def remove(self, call: Call) -> Answer:
        key, rights = await self._opened(call)
        user = _other_than_owner(call, rights)
        if user not in rights.members:
            raise NotFound("no such member")
        await self._directory.set_member(key, user, None, author_of(call, self._hub, self._keep))
        self._hub.rights_changed(key)
        return Answer(None, 204)

    async def _opened(self, call: Call) -> tuple[TreeKey, Rights]:
        """Raises NotFound where the caller may not see the tree, Forbidden where he may not share it."""
        tree = call.tree
        if not allows(await self._hub.role(call.identity, tree), "share"):
            raise Forbidden("only an owner or an admin may see and change the members of this tree")
        key = TreeKey(call.identity.tenant, tree)
        return key, await self._store.rights(key)


def _user(call: Call) -> str:
    user = str(call.request.path_params["user"])
    if not 1 <= len(user) <= ID_CHARACTERS or not user.isprintable():
        raise Invalid(f"a user's id has 1 to {ID_CHARACTERS} characters")
    return user


def _other_than_owner(call: Call, rights: Rights) -> str:
    user = _user(call)
    if user == rights.owner:
        raise Invalid("the owner of a tree keeps that role")
    return user
