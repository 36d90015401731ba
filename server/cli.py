"""The one list of commands. Each is imported when it is asked for, so that `treesync token` starts quickly."""

from __future__ import annotations

from cyclopts import App

from server.release import release


class CommandFailed(Exception):
    """A command could not do what it was asked; the text is for the person who asked."""


# name -> where its function is, and its line in the list. The function's docstring is its help, its parameters are the
# flags.
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("server.cli_serve:serve", "Serve trees, here or to the world."),
    "migrate": ("server.cli_database:migrate", "Bring the database to this release's schema, or check it."),
    "check": ("server.cli_check:check", "See whether all rows are as they should be, and mend what can be."),
    "import-legacy": ("server.cli_legacy:import_legacy", "Make trees of the rows of an old table."),
    "jobs": ("server.cli_jobs:jobs", "List scheduled jobs, run one, or see what ran."),
    "demo": ("server.cli_clients:demo", "Make the demo tree on a running server."),
    "load": ("server.cli_clients:load", "Drive many clients against a running server."),
    "token": ("server.cli_tools:token", "Print a token."),
    "health": ("server.cli_tools:health", "Ask a running server how it is."),
    "config": ("server.cli_tools:config", "Print the settings in force."),
}


def build_cli() -> App:
    """The command line `treesync`."""
    cli = App(name="treesync", help="Several people edit one impact tree, live.", version=release())
    for name, (place, line) in COMMANDS.items():
        cli.command(place, name=name, help=line)
    return cli
