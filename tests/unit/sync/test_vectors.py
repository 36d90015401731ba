"""The vectors that the browser checks too say what sync/ says now."""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.vectors
from tests.vectors.made import Json, digest_vectors, encoded, text_vectors

DIRECTORY = Path(tests.vectors.__file__).parent


@pytest.mark.parametrize(("name", "made"), [("text.json", text_vectors()), ("digest.json", digest_vectors())])
def test_the_shared_vectors_are_what_python_answers(name: str, made: Json) -> None:
    """`python -m tests.vectors` writes them anew."""
    assert (DIRECTORY / name).read_text(encoding="ascii") == encoded(made)
    assert all(made.values())
