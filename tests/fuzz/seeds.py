"""The inputs of each target, without end."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from server.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.fuzz.corpus import as_json, everything, message
from tests.fuzz.mutate import encoded, hostile, mutated_bytes
from tests.sockets import client_frame

_OPCODES = (TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE, 3, 11)


def seeds(target: str) -> list[bytes]:
    """Good inputs, for a fuzzer that finds its own way from there."""
    chance = Random(0)
    if target == "frames":
        return [client_frame(as_json(one)) for one in everything()] + [client_frame(b"", opcode) for opcode in _OPCODES]
    return [encoded(one, chance, binary=target == "msgpack") for one in everything()]


def inputs(target: str, seed: int) -> Iterator[bytes]:
    """Hostile inputs."""
    chance = Random(f"{target} {seed}")
    while True:
        if target == "frames":
            yield frame_run(chance)
        else:
            yield hostile(message(chance), chance, binary=target == "msgpack")


def frame_run(chance: Random) -> bytes:
    """A few frames, good and bad, as they could come in one read."""
    data = b""
    for _ in range(chance.randint(1, 4)):
        payload = hostile(message(chance), chance, binary=chance.random() < 0.3)[
            : chance.choice((0, 10, 125, 126, 70_000))
        ]
        frame = client_frame(
            payload,
            chance.choice((TEXT, TEXT, BINARY, *_OPCODES)),
            masked=chance.random() < 0.97,
            first=chance.choice((0x80, 0x80, 0x80, 0, 0xC0, 0x90)),
        )
        data += mutated_bytes(frame, chance, 1) if chance.random() < 0.3 else frame
    return data
