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
from treesync_client.errors import Disconnected, Rejected
from treesync_client.link.keeper import Token
from treesync_client.results import Answer, Change, Conflict, Landed, Replaced
from treesync_client.tree import LiveTree

__all__ = [
    "Answer",
    "Change",
    "Client",
    "ClientFault",
    "Conflict",
    "Connected",
    "Connection",
    "Details",
    "Disconnected",
    "Forbidden",
    "ImportedConnection",
    "ImportedNode",
    "Landed",
    "LiveTree",
    "Lost",
    "Node",
    "NodeType",
    "NotFound",
    "Point",
    "Rejected",
    "Replaced",
    "ServerFault",
    "Token",
    "TooMany",
    "TreesyncError",
    "Unauthorised",
    "Unavailable",
    "connect",
]
