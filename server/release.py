"""Which release this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The installed version; `unreleased` where the checkout was never installed."""
    try:
        return version("treesync")
    except PackageNotFoundError:
        return "unreleased"
