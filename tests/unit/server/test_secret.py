"""The development secret, and addresses as they are kept."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.secret import development_secret, signing_secret
from server.settings import SECRET_BYTES, Settings, SettingsError
from tests.applications import SECRET


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    secret = development_secret(directory)
    assert len(secret) >= SECRET_BYTES
    assert development_secret(directory) == secret
    [file] = directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert development_secret(tmp_path / "elsewhere") != secret


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(development_secret, [tmp_path / "data"] * 32))
    assert len(secrets) == 1
    assert len(list((tmp_path / "data").iterdir())) == 1


@pytest.mark.parametrize("content", ["", "short", "\n"])
def test_a_file_that_holds_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "development-secret").write_text(content)
    with pytest.raises(SettingsError, match="development-secret holds no secret"):
        development_secret(tmp_path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="TREESYNC_DATA_DIR"):
        development_secret(tmp_path / "file")


def test_a_configured_key_needs_no_file(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    configured = Settings(jwt_secret=SECRET, data_directory=directory)  # type: ignore[arg-type]
    assert signing_secret(configured) == SECRET
    assert signing_secret(Settings(jwks_url="https://issuer.example/keys", data_directory=directory)) is None
    assert not directory.exists()
