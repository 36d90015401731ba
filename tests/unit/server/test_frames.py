"""The frame parser and writer against RFC 6455, section by section; `websockets` is the independent oracle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri
from websockets.utils import apply_mask

from server.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INVALID_TEXT,
    NO_STATUS,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    VIOLATION,
    Event,
    FrameParser,
    close_frame,
    frame,
    unmask,
)

LIMIT = 70_000
SIZES = [0, 1, 2, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537]
MASK = b"\x12\x34\x56\x78"


def oracle() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://test/"), state=State.OPEN, max_size=None)


def sent(client: ClientProtocol) -> bytes:
    return b"".join(client.data_to_send())


def raw(first: int, payload: bytes = b"", *, length: bytes | None = None, masked: bool = True) -> bytes:
    """A client's frame, every bit of which may be wrong."""
    size = len(payload)
    if length is None:
        if size < 126:
            length = bytes([size])
        elif size < 65_536:
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
    head = bytes([first, length[0] | (0x80 if masked else 0)]) + length[1:]
    return head + (MASK + apply_mask(payload, MASK) if masked else payload)


def parse(data: bytes, limit: int = LIMIT) -> list[Event]:
    return FrameParser(limit).feed(data)


def parse_split(data: bytes, cuts: list[int], limit: int = LIMIT) -> list[Event]:
    parser, events, start = FrameParser(limit), [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        events += parser.feed(data[start:cut])
        start = cut
    return events


def violation(data: bytes, limit: int = LIMIT) -> int:
    """The code with which a connection fails; the same whether the bytes come at once or one by one."""
    at_once = parse(data, limit)[-1]
    parser = FrameParser(limit)
    one_by_one = [event for byte in data for event in parser.feed(bytes([byte]))][-1]
    assert at_once == one_by_one
    assert at_once.opcode == VIOLATION
    return at_once.code


# ---- §5.2 base framing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_5_2_every_length_form_is_read(size: int, opcode: int) -> None:
    payload = b"x" * size
    client = oracle()
    client.send_text(payload) if opcode == TEXT else client.send_binary(payload)
    data = sent(client)
    assert parse(data) == [Event(opcode, payload)]
    assert parse_split(data, [1, 2, 3, 5, 9, 13, 14, 15]) == [Event(opcode, payload)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_5_2_every_length_form_is_written_in_the_fewest_bytes(size: int, opcode: int) -> None:
    payload = b"y" * size
    data = frame(payload, opcode)
    assert len(data) - size == (2 if size < 126 else 4 if size < 65_536 else 10)
    client = oracle()
    client.receive_data(data)
    assert client.events_received() == [Frame(Opcode(opcode), payload)]


@pytest.mark.parametrize("bit", [0x40, 0x20, 0x10, 0x70])
def test_5_2_reserved_bits_fail_the_connection(bit: int) -> None:
    assert violation(raw(0x80 | bit | TEXT, b"x")) == PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
def test_5_2_reserved_opcodes_fail_the_connection(opcode: int) -> None:
    assert violation(raw(0x80 | opcode, b"x")) == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "length",
    [
        b"\x7e" + (125).to_bytes(2, "big"),
        b"\x7f" + (125).to_bytes(8, "big"),
        b"\x7f" + (65_535).to_bytes(8, "big"),
        b"\x7f" + (2**63).to_bytes(8, "big"),
    ],
)
def test_5_2_a_length_is_minimal_and_its_highest_bit_is_zero(length: bytes) -> None:
    payload = b"x" * min(int.from_bytes(length[1:], "big"), LIMIT)
    assert violation(raw(0x80 | TEXT, payload, length=length)) == PROTOCOL_ERROR


# ---- §5.1, §5.3 masking -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE])
@pytest.mark.parametrize("size", [0, 5, 125])
def test_5_1_an_unmasked_frame_fails_the_connection(opcode: int, size: int) -> None:
    assert violation(raw(0x80 | opcode, b"x" * size, masked=False)) == PROTOCOL_ERROR


def test_5_1_an_unmasked_frame_of_six_bytes_and_more_is_not_taken_by_the_fast_path() -> None:
    assert violation(raw(0x80 | TEXT, b"x" * 200, masked=False)) == PROTOCOL_ERROR


def test_5_1_what_the_server_writes_is_not_masked() -> None:
    assert frame(b"abc", TEXT) == b"\x81\x03abc"


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_5_3_masking_is_the_oracles(payload: bytes, mask: bytes) -> None:
    assert unmask(payload, mask) == apply_mask(payload, mask)


# ---- §5.4 fragmentation -----------------------------------------------------------------------------------------


def test_5_4_fragments_come_as_one_message() -> None:
    data = raw(TEXT, b"he") + raw(CONTINUATION, b"l") + raw(CONTINUATION) + raw(0x80 | CONTINUATION, b"lo")
    assert parse(data) == [Event(TEXT, b"hello")]


def test_5_4_control_frames_may_stand_between_fragments() -> None:
    data = raw(BINARY, b"a") + raw(0x80 | PING, b"p") + raw(0x80 | CONTINUATION, b"b")
    assert parse(data) == [Event(PING, b"p"), Event(BINARY, b"ab")]


def test_5_4_a_message_follows_a_fragmented_one() -> None:
    parser = FrameParser(LIMIT)
    assert parser.feed(raw(TEXT, b"a")) == []
    assert parser.feed(raw(0x80 | CONTINUATION, b"b")) == [Event(TEXT, b"ab")]
    assert parser.feed(raw(0x80 | BINARY, b"c")) == [Event(BINARY, b"c")]


@pytest.mark.parametrize("final", [0, 0x80])
def test_5_4_nothing_to_continue_fails_the_connection(final: int) -> None:
    assert violation(raw(final | CONTINUATION, b"x")) == PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("final", [0, 0x80])
def test_5_4_a_new_message_inside_a_fragmented_one_fails_the_connection(opcode: int, final: int) -> None:
    assert violation(raw(TEXT, b"a") + raw(final | opcode, b"bcdef")) == PROTOCOL_ERROR


# ---- §5.5 control frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_5_5_a_fragmented_control_frame_fails_the_connection(opcode: int) -> None:
    assert violation(raw(opcode, b"")) == PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [126, 65_536])
