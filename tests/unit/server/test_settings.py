"""Settings: what the environment may say, and how a mistake in it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.settings import SettingsError, is_loopback, read_settings
from sync.limits import Limits

SECRET = "canary-5d1f0c" * 4


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("TREESYNC_") or name in {"HOST", "PORT", "LOG_LEVEL", "DATABASE_URL", "REDIS_URL"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_for_one_machine() -> None:
    settings = read_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.uses_development_secret


def test_limits_are_those_of_the_wire_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().limits == Limits()
    monkeypatch.setenv("TREESYNC_EDIT_OPS", "7")
    assert read_settings().limits == Limits(edit_ops=7)


def test_pool_defaults_are_those_of_spec_002() -> None:
    settings = read_settings()
    assert (settings.pool_max, settings.pool_min) == (20, 5)
    assert (settings.pool_idle_seconds, settings.connect_seconds, settings.acquire_seconds) == (30.0, 2.0, 60.0)


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    assert read_settings().port == 9000
    assert read_settings(port=9001).port == 9001
    assert read_settings(port=None).port == 9000


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREESYNC_ALLOWED_ORIGINS", "https://a.example, http://localhost:5173")
    assert read_settings().allowed_origins == ("https://a.example", "http://localhost:5173")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("LOG_LEVEL", "loud"),
        ("TREESYNC_ENV", "staging"),
        ("DATABASE_URL", "mysql://u:hunter2hunter2@host/db"),
        ("DATABASE_URL", "not a url with hunter2hunter2"),
        ("REDIS_URL", "http://:hunter2hunter2@host"),
        ("TREESYNC_JWT_SECRET", "hunter2hunter2"),
        ("TREESYNC_OPERATOR_TOKEN", "hunter2hunter2"),
        ("TREESYNC_JWKS_URL", "http://issuer.example/keys"),
        ("TREESYNC_JWKS_URL", "file:///etc/passwd"),
        ("TREESYNC_ALLOWED_ORIGINS", "https://a.example/path"),
        ("TREESYNC_ALLOWED_ORIGINS", "a.example"),
        ("TREESYNC_ALLOWED_ORIGINS", "https://"),
        ("TREESYNC_POOL_MAX", "1"),
        ("TREESYNC_POOL_MIN", "21"),
        ("TREESYNC_KEEP_ADDRESSES", "some"),
        ("TREESYNC_MIGRATE", "perhaps"),
        ("TREESYNC_DEPTH", "1001"),
        ("TREESYNC_DRAIN_SECONDS", "0"),
        ("TREESYNC_MESSAGE_BYTES", "1e9x"),
    ],
)
def test_a_bad_value_is_named_and_a_secret_not_shown(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert str(caught.value).startswith(f"{name}: ")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None, "the library's error would show the value in a traceback"


def test_every_mistake_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("LOG_LEVEL", "y")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["PORT", "LOG_LEVEL"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "127.0.0.1.example.com"])
def test_the_development_secret_stays_on_loopback(host: str) -> None:
    with pytest.raises(SettingsError, match="HOST: beyond loopback"):
        read_settings(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_secret(host: str) -> None:
    assert is_loopback(host)
    assert read_settings(host=host).uses_development_secret


@pytest.mark.parametrize(
    ("name", "value"), [("TREESYNC_JWT_SECRET", SECRET), ("TREESYNC_JWKS_URL", "https://issuer.example/keys")]
)
def test_a_real_key_may_serve_everyone(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert read_settings(host="0.0.0.0").host == "0.0.0.0"


def test_production_needs_a_database_and_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREESYNC_ENV", "production")
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        read_settings()
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@db/treesync")
    with pytest.raises(SettingsError, match="TREESYNC_JWT_SECRET"):
        read_settings()
    monkeypatch.setenv("TREESYNC_JWT_SECRET", SECRET)
    assert read_settings().environment == "production"


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    monkeypatch.setenv("TREESYNC_JWT_SECRET_FILE", str(tmp_path / "secret"))
    secret = read_settings().jwt_secret
    assert secret is not None
    assert secret.get_secret_value() == SECRET


def test_a_secret_comes_from_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setenv("TREESYNC_JWT_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("TREESYNC_JWT_SECRET", SECRET)
    with pytest.raises(SettingsError, match="not both"):
        read_settings()


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "nothing"))
    with pytest.raises(SettingsError, match=r"DATABASE_URL_FILE: cannot be read \(FileNotFoundError\)"):
        read_settings()


def test_only_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("9000")
    monkeypatch.setenv("PORT_FILE", str(tmp_path / "port"))
    assert read_settings().port == 8000
