"""The page at `/` in a real browser: two people edit one tree, and each sees what the other types."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.commands import treesync

pytestmark = pytest.mark.browser

CHROMIUM = next(
    (path for path in ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium") if Path(path).exists()), None
)
LINK = re.compile(r"http://127\.0\.0\.1:\d+/\S*")


def chromium() -> str:
    """Its path. Where there is none the test is skipped, or fails where a browser is required."""
    if CHROMIUM is None:
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail("no Chromium, and BROWSER_TESTS=required")
        pytest.skip("NO CHROMIUM HERE: the page was not tested")
    return CHROMIUM


@pytest.fixture(scope="module")
async def link(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The page's address, as `treesync serve --demo` prints it."""
    chromium()
    async with treesync("serve", "--demo", directory=tmp_path_factory.mktemp("page")) as server:
        await server.until_ready()
        found = LINK.search(server.said())
        assert found is not None, server.said()
        yield found.group()
        assert await server.stop() == 0


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        await browser.close()


async def opened(browser: Browser, link: str, complaints: list[str] | None = None) -> Page:
    """A page of its own, as if on another machine. `complaints` takes its errors and warnings."""
    page = await (await browser.new_context()).new_page()
    if complaints is not None:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
    await page.goto(link)
    await expect(page.locator("#connection")).to_have_text("saved")
    return page


async def test_a_title_changes_live_in_both_pages(browser: Browser, link: str) -> None:
    complaints: list[str] = []
    ada, bo = await opened(browser, link, complaints), await opened(browser, link, complaints)
    assert await ada.get_by_role("treeitem").count() >= 60
    mine, theirs = ada.locator(".title").nth(3), bo.locator(".title").nth(3)
    await mine.fill("Written by the first")
    await expect(theirs).to_have_value("Written by the first")
    await expect(ada.locator("#connection")).to_have_text("saved")
    await theirs.fill("Answered by the second")
    await expect(mine).to_have_value("Answered by the second")
    assert complaints == []


async def test_what_was_saved_is_there_after_a_reload(browser: Browser, link: str) -> None:
    page = await opened(browser, link)
    await page.locator(".title").nth(4).fill("Kept")
    await expect(page.locator("#connection")).to_have_text("saved")
    await page.reload()
    await expect(page.locator(".title").nth(4)).to_have_value("Kept")


async def test_a_token_comes_in_the_fragment_and_leaves_the_address_bar(browser: Browser, link: str) -> None:
    address = link.partition("?")[0]
    demo = await (await (await browser.new_context()).request.get(f"{address}demo/token")).json()
    page = await opened(browser, f"{address}#token={demo['token']}&tree={demo['tree']}")
    assert page.url == address
    assert await page.get_by_role("treeitem").count() >= 60


async def test_who_is_here_is_shown_and_leaves(browser: Browser, link: str) -> None:
    ada, bo = await opened(browser, link), await opened(browser, link)
    await expect(ada.locator("#people li")).to_have_count(1)
    await bo.locator(".title").nth(2).focus()
    await expect(ada.get_by_role("treeitem").nth(2)).not_to_have_attribute("data-editing", "")
    await bo.close()
    await expect(ada.locator("#people li")).to_have_count(0)


async def test_every_control_has_a_name(browser: Browser, link: str) -> None:
    page = await opened(browser, link)
    names = await page.locator(".title").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert all(re.match(r"Title of the \w+ .+", name) for name in names)
