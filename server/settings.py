"""Every setting, read from the environment once and checked before anything starts.

The README's table is made from these fields (`server.settings_table`), so that the two cannot differ. A secret `NAME`
may also come from the file that `NAME_FILE` names, as containers hand them over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from server.limits import Bounds
from sync.limits import Limits

SECRET_BYTES = 32  # HS256 wants a key as long as its hash (RFC 7518 §3.2)
_LIMITS = Limits()
_BOUNDS = Bounds()


class SettingsError(Exception):
    """Settings nobody can start with. Each line names a setting and what is wrong with it, never a secret's value."""


def _named(name: str, default: Any, description: str, **constraints: Any) -> Any:
    return Field(default, validation_alias=name, description=description, **constraints)


class SecretFiles(PydanticBaseSettingsSource):
    """Reads `NAME` from the file that `NAME_FILE` names, for secrets only."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = environment_name(field)
        path = os.environ.get(f"{name}_FILE")
        if not is_secret(field) or not path:
            return None, name, False
        if os.environ.get(name):
            raise SettingsError(f"{name}: set it or {name}_FILE, not both")
        try:
            return Path(path).read_text(encoding="utf-8").strip(), name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE: cannot be read ({type(error).__name__})") from error

    def __call__(self) -> dict[str, Any]:
        found = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {name: value for value, name, _ in found if value is not None}


class Settings(BaseSettings):
    """What the environment says. Flags of the command line win over it."""

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    # ---- where it listens
    host: str = _named("HOST", "127.0.0.1", "address to listen on")
    port: int = _named("PORT", 8000, "port to listen on; 0 takes a free one", ge=0, le=65535)
    environment: Literal["development", "production"] = _named(
        "TREESYNC_ENV", "development", "`production` refuses whatever is for development only"
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = _named(
        "TREESYNC_ALLOWED_ORIGINS", (), "origins of other sites whose pages may connect, separated by commas"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = _named(
        "TREESYNC_TRUSTED_PROXIES", (), "addresses whose X-Forwarded-For is believed, separated by commas"
    )

    # ---- what it stands on
    database_url: SecretStr | None = _named(
        "DATABASE_URL", None, "PostgreSQL 15 or newer; without it an embedded one is kept in the data directory"
    )
    legacy_database_url: SecretStr | None = _named(
        "LEGACY_DATABASE_URL", None, "PostgreSQL with the table that `treesync import-legacy` reads; asked by it alone"
    )
    redis_url: SecretStr | None = _named(
        "REDIS_URL", None, "Redis 6.2 or newer, or Valkey, between instances; without it there is one instance"
    )
    data_directory: Path = _named("TREESYNC_DATA_DIR", Path(".treesync"), "embedded database and development secret")

    # ---- who may come in
    jwt_secret: SecretStr | None = _named(
        "TREESYNC_JWT_SECRET", None, "key of HS256 tokens, at least 32 bytes; without it a development secret is made"
    )
    jwks_url: str | None = _named("TREESYNC_JWKS_URL", None, "keys of RS, ES and EdDSA tokens (https)")
    jwt_audience: str | None = _named("TREESYNC_JWT_AUDIENCE", None, "`aud` a token must name")
    jwt_issuer: str | None = _named("TREESYNC_JWT_ISSUER", None, "`iss` a token must name")
    operator_token: SecretStr | None = _named(
        "TREESYNC_OPERATOR_TOKEN", None, "credential of `/admin`, `/metrics` and the full `/health`"
    )

    # ---- what it keeps about people
    keep_addresses: Literal["full", "truncated", "off"] = _named(
        "TREESYNC_KEEP_ADDRESSES", "full", "client addresses in activity rows: `full`, `truncated` or `off`"
    )
    activity_months: int = _named(
        "TREESYNC_ACTIVITY_MONTHS", 24, "months of activity kept beside the current one; 0: all", ge=0, le=1200
    )

    # ---- the database pool (spec 002)
    pool_max: int = _named("TREESYNC_POOL_MAX", 20, "database connections at most", ge=2, le=1000)
    pool_min: int = _named("TREESYNC_POOL_MIN", 5, "database connections kept open", ge=1, le=1000)
    pool_idle_seconds: float = _named(
        "TREESYNC_POOL_IDLE_SECONDS", 30.0, "seconds after which an idle connection is closed", gt=0
    )
    connect_seconds: float = _named(
        "TREESYNC_CONNECT_SECONDS", 2.0, "seconds within which a connection must be made", gt=0
    )
    acquire_seconds: float = _named(
        "TREESYNC_ACQUIRE_SECONDS", 60.0, "seconds within which a pooled connection must be had", gt=0
    )
    transaction_pooler: bool = _named(
        "TREESYNC_TRANSACTION_POOLER", False, "the database is behind PgBouncer in transaction mode"
    )
    migrate_on_start: bool = _named("TREESYNC_MIGRATE", True, "`serve` migrates the database; false: it only checks")
    jobs: bool = _named("TREESYNC_JOBS", True, "this instance runs scheduled jobs")

    # ---- limits (told to clients in `welcome`)
    message_bytes: int = _named(
        "TREESYNC_MESSAGE_BYTES", _LIMITS.message_bytes, "bytes of one message on a socket", ge=1024
    )
    edit_ops: int = _named("TREESYNC_EDIT_OPS", _LIMITS.edit_ops, "ops in one edit on a socket", ge=1)
    edit_bytes: int = _named("TREESYNC_EDIT_BYTES", _LIMITS.edit_bytes, "bytes of the body of an HTTP request", ge=1024)
    unanswered_ops: int = _named(
        "TREESYNC_UNANSWERED_OPS", _LIMITS.unanswered_ops, "ops a client may have unanswered", ge=1, le=2000
    )
    value_bytes: int = _named("TREESYNC_VALUE_BYTES", _LIMITS.value_bytes, "bytes of one value of a field", ge=1024)
    resume_ops: int = _named("TREESYNC_RESUME_OPS", _LIMITS.resume_ops, "ops a resume may bring", ge=0)
    trees_per_socket: int = _named(
        "TREESYNC_TREES_PER_SOCKET", _LIMITS.trees_per_socket, "trees one socket may have open", ge=1
    )
    nodes_per_tree: int = _named("TREESYNC_NODES_PER_TREE", _LIMITS.nodes_per_tree, "live nodes of one tree", ge=1)
    depth: int = _named("TREESYNC_DEPTH", _LIMITS.depth, "levels of one tree", ge=1, le=1000)
    sockets: int = _named("TREESYNC_SOCKETS", _BOUNDS.sockets, "sockets of this instance", ge=1)
    sockets_per_user: int = _named("TREESYNC_SOCKETS_PER_USER", _BOUNDS.sockets_per_user, "sockets of one user", ge=1)
    sockets_per_tenant: int = _named(
        "TREESYNC_SOCKETS_PER_TENANT", _BOUNDS.sockets_per_tenant, "sockets of one tenant", ge=1
    )
    sockets_per_address: int = _named(
        "TREESYNC_SOCKETS_PER_ADDRESS", _BOUNDS.sockets_per_address, "sockets of one address", ge=1
    )
    messages_per_second: float = _named(
        "TREESYNC_MESSAGES_PER_SECOND",
        _BOUNDS.connection.messages.per_second,
        "messages a second from one socket; a burst is twice",
        gt=0,
    )
    ops_per_second: float = _named(
        "TREESYNC_OPS_PER_SECOND",
        _BOUNDS.connection.ops.per_second,
        "ops a second from one socket; a burst is twice",
        gt=0,
    )
    tenant_ops_per_second: float = _named(
        "TREESYNC_TENANT_OPS_PER_SECOND",
        _BOUNDS.tenant.ops.per_second,
        "ops a second from one tenant; a burst is twice",
        gt=0,
    )
    drain_seconds: float = _named(
        "TREESYNC_DRAIN_SECONDS", 6.0, "seconds a stopping server takes for what is in flight", gt=0
    )

    # ---- what it says
    log_level: Literal["debug", "info", "warning", "error"] = _named("LOG_LEVEL", "info", "least level that is logged")
    log_format: Literal["auto", "json", "text"] = _named("TREESYNC_LOG_FORMAT", "auto", "`auto`: text on a terminal")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFiles(settings_cls), dotenv_settings

    @field_validator("allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or not parts.hostname or origin != _origin_of(origin):
                raise ValueError("each is an origin such as https://app.example.com, without a path")
        return origins

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("jwt_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"must have at least {SECRET_BYTES} bytes")
        return secret

    @field_validator("operator_token")
    @classmethod
    def _check_operator_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not (token.get_secret_value().isascii() and len(token.get_secret_value()) >= 16):
            raise ValueError("must have at least 16 characters, all of them ASCII")
        return token

    @field_validator("database_url", "legacy_database_url")
    @classmethod
    def _check_database(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, ("postgres", "postgresql"))

    @field_validator("redis_url")
    @classmethod
    def _check_redis(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, ("redis", "rediss", "unix"))

    @field_validator("jwks_url")
    @classmethod
    def _check_jwks(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
                raise ValueError("must be an https URL")
        return url

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        if self.pool_min > self.pool_max:
            raise ValueError("TREESYNC_POOL_MIN: must not exceed TREESYNC_POOL_MAX")
        if self.environment == "production" and self.database_url is None:
            raise ValueError("DATABASE_URL: needed where TREESYNC_ENV is production")
        if self.uses_development_secret and self.environment == "production":
            raise ValueError("TREESYNC_JWT_SECRET: set it, or TREESYNC_JWKS_URL, where TREESYNC_ENV is production")
        if self.uses_development_secret and not is_loopback(self.host):
            raise ValueError(
                "HOST: beyond loopback only with TREESYNC_JWT_SECRET or TREESYNC_JWKS_URL; "
                "the development secret is for this machine"
            )
        return self

    @property
    def uses_development_secret(self) -> bool:
        """Whether nobody has said how tokens are signed."""
        return self.jwt_secret is None and self.jwks_url is None

    @property
    def limits(self) -> Limits:
        """The share of the settings that clients are told."""
        return Limits(**{name: getattr(self, name) for name in Limits.__struct_fields__})


def read_settings(**overrides: Any) -> Settings:
    """The settings of this process; `overrides` are field names, from the command line. Raises SettingsError."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error))) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _with_scheme(url: SecretStr | None, schemes: Iterable[str]) -> SecretStr | None:
    if url is not None and urlsplit(url.get_secret_value()).scheme not in schemes:
        raise ValueError(f"must be a URL beginning with {' or '.join(f'{scheme}:' for scheme in schemes)}")
    return url


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def environment_name(field: FieldInfo) -> str:
    """The variable a field is read from."""
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else cast(str, alias)


def is_secret(field: FieldInfo) -> bool:
    """Whether its value may never be shown."""
    return "SecretStr" in str(field.annotation)


def _complaints(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(message)
            continue
        place = str(problem["loc"][0])
        field = Settings.model_fields.get(place)
        lines.append(f"{environment_name(field) if field else place}: {message[0].lower()}{message[1:]}")
    return lines
