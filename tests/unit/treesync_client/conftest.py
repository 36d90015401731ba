"""Two hubs over one in-memory database, a tree, and lines to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sync.identity import TreeKey
from tests.hubs import Deployment, root
from tests.lines import Network


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = Deployment(hubs=2)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def network(deployment: Deployment) -> Network:
    return Network(deployment)


@pytest.fixture
async def key(deployment: Deployment) -> TreeKey:
    return await deployment.tree(root())
