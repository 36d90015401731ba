"""The settings as people see them: the README's table, what `treesync config` prints, slips of the pen."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from server.settings import Settings, environment_name, is_secret


def unknown_names(environment: Mapping[str, str]) -> list[str]:
    """TREESYNC_* variables that no setting reads: most often a slip of the pen, worth a warning."""
    known = {name for field in Settings.model_fields.values() for name in _spellings(field)}
    return sorted(name for name in environment if name.startswith("TREESYNC_") and name not in known)


def settings_table() -> str:
    """The settings as the README's Markdown table."""
    lines = ["| setting | default | what |", "|---|---|---|"]
    lines += [
        f"| `{environment_name(field)}` | {_shown_default(field)} | {field.description} |"
        for field in Settings.model_fields.values()
    ]
    return "\n".join(lines) + "\n"


def effective(settings: Settings) -> dict[str, str]:
    """What is in force, by the environment's names, secrets masked."""
    shown: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown[environment_name(field)] = "(set)"
        else:
            shown[environment_name(field)] = (
                ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
            )
    return shown


def _spellings(field: FieldInfo) -> list[str]:
    name = environment_name(field)
    return [name, f"{name}_FILE"] if is_secret(field) else [name]


def _shown_default(field: FieldInfo) -> str:
    match field.default:
        case None | ():
            return ""
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case float() as number if number.is_integer():
            return f"`{int(number)}`"
        case default:
            return f"`{default}`"


if __name__ == "__main__":
    sys.stdout.write(settings_table())
