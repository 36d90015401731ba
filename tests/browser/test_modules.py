"""The JavaScript tests, each by its name: `pytest tests/browser/test_modules.py -k text.test.js`.

A module is run once, in a context of its own (so its IndexedDB is empty), under the page's own Content-Security-Policy.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypedDict

import pytest
from playwright.async_api import Browser

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
NAMED = re.compile(r'^\s*test\(\s*"((?:[^"\\]|\\.)+)"', re.MULTILINE)
MODULES = sorted(path.name for path in HERE.glob("*.test.js"))
MODULE_MS = 60_000  # a whole module, on a machine that is busy with other things


class Outcome(TypedDict):
    results: list[dict[str, str | None]]
    broken: str | None
    violations: list[str]


def named(module: str) -> list[str]:
    return NAMED.findall((HERE / module).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def outcomes() -> dict[str, Outcome]:
    return {}


async def ran(module: str, browser: Browser, files: str, outcomes: dict[str, Outcome]) -> Outcome:
    if module not in outcomes:
        context = await browser.new_context()
        context.set_default_timeout(MODULE_MS)
        page = await context.new_page()
        await page.goto(f"{files}/tests/modules.html?{module}")
        await page.wait_for_function("() => window.outcome")
        async with context:
            outcomes[module] = await page.evaluate("window.outcome")
    return outcomes[module]


@pytest.mark.parametrize(
    ("module", "name"),
    [pytest.param(module, name, id=f"{module}-{name}") for module in MODULES for name in named(module)],
)
async def test_javascript(module: str, name: str, browser: Browser, files: str, outcomes: dict[str, Outcome]) -> None:
    outcome = await ran(module, browser, files, outcomes)
    assert outcome["broken"] is None, outcome["broken"]
    errors = [result["error"] for result in outcome["results"] if result["name"] == name]
    assert errors, f"{module} has no test that is called so when it is run"
    assert errors == [None], "\n".join(str(error) for error in errors)


@pytest.mark.parametrize("module", MODULES)
async def test_a_module_has_no_other_fault(
    module: str, browser: Browser, files: str, outcomes: dict[str, Outcome]
) -> None:
    """Names that are made while it runs, and what the page's policy forbids."""
    outcome = await ran(module, browser, files, outcomes)
    names = named(module)
    others = [result for result in outcome["results"] if result["name"] not in names and result["error"] is not None]
    assert outcome["broken"] is None, outcome["broken"]
    assert not others, "\n".join(f"{result['name']}: {result['error']}" for result in others)
    assert outcome["violations"] == []
    assert outcome["results"], "it registers no test"
