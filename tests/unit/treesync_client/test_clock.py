"""A clock that is a year off changes nothing: the client asks none. Waits are the loop's, which no one can set."""

from __future__ import annotations

from tests.test_architecture import calls, files, imports, name_of


def test_the_client_does_not_ask_for_the_time() -> None:
    """[HS8] A token's life is taken from the server's own two times (`Keeper._refresh_later`)."""
    knowing = [
        f"{name_of(path)}:{line} imports {module}"
        for path in files("treesync_client")
        for line, module in imports(path)
        if module == "time"
    ]
    knowing += [
        f"{name_of(path)}:{node.lineno} asks for the time"
        for path in files("treesync_client")
        for node, called in calls(path)
        if called in {"now", "utcnow", "today", "monotonic"}
    ]
    assert knowing == []
