"""Three-way merge of a text: two people changed the same one apart from each other, and both changes are wanted.

diff3 (Khanna, Kunal & Pierce, "A formal investigation of diff3", FSTTCS 2007, doi:10.1007/978-3-540-77050-3_40),
refined from coarse to fine: what two changes have in common at one level is cut finer at the next: all that lies
between a text's common beginning and end, then lines, words, characters. Where changes still meet, nobody but a person
can decide, and there is no result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple
from unicodedata import category

from rapidfuzz.distance import Indel

from sync.text import common_ends

# So much work is done before the answer is that there is none. A unit is one cell of a comparison, 64 of which are one
# machine word: 30 million take 10 ms, half of what may block the loop (DESIGN 13, B4).
_WORK = 30_000_000
WORK_OF_AN_EDIT = 5 * _WORK  # 50 ms, if its texts were made to cost the most; 4,000 honest merges of 12 µs
_REACH = 64  # no sequence of combining characters that anybody types is longer; looked at one by one
_JOINER = "\u200d"  # ZERO WIDTH JOINER, which makes one emoji of several
# A number with its separators, a space, a word in any script, and single signs: those of ASCII, Latin-1 and General
# Punctuation, of Hebrew and Arabic, and the full width ones of CJK.
_WORD = re.compile(
    r"\d+(?:[.,:]\d+)*|\s"
    r"|[^\s!-/:-@\[-`{-~\u00a1-\u00bf\u05be\u060c\u061b\u061f\u2010-\u205e\u3001-\u303f\uff01-\uff0f\uff1a-\uff20]+|."
)

_DIGIT = re.compile(r"\d")


class _Hunk(NamedTuple):
    """Tokens `start` to `end` of the base are replaced by so many `more` or, below zero, fewer."""

    start: int
    end: int
    more: int
    side: int


class _Level(NamedTuple):
    """How texts are cut, how a change is found, at what work, and how many tokens must lie between two changes."""

    cut: Callable[[str], Sequence[str]]
    hunks: Callable[[Sequence[str], Sequence[str], int], list[_Hunk]]
    work: Callable[[str], int]  # of cutting a text, in units of _WORK
    apart: int


def merged(base: str, mine: str, theirs: str, left: list[int] | None = None) -> str | None:
    """The base with both changes; None where they overlap, or insert different things at one place.

    The same whichever is called mine. Numbers are never mixed out of digits of both, nor are characters with their
    combining marks. Takes 20 ms at most, whatever the texts: what is larger and different throughout has no result.
    `left` is work that many merges share (WORK_OF_AN_EDIT to begin with), and each takes of it.
    """
    allowed = _WORK if left is None else min(_WORK, left[0])
    mine_left = [allowed]
    result = _merged((base, mine, theirs), 0, mine_left)
    if left is not None:
        left[0] -= allowed - mine_left[0]
    return result


def _merged(texts: tuple[str, str, str], depth: int, left: list[int]) -> str | None:
    base, mine, theirs = texts
    if mine in (base, theirs):
        return theirs
    if theirs == base:
        return mine
    if depth == len(_LEVELS):
        return None
    if depth == _LINES and "\n" not in base:
        depth += 1
    level = _LEVELS[depth]
    left[0] -= sum(map(level.work, texts))
    if left[0] < 0:
        return None
    cut = [level.cut(text) for text in texts]
    if level.hunks is _compared:
        left[0] -= len(cut[0]) * (len(cut[1]) + len(cut[2]))
    if left[0] < 0:
        return None
    return _together(cut, level, depth, left)


def _together(cut: list[Sequence[str]], level: _Level, depth: int, left: list[int]) -> str | None:
    """Piece by piece: what nobody touched, and what one or both changed, which is merged at the next level."""
    base, mine, theirs = cut
    at, shift = 0, [0, 0, 0]  # in the base, and how much further on the same place is in the others
    pieces: list[str] = []
    for group in _groups(sorted(level.hunks(base, mine, 1) + level.hunks(base, theirs, 2)), level.apart):
        start, end = group[0].start, max(hunk.end for hunk in group)
        pieces.append(_text(base[at:start]))
        from_mine, from_theirs = start + shift[1], start + shift[2]
        for hunk in group:
            shift[hunk.side] += hunk.more
        changed = (base[start:end], mine[from_mine : end + shift[1]], theirs[from_theirs : end + shift[2]])
        piece = _merged((_text(changed[0]), _text(changed[1]), _text(changed[2])), depth + 1, left)
        if piece is None:
            return None
        pieces.append(piece)
        at = end
    return "".join([*pieces, _text(base[at:])])


def _groups(hunks: list[_Hunk], apart: int) -> Iterator[list[_Hunk]]:
    """Hunks that overlap, or with fewer tokens than `apart` between them, or that insert at one place."""
    group: list[_Hunk] = []
    end = 0
    for hunk in hunks:
        if group and hunk.start >= end + apart and not hunk[:2] == (end, end) == group[-1][:2]:
            yield group
            group = []
        end = max(end, hunk.end) if group else hunk.end
        group.append(hunk)
    if group:
        yield group


# ---- how a change is found


def _between_ends(base: Sequence[str], other: Sequence[str], side: int) -> list[_Hunk]:
    """One hunk: from where two texts begin to differ to where they cease to, which splits no sequence."""
    assert isinstance(base, str)
    assert isinstance(other, str)
    before, after = common_ends(base, other)
    least = before - _REACH
    while before > max(least, 0) and (_is_joined(base, before) or _is_joined(other, before)):
        before -= 1
    least = after - _REACH
    while after > max(least, 0) and (_is_joined(base, len(base) - after) or _is_joined(other, len(other) - after)):
        after -= 1
    return [_Hunk(before, len(base) - after, len(other) - len(base), side)]


def _compared(base: Sequence[str], other: Sequence[str], side: int) -> list[_Hunk]:
    """The hunks of the longest common subsequence."""
    hunks: list[_Hunk] = []
    for change in Indel.opcodes(base, other):
        start, end = change.src_start, change.src_end
        more = (change.dest_end - change.dest_start) - (end - start)
        if change.tag == "equal":
            continue
        if hunks and hunks[-1].end == start:  # an insert and a delete side by side are one change
            last = hunks.pop()
            start, more = last.start, last.more + more
        hunks.append(_Hunk(start, end, more, side))
    return hunks


# ---- two texts beside each other

Kind = Literal["same", "removed", "added"]


def pieces(old: str, new: str, left: list[int] | None = None) -> list[tuple[Kind, str]]:
    """What of a text stayed, went and came, in words; at most one of a kind in a row. Texts that are large and
    different throughout are one piece that went and one that came; so are those for which nothing is left of `left`,
    work that many texts share (WORK_OF_AN_EDIT to begin with), of which each takes."""
    left = [WORK_OF_AN_EDIT] if left is None else left
    cutting = _work_of_words(old) + _work_of_words(new)
    if cutting > left[0]:
        return _pair(old, new)
    left[0] -= cutting
    before, after = _words(old), _words(new)
    if len(before) * len(after) > min(_WORK, left[0]):
        return _pair(old, new)
    left[0] -= len(before) * len(after)
    found: list[tuple[Kind, str]] = []
    for change in Indel.opcodes(before, after):
        went, came = _text(before[change.src_start : change.src_end]), _text(after[change.dest_start : change.dest_end])
        if change.tag == "equal":
            found.append(("same", went))
        else:
            found += [("removed", went)] if went else []
            found += [("added", came)] if came else []
    return _joined(found)


def _joined(found: list[tuple[Kind, str]]) -> list[tuple[Kind, str]]:
    """Changes with no more than a space between them are one: "red car" for "old bus" reads better than four pieces."""
    joined: list[tuple[Kind, str]] = []
    went = came = ""
    for place, (kind, text) in enumerate(found):
        if kind == "same" and text.isspace() and went and came and place + 1 < len(found):
            went, came = went + text, came + text
        elif kind == "same":
            joined += _pair(went, came)
            joined.append((kind, text))
            went = came = ""
        elif kind == "removed":
            went += text
        else:
            came += text
    return joined + _pair(went, came)


def _pair(went: str, came: str) -> list[tuple[Kind, str]]:
    both: list[tuple[Kind, str]] = [("removed", went), ("added", came)]
    return [(kind, text) for kind, text in both if text]


# ---- how texts are cut


def _text(tokens: Sequence[str]) -> str:
    return tokens if isinstance(tokens, str) else "".join(tokens)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _words(text: str) -> list[str]:
    found: list[str] = _WORD.findall(text)
    if text.isascii():
        return found
    words: list[str] = []
    at = 0
    for word in found:
        if words and not word.isascii() and _is_joined(text, at):
            words[-1] += word
        else:
            words.append(word)
        at += len(word)
    return words


def _characters(text: str) -> list[str]:
    if text.isascii() and not _DIGIT.search(text):
        return list(text)
    starts = [at for at in range(len(text)) if not _is_joined(text, at)]
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def _is_joined(text: str, at: int) -> bool:
    """Whether the code point at `at` belongs to the one before: a combining mark, an emoji's part, a number's digit."""
    one, before = text[at : at + 1], text[at - 1 : at] if at else ""
    if not one or not before:
        return False
    if one.isascii():
        return _is_in_number(text, at, one, before)
    return (
        _JOINER in (one, before)
        or category(one)[0] == "M"
        or "\U0001f3fb" <= one <= "\U0001f3ff"  # skin tones
        or ("\U0001f1e6" <= one <= "\U0001f1ff" and "\U0001f1e6" <= before <= "\U0001f1ff")  # flags
    )


def _is_in_number(text: str, at: int, one: str, before: str) -> bool:
    if one.isdigit():
        return before.isdigit() or (before in ".,:" and text[at - 2 : at - 1].isdigit() and at > 1)
    return one in ".,:" and before.isdigit() and text[at + 1 : at + 2].isdigit()


def _work_of_lines(text: str) -> int:
    return 10 * len(text) + 300 * text.count("\n")


def _work_of_words(text: str) -> int:
    return (500 if text.isascii() else 2_000) * len(text)


def _work_of_characters(text: str) -> int:
    return 2_000 * len(text)


_LINES = 1
_LEVELS = (
    _Level(lambda text: text, _between_ends, len, apart=1),
    _Level(_lines, _compared, _work_of_lines, apart=0),
    _Level(_words, _compared, _work_of_words, apart=0),
    _Level(_characters, _compared, _work_of_characters, apart=1),
)
