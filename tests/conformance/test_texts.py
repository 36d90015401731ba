"""Text through a whole hub: two people in one description, in every mode, sent twice, far behind; three-way merge."""

from __future__ import annotations

from typing import Any

import pytest

from sync import cut
from tests.clocks import settle
from tests.conformance.conftest import Person, Table
from tests.hubs import Deployment

BASE = 3  # the seq everyone had seen before anyone wrote
MODES = ("live", "replay", "force")


def text(*delta: Any, node: str = "idea", path: str = "description") -> dict[str, Any]:
    return {"op": "text", "node": node, "path": path, "delta": list(delta)}


def update(node: str = "idea", **values: Any) -> dict[str, Any]:
    return setting(values, node)


def setting(values: dict[str, Any], node: str = "idea") -> dict[str, Any]:
    return {"op": "update", "node": node, "set": values}


async def description(person: Person, node: str = "idea") -> Any:
    return (await person.state())["nodes"][node]["description"]


async def test_both_keep_every_character(ada: Person, bo: Person) -> None:
    """[TX1, TX8, TX9]"""
    seq = (await bo.one(text("Hello world")))["seq"]
    bo.heard("ops")
    assert (await ada.one(text(5, ","), base=seq))["status"] == "applied"
    result = await bo.one(text(11, "!"), base=seq)
    (frame,) = bo.heard("ops")[-1:]
    assert await description(bo) == "Hello, world!"
    effective = {"op": "text", "node": "idea", "path": "description", "delta": [12, "!"], "merged": True}
    assert result == {"n": 2, "status": "merged", "seq": seq + 2, "effective": effective}
    assert frame["ops"] == [{"by": 0, "n": 2, **effective}]


@pytest.mark.parametrize("mode", MODES)
async def test_a_delta_is_transformed_in_every_mode(ada: Person, bo: Person, mode: str) -> None:
    """[TX8, TX9] At one place the lower seq stands left."""
    await bo.one(text("theirs"), base=BASE)
    result = await ada.one(text("mine"), base=BASE, mode=mode)
    assert (result["status"], await description(ada)) == ("merged", "theirsmine")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (text("x", path="type"), "invalid"),
        (text("x", path="template_data"), "invalid"),
        (text(0), "invalid"),
        (text(""), "invalid"),
        (text(5), "invalid"),
        (text(-1), "invalid"),
        (text("\x00"), "invalid"),
        (text(1.5), "invalid"),
        (text(True), "invalid"),
        (text(None), "invalid"),
        (text([1]), "invalid"),
        (text(2**60), "invalid"),
        (text(-4, path="title"), "invalid"),
        (text("x" * 500, path="title"), "invalid"),
        ({"op": "text", "node": "idea", "path": "description"}, "invalid"),
        ({"op": "text", "node": "idea", "path": "description", "delta": "x"}, "invalid"),
        (text(), "unchanged"),
        (text("x", node="nowhere"), "node_missing"),
    ],
)
async def test_what_a_delta_may_not_be(ada: Person, op: dict[str, Any], expected: str, mode: str) -> None:
    """[TX1, TX4, TX6, TX7] It uses up its number, and the ops beside it are judged as ever."""
    before = await description(ada)
    result, beside = await ada.do(op, update(title="Beside"), base=BASE, mode=mode)
    shown = result.get("code", result["status"])
    assert (result["conflict"]["code"] if shown == "conflict" else shown) == expected
    assert beside["status"] == "applied"
    assert await description(ada) == before


async def test_half_a_surrogate_pair(ada: Person) -> None:
    """[TX4] JSON can say it, no text can hold it."""
    op = '{"n":1,"base":3,"op":"text","node":"idea","path":"description","delta":["\\ud83d"]}'
    await ada.say(f'{{"type":"edit","tree":{ada.table.key.tree},"ops":[{op}]}}')
    (outcome,) = ada.heard("outcome")
    assert outcome["results"][0]["code"] == "invalid"


async def test_code_points_are_counted(ada: Person) -> None:
    """[TX4]"""
    await ada.one(text("🌳é👩\u200d👧שלום"))
    await ada.one(text(1, "|", 4, "|", -2))
    assert await description(ada) == "🌳|é👩\u200d👧|ום"


async def test_a_value_over_its_size_is_too_large(small: Table) -> None:
    """[TX6]"""
    ada = await small.join("ada")
    assert (await ada.one(text("x" * 2000)))["status"] == "applied"
    assert (await ada.one(text("x" * 49)))["code"] == "too_large"


