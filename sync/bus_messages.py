"""What instances tell each other about a tree. Hints all of them: the database has the truth (P4)."""

from __future__ import annotations

from typing import Literal

import msgspec

from sync.conflict_records import ConflictRecord
from sync.errors import BadMessage
from sync.protocol import ParticipantView
from sync.versions import TreeVersion


class CommitShared(msgspec.Struct, tag="commit", kw_only=True):
    """One commit. `frame` is its `ops` message in JSON, as every JSON socket gets it; empty where no op was applied.

    `commit` and `conflicts` are the head's after it, `rights` the version of the rights, counters (user, client, n),
    `records` the conflict records that it opened or changed; `large`: they are more than a message should hold, and
    are read from the database.
    """

    epoch: str
    commit: int
    conflicts: int
    rights: int
    frame: bytes
    counters: list[tuple[str, str, int]]
    records: list[ConflictRecord] = []
    large: bool = False


class PresenceShared(msgspec.Struct, tag="presence", kw_only=True):
    """Everyone who is in the room at one instance. Repeated, so that a dead instance's people fade."""

    instance: str
    participants: list[ParticipantView]


class VersionShared(msgspec.Struct, tag="version", kw_only=True):
    """A version was kept or named; without its state."""

    version: TreeVersion


class Control(msgspec.Struct, tag="control", kw_only=True):
    """`rights`: read them again; the others carry out what an operator asked for, `claim` that a client_id moved."""

    do: Literal["rights", "resync", "kick", "claim"]
    participant: str = ""
    user: str = ""
    client: str = ""
    instance: str = ""
    since: float = 0.0  # when the claiming socket was welcomed there, in seconds since the epoch of Unix


BusMessage = CommitShared | PresenceShared | VersionShared | Control

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[BusMessage] = msgspec.msgpack.Decoder(BusMessage)


def encode(message: BusMessage) -> bytes:
    return _encoder.encode(message)


def decode(payload: bytes) -> BusMessage:
    """Raises BadMessage: another version's, or nobody's."""
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadMessage(f"not a bus message: {error}") from error
