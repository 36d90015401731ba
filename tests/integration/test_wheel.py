"""What is shipped is whole: the wheel, installed aside, serves the page, its modules and the client, and migrates."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.commands import ROOT, treesync
from tests.postgres_servers import PostgresServers

PACKAGES = {"ai", "server", "storage", "sync", "treesync_client"}
BUILD_SECONDS = 100  # a few on an idle machine


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=BUILD_SECONDS)
    [made] = folder.glob("treesync-*.whl")
    return made


def test_it_holds_every_file_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    web = {f"server/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "web").rglob("*") if path.is_file()}
    assert held == source | web | {"storage/schema.sql"}
    with zipfile.ZipFile(wheel) as archive:
        [licences] = [[name for name in archive.namelist() if ".dist-info/licenses/" in name]]
    assert {Path(name).name for name in licences} >= {"LICENSE", "NOTICE"}


async def test_it_serves_from_where_it_is_installed(
    wheel: Path, tmp_path: Path, postgres_servers: PostgresServers
) -> None:
    dsn = await (await postgres_servers.get("18")).fresh(migrated=False)
    aside = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(aside)
    # the process runs in a directory without sources, so what it imports is what was installed
    async with treesync("serve", directory=tmp_path, DATABASE_URL=dsn, PYTHONPATH=str(aside)) as command:
        await command.until_ready()
        for path, begins in (("/", "<!doctype html>"), ("/client.js", "//"), ("/openapi.json", "{")):
            answer = await command.ask("GET", path)
            assert answer.status_code == 200, path
            assert answer.text.lower().startswith(begins), path
        made = await command.ask("POST", "/api/v1/trees", {"name": "Strategy"})
        assert made.status_code == 201, made.text
