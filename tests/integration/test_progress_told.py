"""How far nodes, branches, trees and people are: told to two clients of a real server, and the same by HTTP."""

from __future__ import annotations

from sync.ops import ImportedNode
from sync.progress_message import Progress
from tests.commands import Command
from tests.integration.test_client_rescue import server, two
from tests.waiting import until

__all__ = ["server"]

WITHIN = 5.0  # a second is promised (PG8), and shown on a clock of their own in test_progress_news


async def test_everyone_is_told_what_http_says_too(server: Command) -> None:
    """[PG8] [PG9] [PG10] [PG11]"""
    async with two(server) as (ada, mine, theirs):
        done = ImportedNode(id="r", type="objective", title="R", template_data={"completion_status": "complete"})
        await ada.create_tree("Done", nodes=[done])
        person = (await server.ask("GET", "/api/v1/users/ada/progress")).json()
        assert person["completion_rate"] > 0, "a tree that was made just now counts"
        trees, news = (mine, theirs), mine.events()
        await until(lambda: all(tree.progress.summary for tree in trees), "both are told the whole", seconds=WITHIN)

        await theirs.update("b", {"template_data.completion_status": "done"})
        for tree in trees:
            await until(lambda: tree.progress.node("b").completion == 1, "told of the node", seconds=WITHIN)  # noqa: B023
        by_http = (await server.ask("GET", f"/api/v1/trees/{mine.number}/progress?nodes=1")).json()
        for tree in trees:
            assert tree.progress.summary is not None
            assert tree.progress.summary.completion_rate == by_http["summary"]["completion_rate"] == 0.3333
            assert tree.progress.node("root").branch_completion == by_http["nodes"]["root"]["branch_completion"]
            assert tree.progress.domains["b"].maturity == "mature"
        assert isinstance(await anext(news), Progress)

        now = (await server.ask("GET", "/api/v1/users/ada/progress")).json()
        assert now["completion_rate"] == round(person["completion_rate"] + 0.3333 / now["trees"], 4)
        told = mine.progress
        await until(lambda: told.mine is not None and told.mine.trees == now["trees"], "so far in all", seconds=WITHIN)
        assert theirs.progress.mine is None, "how far Ada is in all is nothing of Bo's"
