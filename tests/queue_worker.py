"""A person's program that edits a tree through a file, to be killed at any moment: `python -m tests.queue_worker`.

Each round makes a node and types a mark of its own, in one turn, and says so once both are in the file.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sync.errors import TreesyncError
from treesync_client import LiveTree, connect


async def work(url: str, token: str, store: Path, number: int, rounds: int, pause: float) -> None:
    async with connect(url, token, store=store, longest_wait=0.2) as client:
        tree = await client.open(number)
        while tree.core.status != "open":  # noqa: ASYNC110 - the file's copy may lack what others have made
            await asyncio.sleep(pause)
        say(f"opened {len(tree.unanswered)} {client.client_id}")
        tree.configure(name="Strategy")  # changes nothing, and is answered with the head: all that others made is here
        await tree.drained()
        for _ in range(rounds):
            k = next_round(tree)
            tree.insert(f"k{k}", parent="root", type="metric", title=f"round {k}")
            tree.splice("root", "description", 0, insert=mark(k))
            await asyncio.sleep(pause)
            say(f"made {k}")
        await tree.drained()
        say(f"drained {tree.seq}")


def mark(k: int) -> str:
    return f"<{k}>"


def next_round(tree: LiveTree) -> int:
    return max((int(node[1:]) for node in tree.nodes if node[0] == "k"), default=0) + 1


def say(what: str) -> None:
    print(what, flush=True)


def main() -> None:
    url, token, store, number, rounds, pause = sys.argv[1:]
    try:
        asyncio.run(work(url, token, Path(store), int(number), int(rounds), float(pause)))
    except TreesyncError as error:
        say(f"refused {error.code}: {error.why}")
        sys.exit(3)


if __name__ == "__main__":
    main()
