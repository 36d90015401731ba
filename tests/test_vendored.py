"""What the project ships of others: unchanged, of a known version, with its licence; nothing comes from elsewhere."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
VENDOR = ROOT / "web" / "vendor"
PERMISSIVE = {"ISC", "MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0"}
GRANTS = {
    "ISC": "Permission to use, copy, modify, and/or distribute this software",
    "MIT": "Permission is hereby granted, free of charge, to any person obtaining a copy",
}


class Vendored(NamedTuple):
    package: str
    version: str
    licence: str
    source: str
    module_hash: str
    licence_hash: str
    sheet_hash: str = ""  # of its style sheet, where it needs one

    @property
    def files(self) -> dict[str, str]:
        """name -> hash"""
        hashes = {".js": self.module_hash, ".LICENSE": self.licence_hash, ".css": self.sheet_hash}
        return {f"{self.package}{suffix}": expected for suffix, expected in hashes.items() if expected}


def vendored() -> list[Vendored]:
    lines = (VENDOR / "VERSIONS").read_text(encoding="utf-8").splitlines()
    return [Vendored(*line.split()) for line in lines if line and not line.startswith("#")]


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return found


def notice() -> str:
    return (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    listed = {name for one in vendored() for name in one.files}
    assert {path.name for path in VENDOR.iterdir()} == {*listed, "VERSIONS"}


@pytest.mark.parametrize("one", vendored(), ids=lambda one: one.package)
def test_a_vendored_file_is_what_its_author_published(one: Vendored) -> None:
    for name, expected in one.files.items():
        content = (VENDOR / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected, f"{name} was changed: see VERSIONS"


@pytest.mark.parametrize("one", vendored(), ids=lambda one: one.package)
def test_a_vendored_file_has_a_permissive_licence_and_is_named_in_notice(one: Vendored) -> None:
    assert one.licence in PERMISSIVE
    text = (VENDOR / f"{one.package}.LICENSE").read_text(encoding="utf-8")
    assert GRANTS[one.licence] in text
    holder = re.search(r"Copyright .+", text)
    assert holder is not None
    assert re.search(rf"^  {one.package} {one.version}\s+{one.licence}\s", notice(), re.MULTILINE)
    assert re.sub(r" <\S+@\S+>", "", holder[0]) in notice()


@pytest.mark.parametrize("one", vendored(), ids=lambda one: one.package)
def test_a_vendored_file_needs_no_other(one: Vendored) -> None:
    """It is a module without imports, and leads to no source map that is not here."""
    text = (VENDOR / f"{one.package}.js").read_text(encoding="utf-8")
    assert re.search(r"^export \{", text, re.MULTILINE)
    assert not re.search(r"^import\b|\bimport\(|\brequire\(|sourceMappingURL", text, re.MULTILINE)
    assert not re.search(r"\beval\(|new Function\(|\bdocument\.write", text), "the page's policy forbids it"
    sheet = VENDOR / f"{one.package}.css"
    assert not sheet.exists() or not re.search(r"@import|url\(", sheet.read_text(encoding="utf-8"))


def test_notice_names_everything_that_is_installed_with_it() -> None:
    needed = [*project()["project"]["dependencies"], *project()["project"]["optional-dependencies"]["local"]]
    names = [re.split(r"[\[<>=;~! ]", one)[0] for one in needed]
    missing = [name for name in names if not re.search(rf"^  (\S+, )*{re.escape(name)}[ ,]", notice(), re.MULTILINE)]
    assert missing == []


def test_no_module_of_the_page_is_fetched_from_elsewhere() -> None:
    """Each import leads to a file of web/ (or is a name that the reader's own bundler knows, in the React hook)."""
    web = ROOT / "web"
    imported = re.compile(r'^(?:import\b|export\b|\})[^"\n(]*"([^"\n]+)"|\bimport\("([^"\n]+)"\)', re.MULTILINE)
    stray = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in sorted(web.rglob("*.js"))
        for target in map("".join, imported.findall(path.read_text(encoding="utf-8")))
        if not any(
            (place / f"{target.lstrip('/')}{end}").is_file() for place in (path.parent, web) for end in ("", ".d.ts")
        )
    ]
    assert [one for one in stray if one != "web/use-tree.js: react"] == []


def test_the_wheel_carries_the_page_and_the_notices() -> None:
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["web"] == "server/web"
    assert "license-files" not in project()["project"], "hatchling's default takes LICENSE and NOTICE"
