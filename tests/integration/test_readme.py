"""What the README shows, run as it stands there."""

from __future__ import annotations

import re
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from server.cli import COMMANDS
from tests.browser.chromium import chromium
from tests.commands import Command, treesync
from treesync_client import connect

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")


def example(language: str, place: int = 0) -> str:
    return str(re.findall(rf"```{language}\n(.*?)```", README, re.S)[place])


@pytest.fixture(scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Command]:
    async with treesync("serve", "--demo", directory=tmp_path_factory.mktemp("readme")) as server:
        await server.until_ready()
        yield server
        assert await server.stop() == 0


async def guest(demo: Command) -> str:
    answer = (await demo.ask("GET", "/demo/token")).json()
    assert answer["tree"] == 1
    return str(answer["token"])


async def test_the_python_example_runs(demo: Command, capsys: pytest.CaptureFixture[str]) -> None:
    code = example("python").replace("http://127.0.0.1:8000", demo.url)
    names: dict[str, Any] = {"token": await guest(demo)}
    exec(f"async def main():\n{textwrap.indent(code, '    ')}", names)
    await names["main"]()
    assert capsys.readouterr().out == "applied Grow 20%\n"


async def test_the_offline_example_runs(
    demo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = example("python", 1).replace("http://127.0.0.1:8000", demo.url)
    names: dict[str, Any] = {"token": await guest(demo), "connect": connect, "Path": Path}
    exec(f"async def main():\n{textwrap.indent(code, '    ')}\n    return tree", names)
    tree = await names["main"]()
    assert len(tree.last_report.applied) == 1
    assert capsys.readouterr().out == "1 applied\n"
    first = (await demo.ask("GET", "/api/v1/trees/1", bearer=await guest(demo))).json()["state"]["nodes"]
    assert sum("Typed on a train. " in node["description"] for node in first) == 1


@pytest.mark.browser
async def test_the_browser_example_runs(demo: Command) -> None:
    code = example("js").replace("http://127.0.0.1:8000", demo.url)
    code = re.sub(r'import \{ connect \} from ("[^"]+");', r"const { connect } = await import(\1);", code)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(demo.url)
        answer = await page.evaluate(f"async (token) => {{ {code}\n return answer; }}", await guest(demo))
        await browser.close()
    assert answer["status"] in ("applied", "unchanged")


def test_every_command_is_listed() -> None:
    assert set(re.findall(r"^\| `treesync ([\w-]+)", README, re.M)) == set(COMMANDS)
