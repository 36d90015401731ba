"""Telling a file from its copy: two copies of a queue under one client_id would give the same number to two ops.

A file knows the inode it was made as, on which device, under which path, on which machine. A copy has another inode; a
renamed file keeps inode and device; after a restart the device may have another number (overlay, network and some
other file systems), but not the path. What this cannot see, a disk that is cloned or taken back to an older state,
shows at the server: it has used numbers that this queue never gave, and the queue takes a new client_id (SEMANTICS 11).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from sync.codec import JSON

_MACHINE = Path("/etc/machine-id")


class FileIdentity(msgspec.Struct, frozen=True, kw_only=True):
    inode: int
    device: int
    path: str
    machine: str = ""

    def is_original(self, now: FileIdentity) -> bool:
        """Whether the file that is `now` is the one this was written into."""
        same_place = self.device == now.device or self.path == now.path
        return self.inode == now.inode and self.machine == now.machine and same_place


def identity_of(path: Path) -> FileIdentity:
    """Raises OSError."""
    found = os.stat(path)
    machine = ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        machine = _MACHINE.read_text().strip()
    return FileIdentity(inode=found.st_ino, device=found.st_dev, path=str(path.resolve()), machine=machine)


def written(identity: FileIdentity) -> str:
    return JSON.encode_value(identity).decode()
