"""The browser's code as it is written: small files, nothing that the page's policy or its readers would mind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

WEB = Path(__file__).parent.parent / "web"
LONGEST_FILE = 400  # lines, as for Python (tests/test_architecture.py)
LONGEST_LINE = 200  # characters, for what builds elements; code stays far below
OURS = sorted(path for path in WEB.rglob("*.js") if "vendor" not in path.parts)
# strings that become elements or code; what is left in a console is for its author alone
FORBIDDEN = r"\.(inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function|\bconsole\.|\bdebugger\b"


def names(path: Path) -> str:
    return path.relative_to(WEB).as_posix()


def test_there_is_something_to_read() -> None:
    assert {"client.js", "treesync.js", "sw.js", "page/main.js"} <= {names(path) for path in OURS}


@pytest.mark.parametrize("path", OURS, ids=names)
def test_a_module_is_small_and_safe(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= LONGEST_FILE
    assert [line for line in lines if len(line) > LONGEST_LINE] == []
    assert re.findall(FORBIDDEN, text) == []
    assert text.startswith("//"), "it says in its first line what it is for"


def test_the_page_has_no_inline_style_script_or_handler() -> None:
    page = (WEB / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|<script>|\sstyle=|\son[a-z]+=|javascript:", page)
    assert re.search(r'<html lang="\w+"', page)


def test_the_published_package_holds_what_it_names() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    assert package["type"] == "module"
    assert "resolved" not in json.dumps(package)
    named = re.findall(r'"\./([^"*]+\.(?:d\.ts|js))"', json.dumps(package))
    assert named
    assert [name for name in named if not (WEB / name).is_file()] == []
