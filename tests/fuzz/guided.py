"""One reader under atheris, which follows what input makes run: `python -m tests.fuzz.guided json CORPUS -runs=9`."""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["server.frames", "sync.codec", "sync.untyped", "msgpack"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    run = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
