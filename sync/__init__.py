"""The product: tree, ops, judgement, room, hub and protocol. No I/O library below this package's ports."""
