"""The Python client of treesync: a live tree to read, edit and follow, with exact resume and durable answers."""

from sync.errors import (
    ClientFault,
    Forbidden,
    NotFound,
    ServerFault,
    TooMany,
    TreesyncError,
    Unauthorised,
    Unavailable,
)
from sync.nodes import Connection, Details, Node, NodeType, Point
from sync.ops import ImportedConnection, ImportedNode
from treesync_client.client import Client, Connected, Lost, connect
from treesync_client.errors import Disconnected, Rejected, StoreFailed, StoreInUse, StoreOfAnother
from treesync_client.link.keeper import Token
from treesync_client.report import Report, Reported
from treesync_client.results import Answer, Change, Conflict, Landed, Replaced, Trashed, Unstored
from treesync_client.store.file import KeptAside
from treesync_client.store.kept import Copied
from treesync_client.tree import LiveTree

__all__ = [
    "Answer",
    "Change",
    "Client",
    "ClientFault",
    "Conflict",
    "Connected",
    "Connection",
    "Copied",
    "Details",
    "Disconnected",
    "Forbidden",
    "ImportedConnection",
    "ImportedNode",
    "KeptAside",
    "Landed",
    "LiveTree",
    "Lost",
    "Node",
    "NodeType",
    "NotFound",
    "Point",
    "Rejected",
    "Replaced",
    "Report",
    "Reported",
    "ServerFault",
    "StoreFailed",
    "StoreInUse",
    "StoreOfAnother",
    "Token",
    "TooMany",
    "Trashed",
    "TreesyncError",
    "Unauthorised",
    "Unavailable",
    "Unstored",
    "connect",
]
