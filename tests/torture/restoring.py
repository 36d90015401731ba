"""The schedule of a restored backup: the database goes back to an earlier point while people are ahead of it (P8).

What was acknowledged after the backup is gone with it, as an operator knows who restores one. Everything else must
hold: whoever was ahead is told so, nothing is merged in silence, what had no answer is sent again, and what was
acknowledged before the backup is there.
"""

from __future__ import annotations

import asyncio
from random import Random

from tests.torture.backups import Backup, BaseBackup, PointInTime
from tests.torture.befalling import FAULTS, befall
from tests.torture.peer import Peer
from tests.torture.play import Play
from tests.torture.schedule import Told, told
from tests.torture.stage import Stage
from tests.waiting import until

BACKED_UP, RESTORED = "a backup is made", "the backup is restored"


async def restore(stage: Stage, seed: int, *, ops: int = 300, backup: Backup | None = None) -> Told:
    """Edit, back up, edit on with a fault, restore as docs/operations.md says (stop all, restore, start), edit on."""
    chance = Random(f"{seed}:restore")
    kept = backup or BaseBackup(stage)
    async with await Play.make(stage, seed) as play:
        hands = asyncio.create_task(play.edit(ops), name="hands")
        await asyncio.sleep(1 + chance.random())
        await kept.make()
        befell = [BACKED_UP, *await befall(stage, 1, sorted(FAULTS), chance)]
        if isinstance(kept, PointInTime):
            await kept.mark()
        ahead = await _go_back(stage, play, kept)
        befell.append(RESTORED)
        await hands
        await play.settle()
        wrong = await play.judge()
        wrong += [
            f"P8: {peer.client} took the restored log for the one it knew" for peer in ahead if not peer.told_of_restore
        ]
    return told(seed, befell, [play], wrong)


async def _go_back(stage: Stage, play: Play, kept: Backup) -> list[Peer]:
    """Stop all, restore, start; who was ahead of what was restored."""
    await asyncio.gather(*(instance.kill() for instance in stage.instances))
    await until(lambda: not any(peer.connected for peer in play.everyone), "all have lost their lines")
    await kept.restore()
    end = max(row.seq for row in await stage.log(play.history.tree))
    play.history.goes_back_to(end)
    ahead = [peer for peer in play.everyone if peer.position is not None and peer.position["seq"] > end]
    await asyncio.gather(*(instance.start() for instance in stage.instances))
    return ahead
