"""The browser that these tests drive: Debian's Chromium, without a window."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

# A page that a test hands over itself (visitors.py) counts as one from the internet, which may not talk to this machine
_ARGUMENTS = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]
_PLACES = ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")


def chromium() -> str:
    """Its path. Where there is none the test is skipped, or fails where a browser is required."""
    for place in _PLACES:
        if Path(place).exists():
            return place
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail("no Chromium, and BROWSER_TESTS=required")
    pytest.skip("NO CHROMIUM HERE: the page and the browser client were not tested")


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    path = chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
