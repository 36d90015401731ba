"""`requirements.lock`: the exact versions the tests passed with, as constraints for pip."""

from __future__ import annotations

from supply.installed import asked, installed

HEAD = """\
# The exact versions of everything the project may install, with the extra `dev`, on Linux with Python 3.11.3 or newer.
# Made by `make lock`. They are constraints: pip install --constraint requirements.lock '.[local]'
"""


def lock() -> str:
    """The whole file."""
    parts = installed(asked("dev"))
    return HEAD + "".join(f"{name}=={part.distribution.version}\n" for name, part in sorted(parts.items()))
