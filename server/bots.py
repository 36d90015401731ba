"""People who do not exist: they edit a tree through the client, as the demo's company and as `treesync load`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from sync.nodes import NODE_TYPES, ORIGIN, Node
from treesync_client import Answer, LiveTree

_OWN_NODES = 20  # a bot takes away its oldest node before it makes one more, so that no tree grows without end
_SPREAD = 400.0  # canvas units that a bot drags a card at most
_IDEAS = (
    "Ask ten customers first",
    "Measure it for a month",
    "A smaller step in the same direction",
    "What would make this unnecessary?",
    "Try it in one region",
    "Leave it as it is, and say why",
    "Look at what the best team does",
    "Half the scope, twice as soon",
)
_REASONS = (
    "Said in four of five interviews",
    "Nobody has asked for it twice",
    "Cheaper than talking about it",
    "Depends on the warehouse",
    "Last year's numbers speak against it",
)


class Bot:
    """Edits one tree. `chance` decides what, so that a seed repeats it."""

    def __init__(self, tree: LiveTree, name: str, chance: Random) -> None:
        self._tree = tree
        self._name = name
        self._chance = chance
        self._own: list[str] = []
        self._made = 0
        self._kinds: list[Callable[[], asyncio.Future[Answer]]] = [self._retitle, self._fill, self._drag]
        self._kinds += [self._grow, self._prune, self._reparent]
        self._weights = (40, 25, 15, 12, 4, 4)

    def act(self) -> asyncio.Future[Answer]:
        """One edit, of a kind that people make."""
        (kind,) = self._chance.choices(self._kinds, self._weights)
        return kind()

    def look(self) -> None:
        """Show the others where it works."""
        node = self._any()
        if node is not None:
            # a node without a place of its own stands where the page lays it out
            cursor = {} if node.position == ORIGIN else {"cursor": {"x": node.position.x, "y": node.position.y}}
            self._tree.set_presence({"selection": [node.id], **cursor})

    def _any(self) -> Node | None:
        nodes = list(self._tree.nodes)
        return self._tree.node(self._chance.choice(nodes)) if nodes else None

    def _retitle(self) -> asyncio.Future[Answer]:
        node = self._any()
        if node is None:
            return self._grow()
        first = node.title.split(" ·")[0][:400]
        return self._tree.update(node.id, title=f"{first} · {self._name} {self._chance.randrange(10_000)}")

    def _fill(self) -> asyncio.Future[Answer]:
        node = self._any()
        if node is None:
            return self._grow()
        field = self._chance.choice(("description", "template_data.core_why", "template_data.evidence"))
        return self._tree.update(node.id, {field: self._chance.choice(_REASONS)})

    def _drag(self) -> asyncio.Future[Answer]:
        node = self._any()
        if node is None or node.position == ORIGIN:
            return self._grow()
        x, y = (self._chance.uniform(-_SPREAD, _SPREAD) for _ in range(2))
        return self._tree.move(node.id, position=(round(node.position.x + x), round(node.position.y + y)))

    def _grow(self) -> asyncio.Future[Answer]:
        if len(self._own) >= _OWN_NODES:
            return self._prune()
        above = self._any()
        self._made += 1
        made = f"{self._name}-{self._chance.getrandbits(32):08x}-{self._made}"
        self._own.append(made)
        return self._tree.insert(
            made,
            parent=above.id if above is not None else None,
            type=self._chance.choice(NODE_TYPES),
            title=self._chance.choice(_IDEAS),
            position=(0, 0)
            if above is None or above.position == ORIGIN
            else (above.position.x + 40, above.position.y + 160),
        )

    def _prune(self) -> asyncio.Future[Answer]:
        return self._tree.delete(self._own.pop(0)) if self._own else self._retitle()

    def _reparent(self) -> asyncio.Future[Answer]:
        """Only among its own: a demo in which whole branches wander is no demo."""
        mine = [one for one in self._own if self._tree.node(one) is not None]
        above = self._any()
        if not mine or above is None:
            return self._fill()
        node = self._chance.choice(mine)
        return self._tree.move(node, parent=None if above.id == node else above.id)


async def keep_editing(bot: Bot, pause: float, chance: Random) -> None:
    """Edit, wait for the answer, rest a while; until cancelled. A refusal is part of the game."""
    while True:
        await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)
        bot.look()
        await asyncio.gather(bot.act(), return_exceptions=True)
