"""Deltas on text: which fields, which deltas, what becomes of them in each mode."""

from __future__ import annotations

from typing import Any

import pytest

from sync import effects
from sync.limits import Limits
from sync.protocol import ConflictPath, Mode
from tests.rooms import Bench, delete, insert
from tests.texts import put, read, started, text
from tests.trees import Grown, Json

MODES: tuple[Mode, ...] = ("live", "replay", "force")


@pytest.fixture
def grown() -> Grown:
    """`a`, with a text in every kind of field."""
    grown = Grown()
    grown.insert(
        "a", description="abc", template_data={"why": "because", "score": 3, "none": None}, metadata={"m": "x"}
    )
    return grown


def delta(*parts: Any, path: str = "description", node: str = "a") -> Json:
    return {"op": "text", "node": node, "path": path, "delta": list(parts)}


# ---- which fields


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("title", "!A"),
        ("description", "!abc"),
        ("template_data.why", "!because"),
        ("metadata.m", "!x"),
        ("template_data.none", "!"),
        ("template_data.absent", "!"),
    ],
)
def test_a_delta_changes_any_text_of_a_node(grown: Grown, path: str, expected: str, mode: Mode) -> None:
    """[TX1, TX2] Null and absent are the empty text."""
    verdict = grown.ask(delta("!", path=path), mode=mode)
    assert (verdict.status, verdict.effect) == ("applied", effects.Text(node="a", path=path, delta=["!"]))
    prefix, dot, key = path.partition(".")
    node = grown.tree.nodes["a"].node
    assert (getattr(node, prefix)[key] if dot else getattr(node, prefix)) == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "path",
    [
        *("type", "is_collapsed", "position", "id", "", "Title", "name", "canvas_state.k"),
        *("template_data", "template_data.a.b", "metadata.", "template_data." + "k" * 65, "metadata.\x00"),
    ],
)
def test_what_is_no_text_is_invalid(grown: Grown, path: str, mode: Mode) -> None:
    """[TX1]"""
    assert grown.refused(delta("!", path=path), mode=mode) == "invalid"


@pytest.mark.parametrize("mode", MODES)
def test_a_field_that_holds_no_text_keeps_the_delta_with_its_content(grown: Grown, mode: Mode) -> None:
    """[TX3] A conflict in every mode."""
    bench = Bench()
    bench.do(put(1, 3, path="metadata.k", base=1), user="ada")
    (result,) = bench.do(text(1, ["typed"], path="metadata.k", base=1), mode=mode)
    assert result.status == "conflict"
    assert result.conflict
    expected = ConflictPath(mine=["typed"], theirs=3, by="ada", seq=2)
    assert result.conflict.paths == {"metadata.k": expected}
    assert bench.batches[-1].conflicts[0].ops[0]["delta"] == ["typed"]
    assert read(bench.room, "metadata.k") == 3


# ---- which deltas


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "parts",
    [
        [0, "a"],
        [1, ""],
        [2**53],
        [-(2**53)],
        ["\ud83d"],
        [1, "\udc00b"],
        ["a\x00"],
        [4],
        [-4],
        [3, -1],
        [2, "x", -2],
        [1, 1, 1, 1],
    ],
)
def test_a_delta_that_is_none_is_invalid(grown: Grown, parts: list[Any], mode: Mode) -> None:
    """[TX4] Nothing empty, no halves of surrogate pairs, and nothing beyond the end of the text."""
    assert grown.refused(delta(*parts), mode=mode) == "invalid"
    assert grown.tree.nodes["a"].node.description == "abc"


@pytest.mark.parametrize("parts", [[], [1], [3], [1, 1, 1]])
def test_a_delta_that_does_nothing_is_unchanged(grown: Grown, parts: list[Any]) -> None:
    """[TX4]"""
    assert (grown.judge(delta(*parts)).status, grown.judge(delta(*parts)).effect) == ("unchanged", None)


def test_putting_what_it_deletes_is_done(grown: Grown) -> None:
    """[TX4] What comes after it stands on it like on any other delta."""
    assert grown.judge(delta("ab", -2)).effect == effects.Text(node="a", path="description", delta=["ab", -2])


def test_a_delta_is_logged_in_normal_form(grown: Grown) -> None:
    """[TX5] And the result says so."""
    verdict = grown.judge(delta(1, -1, "x", 1))
    assert verdict.effect == effects.Text(node="a", path="description", delta=[1, "x", -1])
    assert (verdict.status, verdict.differs) == ("applied", True)
    assert not grown.judge(delta(1, "x", -1)).differs


@pytest.mark.parametrize(
    ("start", "parts", "result"),
    [
        ("a🌳b", [1, -1, "🌲"], "a🌲b"),
        ("e\u0301", [1, "x"], "ex\u0301"),
        ("👩\u200d👧", [1, -1], "👩👧"),
        ("שלום", [4, " עולם"], "שלום עולם"),
        ("مرحبا", [-1, "م"], "مرحبا"),
        ("🇩🇪", [1, "🇫🇷", -1], "🇩🇫🇷"),
    ],
)
def test_code_points_are_counted(start: str, parts: list[Any], result: str) -> None:
    """[TX4] Emoji, combining marks, joiners, flags, right to left."""
    bench = started(start)
    bench.do(text(1, parts, base=2))
    assert read(bench.room) == result


# ---- what comes of it


@pytest.mark.parametrize("mode", MODES)
def test_a_title_keeps_its_limits(grown: Grown, mode: Mode) -> None:
    """[TX6]"""
    assert grown.refused(delta(-1, path="title"), mode=mode) == "invalid"
    assert grown.refused(delta("x" * 500, path="title"), mode=mode) == "invalid"
    assert grown.judge(delta("x" * 499, path="title"), mode=mode).effect is not None


@pytest.mark.parametrize("path", ["description", "template_data.why", "metadata.new"])
def test_a_text_keeps_to_the_size_of_a_value(path: str) -> None:
    """[TX6]"""
    grown = Grown(Limits(value_bytes=100))
    grown.insert("a")
    assert grown.judge(delta("x" * 100, path=path)).effect is not None
    assert grown.refused(delta("é" * 51, path=path)) == "too_large"


def test_a_missing_node(grown: Grown) -> None:
    """[TX7, CF10]"""
    assert grown.refused(delta("x", node="none")) == "node_missing"
    assert Bench().do(text(1, ["x"], node="none"), mode="replay")[0].conflict.code == "node_missing"  # type: ignore[union-attr]


def test_in_the_trash_a_delta_lands_there_or_waits(grown: Grown) -> None:
    """[TX7, RS3]"""
    for mode, expected in (("live", "applied"), ("force", "applied"), ("replay", "node_missing")):
        bench = Bench()
        bench.do(insert(1, "a", base=1), delete(2, "a", base=1), user="ada")
        (result,) = bench.do(text(1, ["kept"], node="a", base=2), mode=mode)
        if mode == "replay":
            assert result.conflict
            assert (result.conflict.code, result.conflict.paths["description"].mine) == (expected, ["kept"])
        else:
            assert (result.status, result.in_trash, read(bench.room, node="a")) == (expected, True, "kept")
