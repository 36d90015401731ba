"""The settings as people see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.settings import Settings, environment_name, is_secret, read_settings
from server.settings_table import effective, settings_table, unknown_names

README = Path(__file__).parent.parent.parent.parent / "README.md"
CANARY = "canary-5d1f0c" * 4


def test_the_readme_has_the_table_as_it_is() -> None:
    between = README.read_text(encoding="utf-8").partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]
    assert between == settings_table(), "write it anew: python -m server.settings_table"


def test_the_table_has_a_line_for_every_setting_with_its_default_and_meaning() -> None:
    lines = settings_table().splitlines()[2:]
    for field, line in zip(Settings.model_fields.values(), lines, strict=True):
        assert line.startswith(f"| `{environment_name(field)}` |")
        assert field.description
        assert field.description in line
        if not is_secret(field) and isinstance(field.default, str | int):
            assert str(field.default).lower() in line


def test_a_slip_of_the_pen_is_noticed() -> None:
    environment = {"TREESYNC_JWT_SECERT": "x", "TREESYNC_JWT_SECRET_FILE": "y", "TREESYNC_POOL_MAX": "5", "PATH": "/"}
    assert unknown_names(environment) == ["TREESYNC_JWT_SECERT"]


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "TREESYNC_JWT_SECRET": CANARY,
        "TREESYNC_OPERATOR_TOKEN": CANARY,
        "DATABASE_URL": f"postgresql://u:{CANARY}@db/t",
        "REDIS_URL": f"redis://:{CANARY}@bus",
    }.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert CANARY not in repr(settings)
    shown = effective(settings)
    assert CANARY not in str(shown)
    assert shown["DATABASE_URL"] == "(set)"
    assert shown["TREESYNC_POOL_MIN"] == "5"
