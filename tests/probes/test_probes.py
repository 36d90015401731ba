"""[OP7] [HT5] Some attempts to reach another tenant's things in every run; `make probes` makes 100,000."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.probes.attack import KINDS, Attack
from tests.probes.victim import CANARY, Scene, attacked

BY_HTTP, BY_SOCKET = 900, 900


@pytest.fixture(scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with attacked() as made:
        yield made


async def test_no_attempt_tells_what_is_there(scene: Scene) -> None:
    before = await scene.fingerprint()
    attack = Attack(scene.instance, scene.victim, await scene.described(), seed=40)
    await attack.by_http(BY_HTTP)
    await attack.by_socket(BY_SOCKET)
    assert attack.leaks == []
    assert attack.untried <= {"hello", "auth"}, "of those a token tells who speaks, not what a tree holds"
    assert set(KINDS) - attack.untried, "messages were tried too"
    assert {200, 401, 404} <= set(attack.statuses)
    assert {"not_found", "not_open"} <= set(attack.codes)
    assert await scene.fingerprint() == before


async def test_the_owner_is_shown_all_of_it(scene: Scene) -> None:
    """So that the canary would be seen where it leaks."""
    tree, bearer = scene.victim.real.tree, scene.instance.token("victor", "victim")
    for path in (f"/api/v1/trees/{tree}", f"/api/v1/trees/{tree}/conflicts", f"/api/v1/trees/{tree}/trash"):
        answer = await scene.instance.ask("GET", path, bearer=bearer)
        assert CANARY in answer.text, path


async def test_an_attempt_that_succeeds_is_told(scene: Scene) -> None:
    """One who may see the tree does see it: by the same means, that counts as a leak."""
    vicky = scene.instance.token("vicky", "victim")
    attack = Attack(scene.instance, scene.victim, await scene.described(), seed=41, tokens=[vicky])
    await attack.by_http(60)
    await attack.by_socket(60)
    assert any("reads" in leak for leak in attack.leaks)
    assert any("hears" in leak for leak in attack.leaks)
