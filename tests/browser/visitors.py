"""People in browsers: a context each, what their pages complain of, and a line to the server that can be cut."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, WebSocketRoute, expect

from server.pages import PAGE_POLICY
from tests.browser.stage import Stage

SCREENSHOTS = Path(__file__).parent.parent.parent / ".cache" / "screenshots"
WITHIN_MS = 15_000  # anything that is waited for: far more than it takes, also on a busy machine
# What Chromium itself writes to the console where a server is away or says no; a page can not keep it from doing so
AWAY = r"net::ERR_|WebSocket connection to|Failed to load resource|Failed to fetch"

START = """async ({ token, tree, options }) => {
  const { connect } = await import("/treesync.js");
  window.faults = [];
  window.heard = [];
  window.client = connect(location.origin, token, options);
  client.addEventListener("fault", (event) => faults.push(event.detail));
  window.tree = await client.open(tree);
  for (const kind of ["report", "conflict", "closed", "role"]) {
    window.tree.addEventListener(kind, (event) => heard.push({ kind, detail: event.detail }));
  }
}"""

expect.set_options(timeout=WITHIN_MS)


class Line:
    """The way of one context's sockets to the server. `set_offline` would not cut a socket that is open."""

    def __init__(self) -> None:
        self.whole = True
        self.deaf = False  # what the server says is lost, though it hears
        self._sockets: list[tuple[WebSocketRoute, WebSocketRoute]] = []  # the page's end and the server's

    async def take(self, socket: WebSocketRoute) -> None:
        if not self.whole:
            await socket.close(code=1001)
            return
        server = socket.connect_to_server()
        self._sockets.append((socket, server))

        def pass_on(message: str | bytes) -> None:
            if not self.deaf:
                socket.send(message)

        server.on_message(pass_on)

    async def cut(self) -> None:
        self.whole = False
        sockets, self._sockets = self._sockets, []
        for page, server in sockets:
            await page.close(code=1001)
            await server.close(code=1000)  # a page may close with no other

    def mend(self) -> None:
        self.whole = True
        self.deaf = False


