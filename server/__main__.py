"""`treesync`, or `python -m server`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from server.cli import CommandFailed, build_cli
from server.settings import SettingsError
from sync.errors import TreesyncError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. What the user can mend is told in a line or two, without a traceback."""
    try:
        build_cli()(sys.argv[1:] if arguments is None else list(arguments))
    except SettingsError as error:
        _stop(f"these settings cannot be used:\n{error}")
    except CommandFailed as error:
        _stop(str(error))
    except TreesyncError as error:
        _stop(error.why)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or flushing at exit would raise it again
        sys.exit(141)  # 128 + SIGPIPE: whoever read the output has seen enough
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells expect


def _stop(why: str) -> None:
    print(f"treesync: {why}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
