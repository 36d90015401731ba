"""The baseline: a plain Starlette relay that loops `await websocket.send_bytes` over its clients and stores nothing."""

from __future__ import annotations

from collections import defaultdict

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

ROOMS: dict[str, set[WebSocket]] = defaultdict(set)


async def relay(websocket: WebSocket) -> None:
    room = ROOMS[websocket.path_params["room"]]
    await websocket.accept()
    room.add(websocket)
    try:
        while True:
            data = await websocket.receive_bytes()
            for other in list(room):
                await other.send_bytes(data)
    except WebSocketDisconnect:
        pass
    finally:
        room.discard(websocket)


app = Starlette(routes=[WebSocketRoute("/{room}", relay)])
