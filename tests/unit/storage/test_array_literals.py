from __future__ import annotations

import pytest

from storage.array_literals import documents, numbers, optional_texts, texts
from sync.errors import Unstorable


def test_nothing_is_an_empty_array() -> None:
    assert [numbers([]), texts([]), optional_texts([]), documents([])] == ["{}"] * 4


def test_what_is_not_there_is_null_and_the_word_is_a_text() -> None:
    assert numbers([1, None, 2**53, True]) == "{1, NULL, 9007199254740992, True}"
    assert optional_texts(["a", None, "NULL", ""]) == '{"a",NULL,"NULL",""}'
    assert documents([None, {}]) == '{"null","{}"}'


def test_quotes_and_backslashes_are_escaped() -> None:
    assert texts(['a"b\\', "{,}", " x\n"]) == '{"a\\"b\\\\","{,}"," x\n"}'
    assert documents([{"a": 'b"\n'}]) == '{"{\\"a\\":\\"b\\\\\\"\\\\n\\"}"}'


@pytest.mark.parametrize("values", [["\x00"], ["a", "b\x00c"]])
def test_what_stands_between_cannot_come_from_a_value(values: list[str]) -> None:
    with pytest.raises(Unstorable):
        texts(values)
    with pytest.raises(Unstorable):
        optional_texts([*values, None])


def test_what_json_cannot_hold_is_unstorable() -> None:
    for value in ("\ud800", {"a": "\udfff"}, object()):
        with pytest.raises(Unstorable):
            documents([1, value])
