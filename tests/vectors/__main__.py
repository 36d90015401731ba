"""Write text.json and digest.json anew: `python -m tests.vectors`. Python and the browser both check against them."""

from __future__ import annotations

from pathlib import Path

from tests.vectors.made import digest_vectors, encoded, text_vectors

HERE = Path(__file__).parent

if __name__ == "__main__":
    (HERE / "text.json").write_text(encoded(text_vectors()), encoding="ascii")
    (HERE / "digest.json").write_text(encoded(digest_vectors()), encoding="ascii")