def test_5_5_a_control_frame_over_125_bytes_fails_the_connection(opcode: int, size: int) -> None:
    assert violation(raw(0x80 | opcode, b"x" * size)) == PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [PING, PONG])
@pytest.mark.parametrize("size", [0, 1, 125])
def test_5_5_2_and_3_pings_and_pongs_come_with_their_payload(opcode: int, size: int) -> None:
    assert parse(raw(0x80 | opcode, b"\xff" * size)) == [Event(opcode, b"\xff" * size)]


def test_5_5_2_a_pong_written_here_answers_the_oracles_ping() -> None:
    client = oracle()
    client.send_ping(b"are you there")
    (event,) = parse(sent(client))
    client.receive_data(frame(event.payload, PONG))
    assert client.events_received() == [Frame(Opcode.PONG, b"are you there")]


def test_5_5_1_an_empty_close_has_no_status() -> None:
    assert parse(raw(0x80 | CLOSE)) == [Event(CLOSE, b"", NO_STATUS)]


def test_5_5_1_a_close_of_one_byte_fails_the_connection() -> None:
    assert violation(raw(0x80 | CLOSE, b"\x03")) == PROTOCOL_ERROR


def test_5_5_1_a_close_reason_must_be_utf_8() -> None:
    assert violation(raw(0x80 | CLOSE, b"\x03\xe8\xff")) == INVALID_TEXT


def test_5_5_1_nothing_is_read_after_a_close() -> None:
    parser = FrameParser(LIMIT)
    assert parser.feed(raw(0x80 | CLOSE) + raw(0x80 | TEXT, b"late")) == [Event(CLOSE, b"", NO_STATUS)]
    assert parser.feed(raw(0x80 | TEXT, b"later")) == []
    assert parser.over


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999])
def test_7_4_codes_that_may_be_sent(code: int) -> None:
    client = oracle()
    client.send_close(code, "why ß")
    assert parse(sent(client)) == [Event(CLOSE, "why ß".encode(), code)]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
def test_7_4_codes_that_may_not_be_sent(code: int) -> None:
    assert violation(raw(0x80 | CLOSE, code.to_bytes(2, "big"))) == PROTOCOL_ERROR


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4401, "the token has expired"), (1009, "ß" * 40)])
def test_7_1_2_a_close_written_here_is_the_oracles(code: int, reason: str) -> None:
    client = oracle()
    client.receive_data(close_frame(code, reason))
    assert (client.close_rcvd.code, client.close_rcvd.reason) == (code, reason)  # type: ignore[union-attr]


@pytest.mark.parametrize("reason", ["x" * 500, "ß" * 100, "x" + "€" * 80, "👍" * 60])
def test_5_5_1_a_long_reason_is_cut_between_characters(reason: str) -> None:
    data = close_frame(4400, reason)
    client = oracle()
    client.receive_data(data)
    assert len(data) <= 127
    assert client.close_rcvd is not None
    assert reason.startswith(client.close_rcvd.reason)
    assert len(client.close_rcvd.reason.encode()) > 119


def test_5_5_1_an_empty_close_is_written_for_no_status() -> None:
    assert close_frame(NO_STATUS) == b"\x88\x00"


# ---- §8.1 text --------------------------------------------------------------------------------------------------

BAD_TEXT = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"ok \xe2\x82", b"\x80"]


@pytest.mark.parametrize("payload", BAD_TEXT)
def test_8_1_text_that_is_no_utf_8_fails_the_connection(payload: bytes) -> None:
    assert violation(raw(0x80 | TEXT, payload)) == INVALID_TEXT
    assert violation(raw(TEXT, payload[:1]) + raw(0x80 | CONTINUATION, payload[1:])) == INVALID_TEXT
    assert parse(raw(0x80 | BINARY, payload)) == [Event(BINARY, payload)]


