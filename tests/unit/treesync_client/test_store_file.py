"""That one file is all of a queue, at every moment: renamed or copied by itself it has everything."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from sync import ops
from tests.mini_server import MiniServer
from tests.opened_trees import entered
from treesync_client.drafts import Drafts
from treesync_client.store.kept import KeptEntry, Store, Writing


def writing(store: Store, place: int) -> Writing:
    op = ops.Delete(n=1, base=0, node=f"n{place}")
    return Writing(store.tree(7), entries=[KeptEntry(place=place, n=None, mode="live", op=op)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


def places(path: Path) -> list[int]:
    store = Store.open(path)
    store.close()
    return [entry.place for entry in store.trees[7].entries]


def test_what_is_stored_is_in_the_file_by_itself(path: Path) -> None:
    """[RP9] Its process is killed, and the file renamed, or copied without what lies beside it."""
    store = Store.open(path)
    store.write(writing(store, 1))
    store.write(writing(store, 2))
    alone = path.with_name("alone.db")
    shutil.copy(path, alone)
    store.close()
    assert places(alone) == [1, 2]


def test_a_log_that_is_left_by_a_crash_is_read_once(path: Path) -> None:
    """[RP9] A file whose queue is in a write-ahead log beside it, as SQLite's other programs leave it."""
    store = Store.open(path)
    store.write(writing(store, 1))
    store.close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("UPDATE queue SET place = 5")
    other.commit()
    crashed = path.with_name("crashed.db")
    for tail in ("", "-wal"):
        shutil.copy(path.with_name(path.name + tail), crashed.with_name(crashed.name + tail))
    other.close()
    store = Store.open(crashed)
    store.write(writing(store, 6))
    assert [place for (place,) in store.file.rows("SELECT place FROM queue")] == [5, 6]
    assert not crashed.with_name("crashed.db-wal").exists()
    store.close()


def test_a_save_looks_at_the_queue_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[RP9] And not once for each of the deltas in it."""
    client = entered(MiniServer())
    nodes = [ops.ImportedNode(id=f"n{number}", type="metric", title="T") for number in range(20)]
    client.edit(ops.Import(n=1, base=0, nodes=nodes))
    client.settle()
    store = Store.open(path)
    client.tree.keep(store)
    client.cut()
    for node in nodes:
        client.edit(ops.Text(n=1, base=1, node=node.id, path="description", delta=["x"]))
    looks: list[str] = []
    looked = Drafts.look

    def look(drafts: Drafts) -> None:
        looks.append("look")
        looked(drafts)

    monkeypatch.setattr(Drafts, "look", look)
    assert client.tree.save()
    assert len(looks) == 1
    assert store.file.rows("SELECT count(*) FROM queue") == [(20,)]
    store.close()
