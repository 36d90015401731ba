"""The words of a text as search knows them: in one form whatever the case, accents and width they are written in.

- Letters are folded (Unicode's full case folding and compatibility forms, UAX #15), the accents of Latin, Greek and
  Cyrillic and the vowel points of Hebrew and Arabic are left out: `Größe` is `grosse`, `Ёлка` is `елка`. What is a
  letter of its own without a base (ø, ł, đ, æ, œ, ı) becomes what it is typed as.
- Scripts that are written without spaces (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) are cut into pairs of
  characters that overlap, as Lucene's CJKBigramFilter does, and the last character stands alone too: so a single one
  is found as the beginning of a pair.
- No stemming and no stop words: every language is treated alike. A word of two characters or more is asked for as a
  beginning, so that `custom` finds `customers`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

WORD_CHARACTERS = 64  # of a longer word this much counts: it is a key of an index
LEAST_PREFIX = 2  # characters; one letter begins too much to be of use
_LAST = "\U0010ffff"  # behind every word with the same beginning, by code point

# the blocks of the scripts that are cut into pairs, their marks included
_PAIRED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
# marks that belong to the letter before them; those of `_LEFT_OUT` are not kept
_LEFT_OUT = (
    "\u00ad\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u200c\u200d"
)
_MARKS = (
    _LEFT_OUT
    + "\u0900-\u0963\u0966-\u0dff\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u302a-\u302f\u3099\u309a"
)
_HALF_MARKS = "\uff9e\uff9f"  # voiced and semi-voiced, of katakana in half width: characters of their own
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})

# a word with the apostrophes within it (don't, l’eau), which are left out
_WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}]|['’](?=[^\W_]))*")
_ASCII_WORD = re.compile(r"[a-z0-9](?:[a-z0-9]|'(?=[a-z0-9]))*")
_RUN = re.compile(f"[{_PAIRED}{_MARKS}]+|[^{_PAIRED}]+")
_OF_PAIRED = re.compile(f"[{_PAIRED}]")
# compatibility forms may hold spaces: U+FDFA is a sentence, U+037A a mark on a space
_DROPPED = re.compile(rf"[{_LEFT_OUT}'’\s]")


class Place(NamedTuple):
    """A word and where it stands in its text."""

    term: str
    start: int
    end: int


class Word(NamedTuple):
    """A word that is asked for: as a whole, or as a beginning."""

    text: str
    is_beginning: bool

    @property
    def bounds(self) -> tuple[str, str]:
        """Terms from the first up to the second, by code point, are those it means."""
        return self.text, self.text + (_LAST if self.is_beginning else "\x01")

    def means(self, term: str) -> bool:
        return term.startswith(self.text) if self.is_beginning else term == self.text


def terms(text: str) -> set[str]:
    """The words of a text, each once."""
    if text.isascii():  # a fifth of the time, and most texts
        return {found.replace("'", "")[:WORD_CHARACTERS] for found in _ASCII_WORD.findall(text.lower())}
    return {place.term for place in places(unicodedata.normalize("NFC", text))}


def places(text: str) -> Iterator[Place]:
    """The words of a text in order, those cut into pairs overlapping; of a text in NFC."""
    if text.isascii():  # no character becomes two
        for found in _ASCII_WORD.finditer(text.lower()):
            yield Place(found[0].replace("'", "")[:WORD_CHARACTERS], found.start(), found.end())
        return
    for found in _WORD.finditer(text):
        for run in _RUN.finditer(found[0]):
            start = found.start() + run.start()
            if _OF_PAIRED.search(run[0]):
                yield from _pairs(run[0], start)
            elif term := folded(run[0]):
                yield Place(term[:WORD_CHARACTERS], start, start + len(run[0]))


def words(asked: str) -> list[Word]:
    """What a person asks for, each word once, in order."""
    found: dict[Word, None] = {}
    for match in _WORD.finditer(unicodedata.normalize("NFC", asked)):
        for run in _RUN.finditer(match[0]):
            if _OF_PAIRED.search(run[0]):
                pairs = [pair.term for pair in _pairs(run[0], 0)]
                found |= dict.fromkeys(Word(pair, False) for pair in pairs[:-1])
                if len(pairs) == 1:  # one character alone is the beginning of a pair
                    found[Word(pairs[0], True)] = None
            elif term := folded(run[0])[:WORD_CHARACTERS]:
                found[Word(term, len(term) >= LEAST_PREFIX)] = None
    return list(found)


def folded(text: str) -> str:
    """In the one form in which words are compared."""
    if text.isascii():
        return text.lower().replace("'", "")
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    return unicodedata.normalize("NFKC", _DROPPED.sub("", plain))


def _pairs(run: str, start: int) -> Iterator[Place]:
    """Character by character with its marks; compatibility forms fold within one."""
    parts = [(place, folded(run[place:end])) for place, end in _characters(run)]
    kept = [(place, part) for place, part in parts if part]
    ends = [place for place, _ in kept[1:]] + [len(run)]
    for number, (place, part) in enumerate(kept):
        if number + 1 < len(kept):
            pair = part + kept[number + 1][1]  # of any length: marks belong to their character
            yield Place(pair[:WORD_CHARACTERS], start + place, start + ends[number + 1])
        else:
            yield Place(part[:WORD_CHARACTERS], start + place, start + ends[number])


def _characters(run: str) -> Iterator[tuple[int, int]]:
    start = 0
    for place in range(1, len(run) + 1):
        if place == len(run) or not (unicodedata.combining(run[place]) or run[place] in _HALF_MARKS):
            yield start, place
            start = place