def test_8_1_a_character_may_be_split_over_fragments() -> None:
    text = "ß€👍".encode()
    frames = [raw(TEXT, text[:1]), *(raw(CONTINUATION, text[i : i + 1]) for i in range(1, 8))]
    assert parse(b"".join(frames) + raw(0x80 | CONTINUATION, text[8:])) == [Event(TEXT, text)]


# ---- §10.4 limits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [100, 125, 126, 1000, 65_535, 65_536])
def test_10_4_a_message_of_the_limit_is_read_and_one_byte_more_fails(limit: int) -> None:
    assert parse(raw(0x80 | TEXT, b"x" * limit), limit) == [Event(TEXT, b"x" * limit)]
    assert violation(raw(0x80 | TEXT, b"x" * (limit + 1)), limit) == TOO_BIG


def test_10_4_fragments_count_together() -> None:
    half = b"x" * 50
    assert parse(raw(TEXT, half) + raw(0x80 | CONTINUATION, half), 100) == [Event(TEXT, half * 2)]
    assert violation(raw(TEXT, half) + raw(CONTINUATION, half) + raw(0x80 | CONTINUATION, b"x"), 100) == TOO_BIG


def test_10_4_a_message_that_will_be_too_big_is_not_waited_for() -> None:
    header = raw(0x80 | TEXT, length=b"\x7f" + (2**40).to_bytes(8, "big"))[:10]
    assert parse(header)[-1].code == TOO_BIG


def test_10_4_unfinished_fragments_count() -> None:
    parser = FrameParser(1000)
    events = parser.feed(raw(BINARY, b"x" * 400))
    while not parser.over:
        events += parser.feed(raw(CONTINUATION, b"x" * 100))
    assert [(event.opcode, event.code) for event in events] == [(VIOLATION, TOO_BIG)]


def test_10_4_the_limit_may_be_raised_while_a_socket_lives() -> None:
    parser = FrameParser(10)
    parser.limit = 1000
    assert parser.feed(raw(0x80 | TEXT, b"x" * 500)) == [Event(TEXT, b"x" * 500)]


def test_10_4_a_forbidden_frame_is_not_waited_for() -> None:
    assert parse(raw(0x80 | PING, b"x" * 126)[:2])[-1].code == PROTOCOL_ERROR


# ---- round trips ------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200).map(lambda text: (TEXT, text.encode()))
binaries = st.binary(max_size=300).map(lambda data: (BINARY, data))
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
messages = st.lists(
    st.tuples(st.one_of(texts, binaries, controls), st.lists(st.integers(0, 300), max_size=4)), max_size=8
)


def send(client: ClientProtocol, opcode: int, payload: bytes, cuts: list[int]) -> None:
    """As a client that fragments its messages wherever it likes."""
    if opcode == PING:
        client.send_ping(payload)
    elif opcode == PONG:
        client.send_pong(payload)
    else:
        places = sorted(cut % (len(payload) + 1) for cut in cuts)
        parts = [payload[start:end] for start, end in zip([0, *places], [*places, len(payload)], strict=True)]
        first: Any = client.send_text if opcode == TEXT else client.send_binary
        first(parts[0], fin=len(parts) == 1)
        for number, part in enumerate(parts[1:], start=2):
            client.send_continuation(part, fin=number == len(parts))


@settings(max_examples=300, deadline=None)
@given(messages, st.lists(st.integers(0, 5000), max_size=10))
def test_what_the_oracle_sends_is_read_however_it_is_cut(
    conversation: list[tuple[tuple[int, bytes], list[int]]], cuts: list[int]
) -> None:
    client = oracle()
    for (opcode, payload), places in conversation:
        send(client, opcode, payload, places)
    data = sent(client)
    expected = [Event(opcode, payload) for (opcode, payload), _ in conversation]
    assert parse(data) == expected
    assert parse_split(data, cuts) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(texts, binaries, controls), max_size=10))
def test_what_is_written_here_is_read_by_the_oracle(conversation: list[tuple[int, bytes]]) -> None:
    client = oracle()
    client.receive_data(b"".join(frame(payload, opcode) for opcode, payload in conversation))
    assert client.events_received() == [Frame(Opcode(opcode), payload) for opcode, payload in conversation]


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_end_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    whole = parse(data, 1000)
    assert parse_split(data, cuts, 1000) == whole
    assert all(event.code in {PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG} for event in whole if event.opcode == VIOLATION)
    assert all(event.opcode not in (VIOLATION, CLOSE) for event in whole[:-1])


def test_an_idle_parser_holds_nothing() -> None:
    parser = FrameParser(LIMIT)
    data = raw(TEXT, b"a" * 1000) + raw(0x80 | CONTINUATION, b"b" * 1000) + raw(0x80 | BINARY, b"c" * 1000)
    for start in range(0, len(data), 7):
        parser.feed(data[start : start + 7])
    held = [getattr(parser, name) for name in FrameParser.__slots__]
    assert all(not value for value in held if isinstance(value, bytes | bytearray))
    assert parser.feed(raw(0x80 | TEXT, b"d")) == [Event(TEXT, b"d")]
