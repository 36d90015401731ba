"""From one instance to many: the arithmetic of sockets and edits, and a simulation that checks it."""
