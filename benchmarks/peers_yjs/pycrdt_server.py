"""pycrdt-websocket as its documentation starts it, on uvicorn with the settings of the relay; stores nothing."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from pycrdt.websocket import ASGIServer, WebsocketServer  # type: ignore[import-not-found]  # of the peers alone


async def main(port: int) -> None:
    async with WebsocketServer(auto_clean_rooms=False) as rooms:
        config = uvicorn.Config(
            ASGIServer(rooms), port=port, ws="websockets-sansio", log_level="warning", ws_per_message_deflate=False
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    import uvloop

    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main(int(sys.argv[1])))
