"""Which documents have which words, what they count for, and what is shown of them: `sync.search`, `search_words`."""

from __future__ import annotations

import unicodedata
from random import Random

import pytest

from sync.errors import Invalid
from sync.nodes import Details, Node
from sync.search import (
    MOST_TERMS,
    TEXT_CHARACTERS,
    Piece,
    Rank,
    cursor,
    documents,
    node_terms,
    postings_of,
    query,
    rank_of,
    shown_of_node,
    shown_of_tree,
    tree_terms,
)
from sync.search_words import WORD_CHARACTERS, Word, folded, places, terms, words


def made(title: str = "Title", description: str = "", **data: object) -> Node:
    return Node(
        id="n1", parent=None, order="a", type="metric", title=title, description=description, template_data=data
    )


@pytest.mark.parametrize(
    ("text", "found"),
    {
        "Größe l’eau don't E-Mail 3.5%": {"grosse", "leau", "dont", "e", "mail", "3", "5"},
        "Ёлка Cafe\u0301 ŁÓDŹ İstanbul ﬁne ＡＢＣ Æther": {"елка", "cafe", "lodz", "istanbul", "fine", "abc", "aether"},
        "顧客維持": {"顧客", "客維", "維持", "持"},
        "カード ｶｰﾄﾞ": {"カー", "ード", "ド"},
        "고객이 ภาษา": {"고객", "객이", "이", "ภา", "าษ", "ษา", "า"},
        "हिन्दी مُحَمَّد שָׁלוֹם": {"हिन्दी", "محمد", "שלום"},
        "a_b 🌳 …": {"a", "b"},
        "x" * 100: {"x" * 64},
    }.items(),
)
def test_se3_words_have_one_form(text: str, found: set[str]) -> None:
    """[SE3]"""
    assert terms(text) == found


def test_se3_words_are_where_they_are_said_to_be() -> None:
    """[SE3] In any text: what stands there folds to the word; ASCII, which has a way of its own, is no exception."""
    chance = Random(3)
    letters = "abcXYZ019 '’-_.,äßÉéøЖяاب顧客가ไ\u0301\u3099ｶﾞ🌳"
    for _ in range(2_000):
        text = "".join(chance.choices(letters, k=chance.randint(0, 12)))
        for place in places(text):
            assert folded(text[place.start : place.end]) == place.term, text
        plain = "".join(one for one in text if one.isascii())
        beside = [place.term for place in places(plain + " ä")]
        assert [place.term for place in places(plain)] == beside[:-1], plain


def test_se3_a_word_holds_no_space_and_is_short_enough_for_an_index() -> None:
    """[SE3] Whatever character is in it, alone, among letters and in pairs: U+FDFA stands for a sentence. And of any
    number of marks on one character."""
    for one in map(chr, range(0x110000)):
        if not unicodedata.is_normalized("NFKD", one):  # others are folded to themselves, and no word begins at a space
            _check_words(one)
    marks = "\u20d0\u1ab0\u3099" * 2_000
    for text in (f"か{marks}き{marks}", f"ก{marks}", f"a{marks}", "か" + marks):
        found = terms(text)
        assert found
        assert {len(term) <= WORD_CHARACTERS for term in found} == {True}
        assert {len(word.text) <= WORD_CHARACTERS for word in words(text)} == {True}
        assert all(any(word.means(term) for term in found) for word in words(text))
    assert terms("محمد \ufdfa") == {"محمد", "صلىاللهعليهوسلم"}


def _check_words(one: str) -> None:
    for term in terms(f"{one} a{one}b か{one}") | {word.text for word in words(one)}:
        assert not any(part.isspace() for part in term), hex(ord(one))
        assert 0 < len(term) <= WORD_CHARACTERS, hex(ord(one))


def test_se2_what_is_asked_for_are_beginnings() -> None:
    """[SE2]"""
    assert words("Custom a 顧客維 顧 custom") == [
        Word("custom", True),
        Word("a", False),
        Word("顧客", False),
        Word("客維", False),
        Word("顧", True),
    ]
    assert query(" -?! ") == []
    for bad in ("x" * 201, "a\x00", " ".join(f"w{number}" for number in range(11))):
        with pytest.raises(Invalid):
            query(bad)


def test_se5_a_word_counts_for_where_it_stands_at_best() -> None:
    """[SE5] Values within maps are no texts of people; what lies far behind, and the status, are left out."""
    node = made("Less churn", "churn", why="Boxes", many=["warm", 3], deep={"er": "no"}, completion_status="done")
    assert node_terms(node) == {"less": 7, "churn": 7, "boxes": 2, "warm": 2}
    assert tree_terms(Details(name="Plan", description="a plan")) == {"plan": 9, "a": 4}
    assert "late" not in node_terms(made("T", "x" * TEXT_CHARACTERS + " late"))
    assert len(node_terms(made("T", " ".join(f"w{number}" for number in range(3 * MOST_TERMS))))) == MOST_TERMS


def test_se5_documents_have_all_the_words() -> None:
    """[SE2, SE5]"""
    own = {"": {"acme": 9, "plan": 9}, "n1": {"churn": 7, "plan": 4}, "n2": {"churning": 2}}
    assert dict(documents(postings_of(query("churn"), own))) == {"n1": 15, "n2": 4}
    assert dict(documents(postings_of(query("acme churn"), own))) == {"n1": 16, "n2": 5}
    assert dict(documents(postings_of(query("plan"), own))) == {"": 19, "n1": 9}
    assert dict(documents(postings_of(query("plan nowhere"), own))) == {}


def test_se4_what_is_shown_is_the_text_in_pieces() -> None:
    """[SE4] Put together the pieces are the text, or a part of it between dots; whatever stands in it."""
    chance = Random(4)
    for _ in range(500):
        text = " ".join(chance.choices(["less", "<b>", "churn", "chürn", "顧客維持", "&amp;", "x" * 30], k=40))
        field, pieces = shown_of_node(query("chur 顧客"), made("T", text))
        whole = "".join(piece.text for piece in pieces)
        assert whole.strip("…") in text
        assert len(whole) <= 162
        assert all(piece.text for piece in pieces)
        for piece in pieces:
            if piece.hit:
                assert folded(piece.text).startswith("chur") or piece.text in "顧客維持"
        assert (field, any(piece.hit for piece in pieces)) in (("description", True), ("title", False))


def test_se1_the_field_with_most_of_the_words_is_shown() -> None:
    """[SE1]"""
    node = made("Churn", "less of it", why="less churn")
    assert shown_of_node(query("less churn"), node) == (
        "template_data.why",
        [Piece("less", hit=True), Piece(" ", hit=False), Piece("churn", hit=True)],
    )
    assert shown_of_tree(query("plan"), Details(name="N", description="a plan"))[0] == "description"


def test_se9_a_cursor_is_read_back() -> None:
    """[SE9]"""
    rank = Rank(-17, -4, "a|b")
    assert rank_of(cursor(rank)) == rank
    for bad in ("", "1", "1|2", "x|2|n", "-1|2|n", "1|2|\x00", "1|" + "9" * 17 + "|n"):
        with pytest.raises(Invalid):
            rank_of(bad)
