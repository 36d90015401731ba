// Where cards stand. Branches spread from left to right below their parent; small ones hang below it in an indented
// column, like files in folders, which keeps a wide tree narrow: the larger the tree, the larger what hangs.

import { hierarchy, tree as tidyTree } from "../vendor/d3-hierarchy.js";

export const CARD_WIDTH = 240;
export const INDENT = 28; // of a hanging card, and room for its link
const BESIDE = 36; // between neighbouring columns
const BELOW = 64; // between a card and its children, room for the links
const HANGING = 14; // between hanging cards
const FIRST_HANGING = 24; // between a card and the first that hangs below it
const BETWEEN_TREES = 120;
const STEP = 20; // canvas units a new card is shifted by while its place is taken
// Trees of up to so many nodes, and up to how many nodes below one hang in its column. One: leaves only.
const HANG_LIMITS = [
  [24, 1],
  [48, 9],
  [Infinity, 24],
];

/**
 * The places of every node, the first root at 0,0.
 * @param {(parent: string | null) => {id: string}[]} children
 * @param {(id: string) => number} height of a card
 * @returns {Map<string, {x: number, y: number}>}
 */
export function tidy(children, height) {
  const places = new Map();
  const limit = hangLimit(children);
  let right = null;
  for (const root of children(null)) {
    const made = placed(root, children, height, limit);
    const edges = edgesOf(made.values());
    const start = made.get(root.id);
    const shift = right === null ? -start.x : right + BETWEEN_TREES - edges.left;
    for (const [id, { x, y }] of made) places.set(id, { x: Math.round(x + shift), y: Math.round(y) });
    right = edges.right + shift;
  }
  return places;
}

function hangLimit(children) {
  const size = counts(children).get(null);
  return HANG_LIMITS.find(([most]) => size <= most)[1];
}

// How many nodes stand below each node, and below null all.
function counts(children) {
  const below = new Map();
  const count = (id) => {
    const sum = children(id).reduce((total, child) => total + 1 + count(child.id), 0);
    below.set(id, sum);
    return sum;
  };
  count(null);
  return below;
}

// Reingold and Tilford's contours ("Tidier drawings of trees", 1981) compare level by level. A hanging column is given to
// them as a chain, one card a level deeper than the last: the whole column keeps its neighbours at a distance.
function placed(root, children, height, limit) {
  const top = hierarchy(shaped(root, children, limit, counts(children)), (one) => one.below);
  tidyTree()
    .nodeSize([1, 1])
    .separation((a, b) => (a.data.width + b.data.width) / 2 + BESIDE)(top);
  const places = new Map();
  top.eachBefore((one) => {
    const above = one.parent;
    one.top = above ? above.top + height(above.data.id) + gapAbove(one.data) : 0;
    places.set(one.data.id, { x: one.x - one.data.width / 2 + (one.data.indent ?? 0), y: one.top });
  });
  return places;
}

function gapAbove({ indent, isFirst }) {
  if (!indent) return BELOW;
  return isFirst ? FIRST_HANGING : HANGING;
}

function shaped(node, children, limit, below) {
  const own = { id: node.id, width: CARD_WIDTH };
  const list = children(node.id);
  if (!list.length) return own;
  const hangsAll = limit > 1 ? below.get(node.id) <= limit : list.every((child) => !below.get(child.id));
  if (!hangsAll) return { ...own, below: list.map((child) => shaped(child, children, limit, below)) };
  const column = [];
  const hang = (one, indent) =>
    children(one.id).forEach((child, index) => {
      column.push({ id: child.id, indent, isFirst: index === 0 });
      hang(child, indent + INDENT);
    });
  hang(node, INDENT);
  const width = CARD_WIDTH + Math.max(...column.map((one) => one.indent));
  for (const [index, one] of column.entries())
    Object.assign(one, { width, below: column[index + 1] && [column[index + 1]] });
  return { ...own, width, below: [column[0]] };
}

function edgesOf(places) {
  let [left, right] = [Infinity, -Infinity];
  for (const { x } of places) {
    left = Math.min(left, x);
    right = Math.max(right, x + CARD_WIDTH);
  }
  return { left, right };
}

/**
 * A free place for a new child: after its last sibling in the direction in which they stand, else below the parent.
 * @param {{x: number, y: number, height: number} | null} parent
 * @param {{x: number, y: number, height: number}[]} siblings in order
 * @param {Iterable<{x: number, y: number, height: number}>} taken cards it must not cover
 */
export function placeFor(parent, siblings, taken, height) {
  const last = siblings.at(-1);
  const before = siblings.at(-2);
  let wished = { x: 0, y: 0 };
  if (last && (hangs(parent, last) || (before && !isBeside(before, last))))
    wished = { x: last.x, y: last.y + last.height + HANGING };
  else if (last) wished = { x: last.x + CARD_WIDTH + BESIDE, y: last.y };
  else if (parent) wished = { x: parent.x + INDENT, y: parent.y + parent.height + FIRST_HANGING };
  return freed(wished, [...taken], height, !last || wished.x > last.x);
}

function freed(wished, taken, height, sideways) {
  const place = { x: Math.round(wished.x), y: Math.round(wished.y) };
  const covers = (one) =>
    one.x < place.x + CARD_WIDTH + STEP / 2 &&
    place.x < one.x + CARD_WIDTH + STEP / 2 &&
    one.y < place.y + height + STEP / 2 &&
    place.y < one.y + one.height + STEP / 2;
  while (taken.some(covers)) {
    if (sideways) place.x += STEP;
    else place.y += STEP;
  }
  return place;
}

/** True for a child that hangs in its parent's column: its link runs along the left. */
export function hangs(parent, child) {
  return !!parent && child.x > parent.x && child.x <= parent.x + 2 * INDENT && child.y >= parent.y + parent.height;
}

/** True where two siblings stand side by side rather than one below the other. */
export function isBeside(one, other) {
  return Math.abs(one.x - other.x) >= Math.abs(one.y - other.y);
}
