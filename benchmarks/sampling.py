"""Where the CPU of a running server goes: stacks taken by py-spy, with the names of this machine's folders left out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.machine import LOAD_CORE, pin

RATE = 250  # stacks a second: with the native frames each pauses the server for about a millisecond
Stack = tuple[str, ...]  # outermost first; a frame is "name (file:line)"

_FRAME = re.compile(r"^(?P<name>.*) \((?P<place>[^()]*)\)$")
_INSTALLED = re.compile(r"^.*/(?:site-packages|lib/python3\.\d+)/")
_LINE = re.compile(r":\d+$")
_ADDRESS = re.compile(r"^0x[0-9a-f]+$")  # of a function without a symbol: another one in each process
_POLLING = ("epoll_wait", "epoll_pwait", "uv__io_poll")


def record(pid: int, seconds: float) -> Counter[Stack]:
    """What the process was at, whenever it was at something. Raises RuntimeError where it cannot be looked at: that
    takes the right to trace processes (root, or kernel.yama.ptrace_scope = 0)."""
    with tempfile.TemporaryDirectory(prefix="treesync-spy-") as folder:
        raw = Path(folder) / "raw"
        command = [str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(pid), "--native"]
        command += ["--rate", str(RATE), "--duration", str(max(round(seconds), 1)), "--format", "raw"]
        done = subprocess.run(
            [*command, "--output", str(raw)],
            preexec_fn=lambda: pin(LOAD_CORE),
            capture_output=True,
            timeout=seconds + 60,
            check=False,
        )
        if done.returncode != 0 or not raw.exists():
            raise RuntimeError(f"py-spy: {done.stderr.decode(errors='replace').strip()[-500:]}")
        return folded(raw.read_text(encoding="utf-8").splitlines(), Path.cwd())


def folded(lines: Iterable[str], checkout: Path) -> Counter[Stack]:
    """The stacks of py-spy's raw format: frames joined by semicolons, a space, a count."""
    stacks: Counter[Stack] = Counter()
    for line in lines:
        frames, _, count = line.rpartition(" ")
        stack = tuple(scrubbed(frame, checkout) for frame in frames.split(";"))
        if frames and not waits(stack):
            stacks[stack] += int(count)
    return stacks


def waits(stack: Stack) -> bool:
    """Whether there is nothing to do, for the loop or for a thread of a pool: with native frames py-spy takes both for
    work."""
    called = next((frame for frame in reversed(stack) if frame.endswith(".py)")), "")
    return stack[-1].startswith(_POLLING) or called == "_worker (concurrent/futures/thread.py)"


def scrubbed(frame: str, checkout: Path) -> str:
    """A frame without its line and without the folders of this machine."""
    found = _FRAME.match(frame)
    if found is None:
        return frame
    place = _LINE.sub("", found["place"]).removeprefix(f"{checkout}{os.sep}")
    place = _INSTALLED.sub("", place)
    if place.startswith("/"):
        place = place.rsplit("/", 1)[1]
    return f"{_ADDRESS.sub('native code', found['name'])} ({place})"