@pytest.mark.parametrize("mode", MODES)
async def test_a_field_that_is_no_text(ada: Person, bo: Person, mode: str) -> None:
    """[TX2, TX3] Null and absent are; a number keeps the delta out, and the delta is kept."""
    await bo.do(setting({"metadata.number": 5, "metadata.none": None}))
    for path in ("metadata.none", "metadata.absent"):
        assert (await ada.one(text("x", path=path), mode=mode))["status"] == "applied"
    result = await ada.one(text("kept", path="metadata.number"), mode=mode)
    assert result["conflict"]["paths"]["metadata.number"]["theirs"] == 5
    (record,) = await ada.table.deployment.directory.conflicts(ada.table.key, user="ada", limit=10)
    assert [op["delta"] for op in record.ops] == [["kept"]]


async def test_the_effective_delta_is_in_normal_form(ada: Person) -> None:
    """[TX5, RS2]"""
    await ada.one(text("abc"))
    result = await ada.one(text(1, -1, "x", "y", 1))
    assert result["effective"]["delta"] == [1, "xy", -1]
    assert result["status"] == "applied"


async def test_a_set_counts_as_a_delta(ada: Person, bo: Person) -> None:
    """[TX10]"""
    seq = (await bo.one(text("one three")))["seq"]
    await bo.one(update(description="one two three"))
    assert (await ada.one(text(9, "!"), base=seq))["status"] == "merged"
    assert await description(ada) == "one two three!"


async def test_ops_of_a_message_stand_on_each_other(ada: Person, bo: Person) -> None:
    """[TX11, TX12]"""
    await bo.one(text("> "), base=BASE)
    results = await ada.do(update(description="base"), text(4, "1"), text(5, "2"), base=BASE)
    assert [result["status"] for result in results] == ["applied"] * 3
    assert await description(ada) == "base12"
    waiting = await bo.do(update(title="Mine"), text(4, "!", path="title"), base=BASE, mode="replay")
    assert [result["status"] for result in waiting] == ["applied"] * 2  # nobody had changed the title
    await ada.one(update("test", title="Theirs"))
    waiting = await bo.do(update("test", title="Other"), text(5, "!", node="test", path="title"), base=4, mode="replay")
    assert [result["status"] for result in waiting] == ["conflict", "conflict"]


async def test_a_message_that_is_sent_again(ada: Person, bo: Person) -> None:
    """[TX11, ED3] The first answers come again, and what is new stands right."""
    await bo.one(text("A"), base=BASE)
    ops = [{"n": 1, **text("1")}, {"n": 2, **text(1, "2")}]
    first = await ada.do(*ops, base=BASE)
    await bo.one(text("B"))
    again = await ada.do(*ops, {"n": 3, **text(2, "3")}, base=BASE, mode="replay")
    assert [result["first"] for result in again[:2]] == first
    assert (again[2]["status"], await description(ada)) == ("merged", "BA123")


async def test_an_op_that_has_not_come_back(ada: Person) -> None:
    """[TX13]"""
    seq = (await ada.one(text("one")))["seq"]
    result = await ada.one({"n": 2, **text(3, " two")}, base=BASE)
    assert (result["code"], await description(ada)) == ("stale", "one")
    assert (await ada.one({"n": 2, **text(3, " two")}, base=seq))["status"] == "applied"


async def test_a_merged_change_is_anothers_for_its_author(ada: Person, bo: Person) -> None:
    """[TX14] Until his base has reached it."""
    await bo.one(text("A"), base=BASE)
    seq = (await ada.one(text("B"), base=BASE))["seq"]
    result = await ada.one(update(description="AC"), base=seq - 1, mode="replay")
    assert result["conflict"]["paths"]["description"]["by"] == "ada"
    assert (await ada.one(update(description="C"), base=seq, mode="replay"))["status"] == "applied"


async def test_far_behind(ada: Person, bo: Person) -> None:
    """[TX15]"""
    ada.table.deployment.hubs[0].places()[0].room._limits = type(ada.socket.hub.limits)(resume_ops=4)
    await bo.one(text("theirs"))
    for place in range(5):
        await bo.one(update(title=f"T{place}"))
    result = await ada.one(text("kept"), base=BASE)
    assert result["conflict"]["paths"]["description"] == {"mine": ["kept"], "theirs": "theirs", "by": "bo", "seq": 4}
    assert (await ada.one(text("x", path="metadata.k"), base=BASE))["status"] == "applied"


async def test_the_log_tells_what_a_room_no_longer_knows() -> None:
    """[TX16, MG2] A room that was opened after it all: on another instance, or after a restart."""
    deployment = Deployment(hubs=2)
    await deployment.start()
    table = Table(deployment, await deployment.tree())
    ada, bo = await table.join("ada"), await table.join("bo")
    await ada.one({"op": "insert", "node": "idea", "parent": None, "type": "solution", "title": "Idea"}, base=0)
    await bo.one(text("one two three"), base=0)
    seq = table.deployment.hubs[0].places()[0].room.seq
    for place in range(300):
        await bo.one(text(13 + place, "."))
    await bo.one(update(title="Their idea"))
    late = await table.join("cy", hub=1)
    results = await late.do(
        text("> "), text(5, -1, "T"), setting({"metadata.k": 1, "title": "Idea!"}), base=seq, mode="replay"
    )
    assert [result["status"] for result in results] == ["applied", "applied", "merged"]
    assert await description(late) == "> oneTtwo three" + "." * 300
    assert (await late.state())["nodes"]["idea"]["title"] == "Their idea!"
    await settle()
    assert await description(ada) == await description(late)
    conflict = (await late.one(update(title="My idea"), base=seq, mode="replay"))["conflict"]
    assert conflict["paths"]["title"] == {
        "base": "Idea",
        "mine": "My idea",
        "theirs": "Their idea!",
        "by": "cy",
        "seq": table.deployment.hubs[1].places()[0].room.seq,
    }
    await deployment.close()


