"""One hour in two people's work on one tree, told by a script: Ada edits on a train, without network; Bo in the office.

`chance` decides what each of them does, so that a seed tells the same story again. Time is virtual: minutes that are
shown and not waited for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random

import msgspec

from server.demo import demo_tree
from sync.errors import TreesyncError
from sync.identity import Position
from sync.nodes import NODE_TYPES, Node, State
from sync.protocol import Choice, ConflictDetail
from treesync_client import Answer, Client, LiveTree, Report
from treesync_client.replica import Replica

OFFLINE_EDITS = 300
OFFICE_EDITS = 500
MINUTES = 60.0
_TITLES = (
    "Ask ten customers first",
    "Measure it for a month before deciding",
    "A smaller step in the same direction",
    "Half the scope, twice as soon",
    "Try it in one region, then everywhere",
    "What the best team does, written down",
)
_PHRASES = (
    "Said in four of five interviews. ",
    "Depends on the warehouse. ",
    "Cheaper than talking about it. ",
    "Nobody has asked for it twice. ",
    "Last year's numbers speak against it 📉. ",
    "Die Hälfte der Küchen hat keinen Platz dafür. ",
)
_LONG = " and everything that goes with it" * 20
_TITLE = 490  # characters that each makes of one title: together more than a title may have, which none could foresee
# how often each kind of edit is made, as people spread them over an hour
_WEIGHTS = {
    "type": 38,
    "retitle": 14,
    "fill": 13,
    "drag": 8,
    "insert": 11,
    "reparent": 5,
    "connect": 4,
    "relabel": 2,
    "disconnect": 1,
    "delete": 1,
}


class Person:
    """Edits a tree as its view shows it. `made` counts edits by kind."""

    def __init__(self, tree: LiveTree, name: str, chance: Random) -> None:
        self.tree = tree
        self.made: Counter[str] = Counter()
        self._name = name
        self._chance = chance
        self._numbers = 0
        self._describing = ""  # the node whose description is being typed into: people stay at one for a while
        self._kinds: dict[str, Callable[[], asyncio.Future[Answer] | None]] = {
            "type": self._type,
            "retitle": self._retitle,
            "fill": self._fill,
            "drag": self._drag,
            "insert": self._insert,
            "reparent": self._reparent,
            "connect": self._connect,
            "relabel": self._relabel,
            "disconnect": self._disconnect,
            "delete": self._delete,
        }

    def act(self) -> asyncio.Future[Answer]:
        """One edit."""
        (kind,) = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        answer = self._kinds[kind]()
        if answer is None:  # nothing there to do it with
            kind, answer = "insert", self._insert()
        self.made[kind] += 1
        return answer

    def lengthen(self, node: str) -> asyncio.Future[Answer]:
        """Type on at the end of a title, as long as there is room."""
        self.made["type"] += 1
        return self.tree.write(node, "title", (self.tree.nodes[node].title + _LONG)[:_TITLE])

    def _any(self) -> Node:
        return self.tree.nodes[self._chance.choice(sorted(self.tree.nodes))]

    def _id(self) -> str:
        self._numbers += 1
        return f"{self._name}-{self._numbers}"

    def _type(self) -> asyncio.Future[Answer]:
        """A few words somewhere in a description, or some taken out."""
        if self._describing not in self.tree.nodes or self._chance.random() < 0.25:
            self._describing = self._any().id
        text = self.tree.nodes[self._describing].description
        at = self._chance.randint(0, len(text))
        if len(text) - at > 12 and self._chance.random() < 0.2:
            return self.tree.splice(self._describing, "description", at, remove=self._chance.randint(1, 12))
        return self.tree.splice(self._describing, "description", at, insert=self._chance.choice(_PHRASES))

    def _retitle(self) -> asyncio.Future[Answer]:
        return self.tree.update(self._any().id, title=f"{self._chance.choice(_TITLES)} ({self._name})")

    def _fill(self) -> asyncio.Future[Answer]:
        """A field of a template: one text among few, so that both sometimes mean the same."""
        field = self._chance.choice(("template_data.core_why", "template_data.evidence", "metadata.color"))
        return self.tree.update(self._any().id, {field: self._chance.choice(_PHRASES).strip()})

    def _drag(self) -> asyncio.Future[Answer]:
        node = self._any()
        x, y = (round(self._chance.uniform(-200, 200)) for _ in range(2))
        return self.tree.move(node.id, position=(node.position.x + x, node.position.y + y))

    def _insert(self) -> asyncio.Future[Answer]:
        above = self._any()
        return self.tree.insert(
            self._id(),
            parent=above.id,
            type=self._chance.choice(NODE_TYPES),
            title=self._chance.choice(_TITLES),
            position=(above.position.x + 40, above.position.y + 160),
        )

    def _reparent(self) -> asyncio.Future[Answer] | None:
        """Among the nodes that have no children, and below anything."""
        leaves = [node for node in sorted(self.tree.nodes) if not self.tree.children(node)]
        above = self._any().id
        leaf = self._chance.choice(leaves)
        return None if leaf == above else self.tree.move(leaf, parent=above)

    def _connect(self) -> asyncio.Future[Answer] | None:
        source, target = self._any().id, self._any().id
        return None if source == target else self.tree.connect_nodes(self._id(), source, target, label="because")

    def _relabel(self) -> asyncio.Future[Answer] | None:
        known = sorted(self.tree.connections)
        return self.tree.relabel(self._chance.choice(known), self._chance.choice(_TITLES)) if known else None

    def _disconnect(self) -> asyncio.Future[Answer] | None:
        known = sorted(self.tree.connections)
        return self.tree.disconnect(self._chance.choice(known)) if known else None

    def _delete(self) -> asyncio.Future[Answer] | None:
        """A small branch: a leaf, or a node with nothing but leaves below it."""
        small = [
            node
            for node in sorted(self.tree.nodes)
            if not any(self.tree.children(child.id) for child in self.tree.children(node))
        ]
        return self.tree.delete(self._chance.choice(small)) if len(self.tree.nodes) > 30 else None


class Told(msgspec.Struct):
    """What came of it."""

    edits: dict[str, int]
    report: Report
    office: int
    resolved: Counter[str]
    open: int
    digests: tuple[str, str, str]  # of the two replicas and of the server

    @property
    def is_good(self) -> bool:
        return not self.open and len(set(self.digests)) == 1


async def tell(ada: Client, bo: Client, seed: int, say: Callable[[str], None]) -> Told:
    """The whole story, on a tree of its own."""
    details, nodes, connections = demo_tree()
    number = await ada.create_tree(
        f"Offline story, seed {seed}",
        visibility="tenant_edit",
        nodes=nodes,
        connections=connections,
        details=details,
    )
    tree, office = await ada.open(number), await bo.open(number)
    on_train = Person(tree, "ada", Random(f"ada {seed}"))
    in_office = Person(office, "bo", Random(f"bo {seed}"))
    async with ada.offline():
        say(f"Ada loses her network; {OFFLINE_EDITS} edits of hers and {OFFICE_EDITS} of Bo's follow within an hour")
        await _an_hour(on_train, in_office, Random(f"time {seed}"))
        say(f"{len(tree.unanswered)} ops wait in Ada's queue")
    await tree.drained()
    report = tree.last_report
    assert report is not None, "an hour of edits was replayed"
    say(f"Ada is back: {report}")
    resolved = await _resolve_all((tree, office), Random(f"decisions {seed}"))
    say(f"decided: {sum(resolved.values())} conflicts")
    top = max(tree.seq, office.seq)
    await asyncio.gather(tree.reached(top), office.reached(top))
    left = len(await tree.conflicts()) + len(await office.conflicts())
    digests = (tree.digest, office.digest, await _digest(ada, number))
    return Told(dict(on_train.made), report, sum(in_office.made.values()), resolved, left, digests)


async def _an_hour(on_train: Person, in_office: Person, chance: Random) -> None:
    """Both at once, in the order of virtual minutes. Bo waits for each answer, as one sees it."""
    times = [(chance.uniform(0, MINUTES), on_train) for _ in range(OFFLINE_EDITS - 1)]
    times += [(chance.uniform(0, MINUTES), in_office) for _ in range(OFFICE_EDITS - 1)]
    for _, person in sorted(times, key=lambda one: one[0]):
        answer = person.act()
        if person is in_office:
            await asyncio.wait([answer])
    mine, theirs = on_train.tree.nodes, in_office.tree.nodes
    crowded = chance.choice(
        [node for node in sorted(mine) if node in theirs and mine[node].title == theirs[node].title]
    )
    await in_office.lengthen(crowded)
    on_train.lengthen(crowded)


async def _resolve_all(trees: tuple[LiveTree, ...], chance: Random) -> Counter[str]:
    """Decide every record. A decision may itself put someone's value aside: again, until there is none."""
    done: Counter[str] = Counter()
    for turn in range(10):
        waiting = 0
        for tree in trees:
            for record in await tree.conflicts():
                waiting += 1
                done[await _resolve(tree, record, chance if turn == 0 else None)] += 1
        if not waiting:
            break
    return done


async def _resolve(tree: LiveTree, record: ConflictDetail, chance: Random | None) -> str:
    """Mine or theirs, as it comes; or both in one, where it is one text. What cannot be done any more is let go."""
    choice: Choice = "theirs" if chance is None else chance.choice(("mine", "theirs", "value"))
    value = None
    if choice == "value":
        (path, sides), *more = [*record.paths.items(), ("", None)]
        if sides is None or path != "title" or more[:-1] or not isinstance(sides.mine, str):
            choice = "mine"
        else:
            value = f"{sides.mine} / {sides.theirs}"[:500]
    try:
        return (await tree.resolve(record.id, choice, value=value)).choice
    except TreesyncError:
        return (await tree.resolve(record.id, "theirs")).choice


async def _digest(client: Client, number: int) -> str:
    """Of the tree as the server's database has it."""
    view = await client.request("GET", f"/trees/{number}")
    replica = Replica()
    replica.load(msgspec.convert(view["position"], Position), [msgspec.convert(view["state"], State)])
    return replica.digest
