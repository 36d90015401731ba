"""Keywords of texts by RAKE: Rose, Engel, Cramer and Cowley, "Automatic Keyword Extraction from Individual Documents",
in Text Mining (Wiley 2010), chapter 1, doi:10.1002/9780470689646.ch1.

Candidates are the runs of words between stop words and punctuation; a word's score is its degree (the words it stands
together with, itself included) by its frequency, a candidate's the sum over its words. Degrees and frequencies are
those of all texts together, so that the nodes of a tree are judged by one measure. Nothing is drawn by chance: among
equals the one that comes first wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MOST_WORDS = 3  # of a candidate; longer runs are sentences that happen to have no stop word
MOST_KEYWORDS = 5
TEXT_CHARACTERS = 4_000  # of one text: what comes behind adds time and hardly a keyword

_STOP = """
a about above across after again against all almost also although always am an and any are aren't around as at be
because been before behind being below between beyond both but by can can't cannot could couldn't did didn't do does
doesn't doing don't done down during each either else enough etc even ever every everyone everything few first for
from further get gets getting give given go goes going got had hadn't has hasn't have haven't having he her here hers
herself him himself his how however i if in into is isn't it it's its itself just keep last least less let like made
make makes making many may maybe me might more most much must my myself need needs never no nobody none nor not
nothing now of off often on once one only onto or other others our ours ourselves out over own per perhaps put rather
really same say says see seem seems shall she should shouldn't since so some somebody someone something still such
take takes than that that's the their theirs them themselves then there there's these they thing things this those
though three through thus till to together too toward towards two under until up upon us use used uses using very via
want wants was wasn't way we we're well were weren't what what's when where whether which while who whom whose why
will with within without won't would wouldn't yet you you're your yours yourself
"""
STOP_WORDS = frozenset(_STOP.split())

_FRAGMENT = re.compile(r"[^\w\s'’\-/&%]+|\n+|\s-+\s|_")
_WORD = re.compile(r"[^\W\d_][\w]*(?:['’\-][\w]+)*|\d[\w.%]*")

Candidate = tuple[str, ...]


def candidates(text: str) -> list[Candidate]:
    """The runs of words of a text between stop words and punctuation, in lower case."""
    found: list[Candidate] = []
    for fragment in _FRAGMENT.split(text[:TEXT_CHARACTERS].lower()):
        run: list[str] = []
        for word in _WORD.findall(fragment):
            if word in STOP_WORDS or len(word) < 2 or word[0].isdigit():
                if run:
                    found.append(tuple(run))
                    run = []
            else:
                run.append(word)
        if run:
            found.append(tuple(run))
    return [one for one in found if len(one) <= MOST_WORDS]


def keywords(texts: Sequence[Sequence[Candidate]]) -> list[list[str]]:
    """Of each text, given as its candidates, the best ones; words joined by `_`."""
    scores = _scores(candidate for text in texts for candidate in text)
    found = []
    for text in texts:
        ranked = sorted(dict.fromkeys(text), key=lambda one: -sum(scores[word] for word in one))
        found.append(["_".join(one) for one in ranked[:MOST_KEYWORDS]])
    return found


def _scores(all_candidates: Iterable[Candidate]) -> dict[str, float]:
    degree: dict[str, int] = {}
    frequency: dict[str, int] = {}
    for candidate in all_candidates:
        size = len(candidate)
        for word in candidate:
            degree[word] = degree.get(word, 0) + size
            frequency[word] = frequency.get(word, 0) + 1
    return {word: degree[word] / frequency[word] for word in degree}
