"""The vectors that the browser checks too say what sync/ says now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

import tests.vectors
from sync.templates import Field, FieldKind, is_filled
from tests.vectors.made import Json, digest_vectors, encoded, text_vectors

DIRECTORY = Path(tests.vectors.__file__).parent


@pytest.mark.parametrize(("name", "made"), [("text.json", text_vectors()), ("digest.json", digest_vectors())])
def test_the_shared_vectors_are_what_python_answers(name: str, made: Json) -> None:
    """`python -m tests.vectors` writes them anew."""
    assert (DIRECTORY / name).read_text(encoding="ascii") == encoded(made)
    assert all(made.values())


@pytest.mark.parametrize("kind", get_args(FieldKind))
def test_the_page_and_the_server_count_the_same_fields_as_filled(kind: FieldKind) -> None:
    """[PG3] The page says what is missing before the server has answered."""
    vectors = json.loads((DIRECTORY / "filled.json").read_text(encoding="utf-8"))
    field = Field(name="f", label="F", kind=kind, choices=vectors["choices"] if kind == "choice" else [])
    values = vectors["kinds"][kind]
    assert [one for one in values["filled"] if not is_filled(field, one)] == []
    assert [one for one in values["empty"] if is_filled(field, one)] == []
