"""The bar of a long command: on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Step = Callable[[int, str], None]


@contextmanager
def progress(total: int) -> Iterator[Step]:
    """Answers what moves the bar on, by how much and with what said beside it."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, disable=hidden, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("", total=total, told="")
        yield lambda advance, told: bar.update(task, advance=advance, told=told)
