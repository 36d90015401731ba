"""A client written from WIRE and PROTOCOL.md, independent of `treesync_client`: a socket that comes back, and one copy
of each tree it has open, with its queue (`copies.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.codec import Codec
from sync.identity import Identity
from tests.simulation.copies import Copy
from tests.simulation.network import Connection
from tests.simulation.replica import Record

if TYPE_CHECKING:
    from tests.simulation.world import World

FIRST_WAIT_SECONDS = 0.25  # [RP8], with a cap that keeps simulated time short
LONGEST_WAIT_SECONDS = 2.0


class Client:
    """`viewer`: has never had the right to edit, and tries."""

    def __init__(
        self, world: World, name: str, identity: Identity, trees: list[int], codec: Codec, *, viewer: bool = False
    ) -> None:
        self.world = world
        self.name = name
        self.identity = identity
        self.key = (identity.user, name)
        self.viewer = viewer
        self.connection: Connection | None = None
        self.copies = {tree: Copy(self, tree) for tree in trees}
        self.times_replaced = 0
        self._codec = codec
        self._failures = 0
        self._coming = False
        self._away_until = 0.0
        self._refs = 0

    def next_ref(self) -> int:
        self._refs += 1
        return self._refs

    # ---- the socket

    def come(self, wait: float = 0.0) -> None:
        """Connect to any instance, after a wait."""
        if not self._coming:
            self._coming = True
            away = max(self._away_until - self.world.loop.time(), 0.0)
            self.world.loop.call_later(wait + away, self._connect)

    def stay_away(self, seconds: float) -> None:
        """Be without network for so long; its person goes on working."""
        self._away_until = self.world.loop.time() + seconds
        self.hang_up()

    def come_back(self) -> None:
        """The network is there again."""
        self._away_until = 0.0
        if self._coming:
            self._connect()

    def _connect(self) -> None:
        if not self._coming:
            return
        self._coming = False
        instance = self.world.any_instance()
        if instance is None:
            self.come(self._backoff())
            return
        self.connection = Connection(self.world, self, instance, self._codec)
        self.connection.welcome(self.identity, self.name)
        for copy in self.copies.values():
            copy.open(self.connection)

    def _backoff(self) -> float:
        self._failures = min(self._failures + 1, 8)
        longest: float = min(FIRST_WAIT_SECONDS * 2**self._failures, LONGEST_WAIT_SECONDS)
        return self.world.random.random() * longest

    def lost(self, connection: Connection) -> None:
        """The socket is gone: come back."""
        if connection is self.connection:
            self.connection = None
            for copy in self.copies.values():
                copy.disconnected()
            self.come(self._backoff())

    def hang_up(self, server_later: float = 0.0, client_later: float = 0.0) -> None:
        if self.connection is not None:
            self.connection.cut(server_later, client_later)

    # ---- messages

    def receive(self, connection: Connection, message: Record) -> None:
        if connection is not self.connection:
            return
        kind = message["type"]
        if kind == "notice" and message["code"] == "replaced":
            self.times_replaced += 1
            self.hang_up()
        elif kind == "notice" and "tree" not in message:
            return  # the server is draining: its socket will close
        elif "tree" in message:
            self._failures = 0
            self.copies[message["tree"]].receive(message)
        else:
            assert kind in ("error", "pong"), message
            assert kind != "error" or message["code"] == "bad_message", message

    @property
    def settled(self) -> bool:
        heard = self.connection is None or self.connection.idle
        return heard and all(copy.settled for copy in self.copies.values())
