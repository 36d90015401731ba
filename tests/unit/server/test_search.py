"""Search, the hierarchy and the filters of lists over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from tests.applications import Running, running

NODES = [
    {"id": "n1", "type": "objective", "title": "Grow with <b>care</b>"},
    {
        "id": "n2",
        "type": "metric",
        "title": "Less churn",
        "parent": "n1",
        "template_data": {"completion_status": "done"},
    },
    {"id": "n3", "type": "metric", "title": "Churn of boxes", "parent": "n1"},
]


async def made(one: Running, **more: Any) -> int:
    return await one.tree(nodes=NODES, **more) if "nodes" not in more else await one.tree(**more)


async def get(one: Running, path: str, asked: dict[str, Any] | None = None, **who: Any) -> httpx2.Response:
    return await one.ask("GET", f"/api/v1{path}?{urlencode(asked or {})}", **who)


async def test_se1_a_hit_comes_with_its_way_and_its_words() -> None:
    """[SE1, SE4]"""
    async with running() as one:
        tree = await made(one)
        found = (await get(one, "/search", {"q": "less"})).json()
        [hit] = found["hits"]
        assert (hit["tree"], hit["node"], hit["path"]) == (
            tree,
            "n2",
            [{"node": "n1", "title": "Grow with <b>care</b>"}],
        )
        assert hit["snippet"] == [{"text": "Less", "hit": True}, {"text": " churn", "hit": False}]
        assert (found["next"], found["complete"], found["behind"]) == (None, True, 0)
        [markup] = (await get(one, "/search", {"q": "care"})).json()["hits"]
        assert "".join(piece["text"] for piece in markup["snippet"]) == "Grow with <b>care</b>"
        assert [piece["text"] for piece in markup["snippet"] if piece["hit"]] == ["care"]


async def test_se8_filters_and_pages_are_named_in_the_query() -> None:
    """[SE8, SE9]"""
    async with running() as one:
        tree = await made(one)

        async def nodes(**asked: Any) -> list[str]:
            answer = await get(one, "/search", {"q": "churn", **asked})
            assert answer.status_code == 200, answer.text
            return [hit["node"] for hit in answer.json()["hits"]]

        assert sorted(await nodes(type="metric")) == ["n2", "n3"]
        assert await nodes(status="complete") == ["n2"]
        assert await nodes(tree=tree + 1) == []
        first = (await get(one, "/search", {"q": "churn", "limit": 1})).json()
        assert await nodes(limit=1, after=first["next"]) == [
            node for node in ("n2", "n3") if node != first["hits"][0]["node"]
        ]


@pytest.mark.parametrize("words", ["", "   ", "!?…", '"-+()', "🌳"])
async def test_se2_without_a_word_there_is_no_hit(words: str) -> None:
    """[SE2]"""
    async with running() as one:
        await made(one)
        answer = await get(one, "/search", {"q": words})
        assert (answer.status_code, answer.json()["hits"]) == (200, [])


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"q": "x" * 201},
        {"q": "a\x00b"},
        {"q": " ".join(f"w{number}" for number in range(11))},
        {"q": "a", "type": "branch"},
        {"q": "a", "status": "done"},
        {"q": "a", "tree": "x"},
        {"q": "a", "limit": "0"},
        {"q": "a", "limit": "51"},
        {"q": "a", "after": "nonsense"},
        {"q": "a", "after": "1|2"},
        {"q": "a", "after": "-1|2|n"},
    ],
)
async def test_what_is_no_question_is_refused(asked: dict[str, str]) -> None:
    """[SE2]"""
    async with running() as one:
        answer = await get(one, "/search", asked)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "words", ['churn OR "less"', "-churn +less", "churn* & less:*", "'churn' less;--", "title:churn"]
)
async def test_se2_operators_are_spaces(words: str) -> None:
    """[SE2]"""
    async with running() as one:
        await made(one, name="Or the title")
        answer = await get(one, "/search", {"q": words})
        assert answer.status_code == 200
        assert "n2" in [hit["node"] for hit in answer.json()["hits"]]


async def test_se6_who_may_not_see_a_tree_finds_nothing_of_it() -> None:
    """[SE6]"""
    async with running() as one:
        tree = await made(one)
        for asked in ({"q": "churn"}, {"q": "churn", "tree": tree}):
            for who in ({"user": "bo"}, {"tenant": "other"}):
                assert (await get(one, "/search", asked, **who)).json()["hits"] == []
        assert (await get(one, f"/trees/{tree}/hierarchy", user="bo")).status_code == 404


async def test_se10_a_hierarchy_is_given_whole_or_by_branch() -> None:
    """[SE10]"""
    async with running() as one:
        tree = await made(one)
        whole = (await get(one, f"/trees/{tree}/hierarchy")).json()
        assert [(node["id"], node["depth"], node["path"]) for node in whole["nodes"]] == [
            ("n1", 0, "root"),
            ("n2", 1, "root.n1"),
            ("n3", 1, "root.n1"),
        ]
        top = (await get(one, f"/trees/{tree}/hierarchy", {"depth": 0})).json()
        assert [(node["id"], node["children"]) for node in top["nodes"]] == [("n1", 2)]
        assert (whole["complete"], top["complete"]) == (True, False)
        deep = await get(one, f"/trees/{tree}/hierarchy", {"depth": 21})
        assert (deep.status_code, deep.json()["code"]) == (422, "invalid")
        branch = (await get(one, f"/trees/{tree}/hierarchy", {"node": "n3"})).json()
        assert [node["id"] for node in branch["ancestors"]] == ["n1"]
        for asked, status in (
            (("node", "nobody"), 404),
            (("node", ""), 404),
            (("node", "\x00"), 404),
            (("depth", -1), 422),
        ):
            assert (await get(one, f"/trees/{tree}/hierarchy", dict([asked]))).status_code == status, asked


async def test_se11_lists_are_filtered() -> None:
    """[SE11]"""
    async with running() as one:
        tree = await made(one)
        other = await made(one, name="Other", nodes=[], is_template=True)

        async def listed(**asked: str) -> list[int]:
            answer = await get(one, "/trees", asked)
            assert answer.status_code == 200, answer.text
            return [line["id"] for line in answer.json()["trees"]]

        assert sorted(await listed()) == sorted(await listed(q=" ")) == [tree, other]
        assert (
            await listed(q="churn boxes") == await listed(type="metric") == await listed(status="in_progress") == [tree]
        )
        assert await listed(q="strat") == await listed(min_nodes="2") == await listed(template="false") == [tree]
        assert await listed(status="not_started") == await listed(template="true") == [other]
        assert await listed(q="nowhere") == await listed(q="?!") == await listed(type="research") == []
        assert await listed(updated_before="2020-01-01T00:00:00Z") == []
        assert sorted(await listed(updated_since="2020-01-01T00:00:00Z")) == [tree, other]
        for bad in (
            {"q": "x" * 201},
            {"type": "x"},
            {"status": "x"},
            {"updated_before": "soon"},
            {"updated_before": "2026-01-01"},
        ):
            assert (await get(one, "/trees", bad)).status_code == 422, bad
