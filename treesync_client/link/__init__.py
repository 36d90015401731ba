"""The client's I/O: a WebSocket, and HTTP for what is too large for one."""
