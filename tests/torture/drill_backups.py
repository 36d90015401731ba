"""A rehearsal of docs/operations.md: backups by PostgreSQL's own programs, restored while people are ahead of them."""

from __future__ import annotations

import time

from tests.torture.backups import Backup, BaseBackup, Dump, PointInTime
from tests.torture.report import Report, spread
from tests.torture.restoring import restore
from tests.torture.stage import staged


async def rehearsal(times: int, seed: int) -> Report:
    """Each kind of backup so many times, in turn."""
    wrong: list[str] = []
    ops, taken = 0, dict[str, list[float]]()
    for number in range(times):
        async with staged() as stage:
            kinds: list[Backup] = [Dump(stage), BaseBackup(stage), PointInTime(stage)]
            for kind in kinds:
                if isinstance(kind, PointInTime):
                    await kind.begin()
                    await stage.calm()
                began = time.monotonic()
                told = await restore(stage, seed + number, backup=kind)
                name = type(kind).__name__
                taken.setdefault(f"{name} made", []).append(kind.made)
                taken.setdefault(f"{name} restored", []).append(kind.restored)
                taken.setdefault(f"{name} in all", []).append(time.monotonic() - began)
                wrong += [f"{name}: {one}" for one in told.wrong]
                ops += told.ops
    figures: dict[str, float] = {}
    for name, seconds in taken.items():
        figures |= spread(name, seconds) if times > 1 else {name: seconds[0]}
    return Report(times=3 * times, ops=ops, figures=figures, wrong=wrong)