class Visitor:
    """One person at one page. Two pages of one context are two tabs of one browser."""

    def __init__(self, page: Page, stage: Stage, user: str, line: Line | None, complaints: list[str]) -> None:
        self.page = page
        self.stage = stage
        self.user = user
        self._line = line
        self._complaints = complaints
        page.set_default_timeout(WITHIN_MS)
        page.on("pageerror", lambda error: self._complaints.append(f"{user}: {error}\n{error.stack}"))
        page.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(f"{self.user}: {message.text} ({message.location.get('url')})")

    @property
    def line(self) -> Line:
        assert self._line is not None, "this visitor's line can not be cut"
        return self._line

    async def client(self, tree: int, **options: Any) -> None:
        """Open that tree by the client alone, on an empty page of the server's origin with the page's own policy."""
        await self.page.goto(f"{self.stage.url}/empty")
        await self.connect(tree, **options)

    async def connect(self, tree: int, **options: Any) -> None:
        given = {"token": self.stage.token(self.user), "tree": tree, "options": options}
        try:
            async with asyncio.timeout(WITHIN_MS / 1000):
                await self.page.evaluate(START, given)
        except TimeoutError:
            seen = await self.page.evaluate("[window.client?.state, window.faults]")
            raise AssertionError(f"{self.user}: tree {tree} was not opened: {seen}") from None

    async def visit(self, tree: int) -> None:
        """Open that tree on the page at `/`, with a token in the fragment."""
        await self.page.goto(self.stage.link(self.user, tree))
        await self.page.get_by_role("treeitem").first.wait_for()

    def card(self, node: str) -> Locator:
        return self.page.locator(f'.card[data-node="{node}"]')

    async def back(self) -> None:
        """The network is there again, and the browser says so: nobody here waits up to 30 s for the next try [RP8]."""
        if self._line is not None:
            self._line.mend()
        await self.page.evaluate("dispatchEvent(new Event('online'))")

    @property
    def status(self) -> Locator:
        """The word in the header that says whether everything is stored."""
        return self.page.locator("#status-text")

    async def waiting(self) -> int:
        """How many changes wait for the network, as the header says."""
        await expect(self.status).to_have_text(re.compile(r"^Offline \(\d+\)$"))
        return int(re.sub(r"\D", "", await self.status.inner_text()))

    @property
    def toast(self) -> Locator:
        """The line that says what was just done, or why not."""
        return self.page.locator("#toast")

    async def middle(self, node: str | None = None) -> tuple[float, float]:
        """The middle of a card, or of the window, in pixels of the window."""
        if node is None:
            size = self.page.viewport_size
            assert size is not None
            return size["width"] / 2, size["height"] / 2
        box = await self.card(node).bounding_box()
        assert box is not None, f"the card of {node} is not drawn"
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    async def drag(self, node: str, onto: str) -> None:
        """Take a card with the mouse and let it go on another."""
        await self.card(node).hover()  # waits until it stands still
        await self.page.mouse.down()
        await self.page.mouse.move(*await self.middle(onto), steps=8)
        await self.page.mouse.up()

    async def shot(self, name: str) -> None:
        """A picture of what is shown now, for people to look at: .cache/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")

    async def run(self, code: str, argument: Any = None) -> Any:
        """The value of an expression in the page; `argument` is `it` there."""
        try:
            async with asyncio.timeout(WITHIN_MS / 1000):
                return await self.page.evaluate(f"async (it) => ({code})", argument)
        except TimeoutError:
            raise AssertionError(f"{self.user}: no answer to {code} ({argument})\n{await self._state()}") from None

    async def start(self, code: str, argument: Any = None) -> None:
        """The same, not waiting for what it promises: edits without network are answered later."""
        await self.page.evaluate(f"(it) => {{ {code} }}", argument)

    async def until(self, code: str, argument: Any = None) -> None:
        try:
            await self.page.wait_for_function(f"(it) => ({code})", arg=argument, polling=20, timeout=WITHIN_MS)
        except Exception as error:
            raise AssertionError(f"{self.user}: never came true: {code} ({argument})\n{await self._state()}") from error

    async def _state(self) -> Any:
        return await self.page.evaluate(
            "window.tree ? { state: client.state, status: tree.status, queue: tree.queue, faults, heard } : 'no tree'"
        )

    async def saved(self) -> None:
        """Everything of this client is durable."""
        await self.until("['saved', 'conflict'].includes(tree.status.state) && tree.queue.length === 0")

    async def title(self, node: str) -> str:
        found: str = await self.run("tree.view.nodes.get(it)?.title", node)
        return found

    async def tab(self) -> Visitor:
        """Another tab of the same browser."""
        return Visitor(await self.page.context.new_page(), self.stage, self.user, self._line, self._complaints)


class Visitors:
    """Makes visitors, and hears what their pages complain of."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._complaints: list[str] = []
        self._allowed: list[str] = []

    async def new(self, stage: Stage, user: str, *, line: bool = False, init: str = "", **context: Any) -> Visitor:
        """Somebody at a browser of their own. `line`: it can be cut. `init`: a script that runs before any page's."""
        made = await self._browser.new_context(**context)
        self._contexts.append(made)
        held = Line() if line else None
        if held is not None:
            await made.route_web_socket(re.compile(r"/ws$"), held.take)
        if init:
            await made.add_init_script(init)
        await made.route("**/empty", _empty)
        return Visitor(await made.new_page(), stage, user, held, self._complaints)

    def allow(self, *patterns: str) -> None:
        """Complaints that this test brings about on purpose."""
        self._allowed += patterns

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()

    @property
    def complaints(self) -> list[str]:
        return [said for said in self._complaints if not any(re.search(pattern, said) for pattern in self._allowed)]


async def _empty(route: Route) -> None:
    headers = {"Content-Type": "text/html", "Content-Security-Policy": PAGE_POLICY}
    await route.fulfill(headers=headers, body='<!doctype html><title>empty</title><link rel="icon" href="data:,">')


@asynccontextmanager
async def visiting(browser: Browser) -> AsyncIterator[Visitors]:
    """Visitors of a test, which fails where their pages complained of anything that it does not allow."""
    visitors = Visitors(browser)
    try:
        yield visitors
    finally:
        await visitors.close()
    assert not visitors.complaints, "\n".join(visitors.complaints)
