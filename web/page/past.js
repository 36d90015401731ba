// The tree as it was, put together with what has come since, and what is different between the two: for the canvas.

import { Replica } from "../sync/replica.js";

/** What can be different about a node, seen from then: the word for it, and the sign that stands beside the colour. */
export const MARKS = {
  added: { word: "added", sign: "+" },
  removed: { word: "removed", sign: "−" },
  changed: { word: "changed", sign: "≠" },
  moved: { word: "moved", sign: "→" },
};
const FIELDS = ["type", "title", "description", "template_data", "metadata"];

/** @typedef {"added" | "removed" | "changed" | "moved"} Mark */

export class Past {
  /** As a tree's `view`: what was, and, below what it was added to, what has come since. It never changes. */
  view;
  /** @type {Map<string, Mark[]>} of each node that is different now */
  marks;
  /** @type {Map<string, Mark>} of each connection that is different now */
  lines;
  #folds;

  /**
   * @param {object} state a snapshot's `state`
   * @param {import("../treesync.js").View} now what it is compared with
   * @param {Map<string, boolean>} folds what has been folded and unfolded while looking back, kept from moment to moment
   */
  constructor(state, now, folds) {
    const then = new Replica([state]);
    share(then, now, state);
    this.marks = marksBetween(then, now);
    this.lines = linesBetween(then, now);
    this.#folds = folds;
    this.view = this.#folded(joined(then, now, this.marks, this.lines));
  }

  /** Fold a branch or unfold it, here alone. */
  fold(id, is_collapsed = !this.view.nodes.get(id)?.is_collapsed) {
    if (!this.view.nodes.has(id)) return;
    this.#folds.set(id, is_collapsed);
    this.view = this.#folded(this.view.copy());
  }

  #folded(view) {
    for (const [id, is_collapsed] of this.#folds) {
      const node = view.nodes.get(id);
      if (node && node.is_collapsed !== is_collapsed) view.nodes.set(id, { ...node, is_collapsed });
    }
    return view;
  }
}

// Nodes that are the same now are one object, as in two views of the present: it is held once however many moments are
// kept, and what is drawn of it stays.
function share(then, now, state) {
  state.nodes.forEach((old, place) => {
    const found = now.nodes.get(old.id);
    if (found === old || found?.seq !== old.seq || !isSame(found, old)) return;
    then.nodes.set(old.id, found);
    state.nodes[place] = found;
  });
}

// A node that was added stands below one that was added too, or below one that stands where it stood then: a tree again.
function joined(then, now, marks, lines) {
  const nodes = [...marks].filter(([, [mark]]) => mark === "added").map(([id]) => now.nodes.get(id));
  const connections = [...lines].filter(([, mark]) => mark === "added").map(([id]) => now.connections.get(id));
  if (!nodes.length && !connections.length) return then;
  const [state] = then.parts;
  return new Replica([
    { ...state, nodes: [...state.nodes, ...nodes], connections: [...state.connections, ...connections] },
  ]);
}

function linesBetween(then, now) {
  const lines = new Map();
  for (const [id, old] of then.connections) {
    const found = now.connections.get(id);
    if (!found) lines.set(id, "removed");
    else if (!isSame(found, old)) lines.set(id, "changed");
  }
  for (const id of now.connections.keys()) if (!then.connections.has(id)) lines.set(id, "added");
  return lines;
}

/** What is different now about each node of either tree. @returns {Map<string, Mark[]>} */
export function marksBetween(then, now) {
  const marks = new Map();
  const moved = new Set(movedBetween(then, now));
  for (const [id, old] of then.nodes) {
    const found = now.nodes.get(id);
    if (!found) marks.set(id, ["removed"]);
    else if (found !== old) {
      const changed = FIELDS.some((field) => !isSame(old[field], found[field]));
      if (changed || moved.has(id)) marks.set(id, [changed && "changed", moved.has(id) && "moved"].filter(Boolean));
    }
  }
  for (const id of now.nodes.keys()) if (!then.nodes.has(id)) marks.set(id, ["added"]);
  return marks;
}

// Under another parent, or elsewhere among those siblings who were siblings then too.
function* movedBetween(then, now) {
  const suspected = new Set(); // parents below which an order key is another
  for (const [id, old] of then.nodes) {
    const found = now.nodes.get(id);
    if (!found) continue;
    if (found.parent !== old.parent) yield id;
    else if (found.order !== old.order) suspected.add(found.parent);
  }
  for (const parent of suspected) {
    const stayed = (view) => view.children(parent).map((node) => node.id);
    const before = new Map(stayed(then).map((id, place) => [id, place]));
    const family = stayed(now).filter((id) => before.has(id));
    const still = rising(family.map((id) => before.get(id)));
    yield* family.filter((_, place) => !still.has(place));
  }
}

/** The places of a longest rising part of a list of numbers (Fredman, 1975): what need not have moved. */
export function rising(list) {
  const tops = []; // places; of each length the end that is least
  const below = [];
  list.forEach((value, place) => {
    let [low, high] = [0, tops.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[tops[middle]] < value) low = middle + 1;
      else high = middle;
    }
    below.push(tops[low - 1] ?? -1);
    tops[low] = place;
  });
  const found = new Set();
  for (let place = tops.at(-1) ?? -1; place >= 0; place = below[place]) found.add(place);
  return found;
}

function isSame(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => isSame(one[key], other[key]));
}
