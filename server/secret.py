"""The development secret: made once, kept beside the data, so that `treesync token` in another shell signs for it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from server.settings import SECRET_BYTES, Settings, SettingsError

_FILE = "development-secret"


def signing_secret(settings: Settings) -> str | None:
    """The key of HS256 tokens: as set, or the development secret; None where only a JWKS is trusted."""
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    return development_secret(settings.data_directory) if settings.uses_development_secret else None


def development_secret(directory: Path) -> str:
    """Read it, or make it with mode 0600. Two processes that start at once agree: the first link wins."""
    path = directory / _FILE
    try:
        if not path.exists():
            _make(path)
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"TREESYNC_DATA_DIR: no development secret in {directory} ({error})") from error
    if len(secret) < SECRET_BYTES:
        raise SettingsError(f"TREESYNC_DATA_DIR: {path} holds no secret; remove it to have a new one made")
    return secret


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was first
    finally:
        draft.unlink()
