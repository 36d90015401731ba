"""How far one node is by itself, and sums of that over many nodes.

All numbers are integers (completion in thousandths), so that sums kept over a million changes are to the last bit those
made from scratch. The sums of a branch are packed into one integer, a lane of 32 bits each: adding them is one
addition, and no lane overflows (50,000 nodes × 1,000 thousandths are 26 bits).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from sync.nodes import NODE_TYPES, Node, NodeType
from sync.progress_message import Domain, Maturity, NodeProgress, Summary
from sync.templates import Status, TemplateSet, is_filled, status_of

WHOLE = 1_000  # thousandths
# A node somebody calls begun is neither at nothing nor at its end, whatever its form says
_BEGUN_LEAST, _BEGUN_MOST = 100, 900
# A score, of 100: mostly whether it is done, then how much of its form is filled, then whether it is described at all
_SCORE_COMPLETION, _SCORE_FILL, _SCORE_DESCRIBED = 70, 20, 10

# The bands of a domain's maturity: from that completion on, in thousandths (SPECS)
BANDS: tuple[tuple[int, Maturity], ...] = (
    (850, "mature"),
    (600, "established"),
    (400, "developing"),
    (200, "emerging"),
    (0, "initial"),
)

_LANE = 32
_MASK = (1 << _LANE) - 1
_LANES = ("nodes", "completion", "fill", "score", "complete", "in_progress", *NODE_TYPES)
_PLACE = {name: place * _LANE for place, name in enumerate(_LANES)}
_TOLD = sum(_MASK << _PLACE[name] for name in ("completion", "fill", "score", "complete", "in_progress"))


class Own(NamedTuple):
    """One node by itself; completion and fill in thousandths. `sums` is what it adds to the branches it stands in."""

    status: Status
    completion: int
    fill: int
    score: int
    sums: int


def judge(node: Node, templates: TemplateSet) -> Own:
    """A node by its own template: what is filled, and what somebody said, which wins."""
    template = templates.templates.get(node.type)
    fields = template.fields if template is not None else []
    filled = sum(1 for field in fields if is_filled(field, node.template_data.get(field.name)))
    fill = WHOLE * filled // len(fields) if fields else 0
    return _own(status_of(node.template_data), fill, bool(node.description.strip()), node.type)


@lru_cache(maxsize=4_096)  # equal nodes share one value: a leaf without data costs its entry alone
def _own(said: Status | None, fill: int, described: bool, kind: NodeType) -> Own:
    status, completion = said or _status_by(fill), fill
    if said == "complete":
        completion = WHOLE
    elif said == "not_started":
        completion = 0
    elif said == "in_progress":
        completion = min(max(fill, _BEGUN_LEAST), _BEGUN_MOST)
    score = (_SCORE_COMPLETION * completion + _SCORE_FILL * fill) // WHOLE + _SCORE_DESCRIBED * described
    lanes = {"nodes": 1, "completion": completion, "fill": fill, "score": score, kind: 1, status: 1}
    sums = sum(value << _PLACE[name] for name, value in lanes.items() if name in _PLACE)
    return Own(status, completion, fill, score, sums)


def _status_by(fill: int) -> Status:
    if fill == 0:
        return "not_started"
    return "complete" if fill == WHOLE else "in_progress"


# ---- reading sums


def has_begun(sums: int) -> bool:
    """Whether anything has begun in what these are the sums of."""
    return bool(sums & _TOLD)


def nodes_in(sums: int) -> int:
    return _lane(sums, "nodes")


def completion_of(sums: int) -> float:
    """The mean completion, 0 to 1."""
    return _mean(_lane(sums, "completion"), _lane(sums, "nodes"))


def node_progress(own: Own, sums: int) -> NodeProgress:
    """A node and its branch."""
    nodes = _lane(sums, "nodes")
    return NodeProgress(
        status=own.status,
        fill_rate=own.fill / WHOLE,
        completion=own.completion / WHOLE,
        score=own.score,
        branch_completion=_mean(_lane(sums, "completion"), nodes),
        branch_nodes=nodes,
        branch_complete=_lane(sums, "complete"),
    )


def summary(sums: int) -> Summary:
    return Summary(**_summary(sums))  # type: ignore[arg-type]


def domain(node: Node, sums: int) -> Domain:
    """A branch as one of the domains that the tree is divided into."""
    completion, nodes = _lane(sums, "completion"), _lane(sums, "nodes")
    maturity = next(name for least, name in BANDS if completion >= least * nodes)
    return Domain(node=node.id, title=node.title, maturity=maturity, **_summary(sums))  # type: ignore[arg-type]


def _lane(sums: int, name: str) -> int:
    return sums >> _PLACE[name] & _MASK


def _mean(total: int, nodes: int) -> float:
    """Of thousandths, as a share with four decimals."""
    return round(total / (nodes * WHOLE), 4) if nodes else 0.0


def _summary(sums: int) -> dict[str, object]:
    nodes, complete, in_progress = (_lane(sums, name) for name in ("nodes", "complete", "in_progress"))
    return {
        "total_nodes": nodes,
        "completion_rate": _mean(_lane(sums, "completion"), nodes),
        "fill_rate": _mean(_lane(sums, "fill"), nodes),
        "score": round(_lane(sums, "score") / nodes, 1) if nodes else 0.0,
        "complete": complete,
        "in_progress": in_progress,
        "not_started": nodes - complete - in_progress,
        "node_types": {kind: _lane(sums, kind) for kind in NODE_TYPES if _lane(sums, kind)},
    }
