"""Deployments for the tests of everything around the commit loop."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faults import LossyExchange
from tests.hubs import Deployment
from tests.trouble import Trouble


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
async def one(trouble: Trouble) -> AsyncIterator[Deployment]:
    """One instance whose storage can be made to fail."""
    deployment = Deployment(around=trouble.around)
    await deployment.start()
    yield deployment
    await deployment.close()


@pytest.fixture
async def two(trouble: Trouble) -> AsyncIterator[Deployment]:
    """Two instances, a bus that delivers, and storage that can be made to fail."""
    deployment = Deployment(hubs=2, around=trouble.around)
    await deployment.start()
    yield deployment
    await deployment.close()


@pytest.fixture
async def deaf(trouble: Trouble) -> AsyncIterator[Deployment]:
    """Two instances, and a bus that keeps every message until it is asked for it."""
    deployment = Deployment(hubs=2, around=trouble.around, exchange=LossyExchange())
    await deployment.start()
    yield deployment
    await deployment.close()
