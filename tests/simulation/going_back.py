"""What people do with the past: restore a tree or a subtree, take back what somebody did, and undo that (HI)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.errors import ClientFault, Unavailable
from sync.identity import Author, Identity, TreeKey
from sync.moments import Moment
from sync.past import Restoring, Reverting, Rewritten
from tests.simulation.plan import TENANT

if TYPE_CHECKING:
    from tests.simulation.world import Instance, World


class GoingBack:
    """See the module. `done` holds what each request was answered: it is carried out once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random
        self.done: dict[tuple[int, str], Rewritten] = {}  # (tree, client) -> what was told first
        self.answers: dict[str, int] = {}

    def go_back(self, key: TreeKey) -> None:
        """Somebody goes back; the same request may come twice, anywhere."""
        request, wanted = self._wanted(key)
        for _ in range(self._random.choice([1, 1, 2])):
            instance = self._world.any_instance()
            if instance is not None:
                with instance.owner.acting():
                    work = self._go_back(instance, key, request, wanted)
                    self._world.loop.create_task(work, name="go back")

    def _wanted(self, key: TreeKey) -> tuple[str, dict[str, Any]]:
        rows = self._world.database.trees[key]
        seq, request = rows.head.seq, self._world.clock.token(8)
        nodes = sorted(rows.nodes)
        way = self._random.choice(["tree", "subtree", "user", "stretch", "op", "undo"])
        undone = [done.undo for (tree, _), done in self.done.items() if tree == key.tree and done.undo is not None]
        if way == "tree":
            return request, {"to": Moment(seq=self._random.randint(0, seq))}
        if way == "subtree":
            to = Moment(seq=self._random.randint(0, seq))
            return request, {"to": to, "node": self._random.choice(nodes or ["nobody"])}
        if way == "user":
            return request, {"user": f"u{self._random.randint(0, 3)}"}
        if way == "undo" and undone:
            undo = self._random.choice(undone)
            return request, {"undo": undo.undo, "user": undo.user}
        if way == "op":
            return request, {"op": self._random.randint(1, seq + 1)}
        return request, {"since": Moment(seq=self._random.randint(0, seq)), "until": Moment(seq=seq)}

    async def _go_back(self, instance: Instance, key: TreeKey, request: str, wanted: dict[str, Any]) -> None:
        owner = Identity(tenant=TENANT, user="u0", expires_at=2e9)
        author, past = Author(user="u0", client=""), instance.hub.past
        try:
            if "to" in wanted:
                told = await past.restore(author, owner, key.tree, Restoring(request=request, **wanted))
            else:
                told = await past.revert(author, owner, key.tree, Reverting(request=request, **wanted))
        except (ClientFault, Unavailable) as error:  # of the latter only the log can tell whether it happened
            self._count(error.code)
            return
        self._count("repeated" if told.repeated else "done")
        self._check(key, told, "restore:" if "to" in wanted else "revert:")

    def _count(self, what: str) -> None:
        self.answers[what] = self.answers.get(what, 0) + 1

    def _check(self, key: TreeKey, told: Rewritten, kind: str) -> None:
        """[HI21] What was told is in the log, all of it in one commit, once."""
        rows, client = self._world.database.trees[key], f"{kind}{told.request}"
        made = [op for op in rows.ops(0, len(rows.log)) if op.author.client == client]
        assert len(made) == told.count, f"{told.count} ops were told of {client}, {len(made)} are in the log"
        assert [op.n for op in made] == list(range(1, told.count + 1))
        assert len({op.commit for op in made}) <= 1, f"{client} was not carried out in one commit"
        first = self.done.setdefault((key.tree, client), told)
        assert first.count == told.count