# ---- three-way merge


async def test_texts_merge_where_the_changes_do_not_overlap(ada: Person, bo: Person) -> None:
    """[MG1, MG2, CF3]"""
    seq = (await bo.one(update(description="one two three")))["seq"]
    await bo.one(update(description="one two three four"))
    result = await ada.one(update(description="ONE two three"), base=seq, mode="replay")
    assert result["status"] == "merged"
    assert result["effective"] == {
        "op": "update",
        "node": "idea",
        "set": {"description": "ONE two three four"},
        "merged": True,
    }
    assert await description(ada) == "ONE two three four"
    overlapping = await ada.one(update(description="one two three five"), base=seq, mode="replay")
    assert overlapping["conflict"]["paths"]["description"]["base"] == "one two three"


async def test_what_was_seen_comes_first(ada: Person, bo: Person) -> None:
    """[MG2, ED20] Also where the base is 0, and the log would say something else."""
    await bo.one(update(description="one two"))
    for base in (0, BASE):
        op = {**update(description="ONE"), "was": {"description": "one"}}
        result = await ada.one(op, base=base, mode="replay")
        assert (result["status"], await description(ada)) == ("merged", "ONE two")
        await bo.one(update(description="one two"))


async def test_one_path_that_cannot_be_merged_keeps_the_op_whole(ada: Person, bo: Person) -> None:
    """[MG3, CF3]"""
    await bo.one(setting({"description": "one two", "metadata.k": 5, "metadata.gone": "x"}), base=BASE)
    mine = setting({"description": "", "metadata.k": 6})
    op = {**mine, "was": {"description": "one", "metadata.k": 4}}
    result = await ada.one(op, base=BASE, mode="replay")
    assert set(result["conflict"]["paths"]) == {"description", "metadata.k"}
    assert await description(ada) == "one two"
    unset = {"op": "update", "node": "idea", "unset": ["metadata.gone"], "was": {"metadata.gone": ""}}
    assert (await ada.one(unset, base=BASE, mode="replay"))["status"] == "conflict"


async def test_a_merged_text_keeps_its_limits(ada: Person, bo: Person) -> None:
    """[MG4]"""
    await bo.one(update(title="x" * 300 + " Idea"))
    op = {**update(title="Idea " + "y" * 300), "was": {"title": "Idea"}}
    assert (await ada.one(op, base=BASE, mode="replay"))["status"] == "conflict"


async def test_who_has_both_already(ada: Person, bo: Person) -> None:
    """[MG5]"""
    await bo.one(update(description="one two"))
    mine = {**update(description="one"), "was": {"description": ""}}
    assert (await ada.one({**mine, "was": {"description": "one"}}, base=BASE, mode="replay"))["status"] == "unchanged"
    both = {**update(description="one two three"), "was": {"description": "one two"}}
    result = await ada.one(both, base=BASE, mode="replay")
    assert (result["status"], "effective" in result, await description(ada)) == ("applied", False, "one two three")


async def test_an_edit_may_have_so_much_merged(ada: Person, bo: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """[MG6]"""
    texts = {"description": "a b c d e f\n", "metadata.k": "a b c d e f\n"}
    seq = (await bo.one(setting(texts)))["seq"]
    await bo.one(setting({path: value.replace("b", "B").replace("e", "E") for path, value in texts.items()}))
    ops = [setting({path: value.replace("d", "D")}) for path, value in texts.items()]
    monkeypatch.setattr(cut, "WORK_OF_AN_EDIT", 12_000)  # one of the two takes 11,000 or so
    results = await ada.do(*ops, base=seq, mode="replay")
    assert [result["status"] for result in results] == ["merged", "conflict"]


async def test_a_merged_answer_comes_again(ada: Person, bo: Person) -> None:
    """[ED3, MG1] Word for word, from the log."""
    await bo.one(update(description="one two"), base=BASE)
    op = {"n": 1, **update(description="ONE"), "was": {"description": "one"}}
    first = await ada.one(op, base=BASE, mode="replay")
    assert first["status"] == "merged"
    assert (await ada.one(op, base=BASE, mode="replay"))["first"] == first
