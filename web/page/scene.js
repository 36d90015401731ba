// What is to be seen: every node that is not folded away, with its place and size. Rebuilt when the tree changes, from
// the nodes that did; drawing compares items by identity.

import { CARD_WIDTH, tidy } from "./layout.js";

const PADDING = 14; // of a card, canvas units
const LINE = 20;
const TYPE_LINE = 24; // the line that says the type, with its distance to the title
const MOST_LINES = 3; // of a title on a card; the panel shows it whole

/**
 * @typedef {object} Item a card
 * @property {string} id
 * @property {import("../treesync.js").TreeNode} node
 * @property {number} x
 * @property {number} y
 * @property {number} height
 * @property {number} level from 1
 * @property {number} index among its siblings, from 1
 * @property {number} siblings how many they are, itself included
 * @property {number} children
 * @property {number} hidden how many nodes are folded below it
 */

/** @typedef {{ items: Map<string, Item>, places: Map<string, {x: number, y: number, height: number}>, view: object }} Scene */

const heights = new Map(); // title to height

/** The height of the card with this title. */
export function cardHeight(title) {
  let height = heights.get(title);
  if (height === undefined) {
    if (heights.size > 20_000) heights.clear();
    height = 2 * PADDING + TYPE_LINE + LINE * Math.min(MOST_LINES, linesOf(title));
    heights.set(title, height);
  }
  return height;
}

// As a browser breaks lines, at spaces, and inside a word only where it is wider than the card. Letters are as wide as in
// the widest of common fonts rather than measured: on every screen the cards, and so the layout and the cursors, agree.
function linesOf(title) {
  const room = CARD_WIDTH - 2 * PADDING;
  const space = widthOf(" ");
  let [lines, used] = [1, 0];
  for (const word of title.split(/\s+/)) {
    const width = widthOf(word);
    if (used && used + space + width > room) [lines, used] = [lines + 1, 0];
    const over = Math.floor(width / room);
    lines += used ? 0 : over;
    used = over ? width - over * room : used + (used ? space : 0) + width;
  }
  return lines;
}

const NARROW = /[ijlIt.,:;'|!()\[\]fr ]/;
const WIDE = /[mwMWA-Z%@&—]/;

// Of a text in pixels, at the size of a card's title.
function widthOf(text) {
  let width = 0;
  for (const letter of text) width += letter > "\u2e7f" ? 14 : NARROW.test(letter) ? 5 : WIDE.test(letter) ? 11.5 : 8.4;
  return width;
}

/** @returns {Scene} */
export function sceneOf(view, before = null) {
  const places = placesOf(view);
  const items = new Map();
  for (const [index, root] of view.children(null).entries()) add(root, 1, index + 1, view.children(null).length);
  return { items, places, view };

  function add(node, level, index, siblings) {
    const below = view.children(node.id);
    const hidden = node.is_collapsed && below.length ? countBelow(view, node.id) : 0;
    const fresh = { id: node.id, node, ...places.get(node.id), level, index, siblings, children: below.length, hidden };
    const old = before?.items.get(node.id);
    items.set(node.id, old && same(old, fresh) ? old : fresh);
    if (!node.is_collapsed) below.forEach((child, at) => add(child, level + 1, at + 1, below.length));
  }
}

function same(one, other) {
  for (const key in other) if (one[key] !== other[key]) return false;
  return true;
}

// The wire's default position is 0,0: such a node has no place of its own and stands where the tidy layout has it,
// seen from its parent.
function placesOf(view) {
  const places = new Map();
  const height = (id) => cardHeight(view.nodes.get(id).title);
  let layout = null;
  const walk = (node) => {
    let { x, y } = node.position;
    if (isUnplaced(node)) {
      layout ??= layoutOf(view, height);
      ({ x, y } = layout.get(node.id));
      const above = node.parent && places.get(node.parent);
      if (above) {
        x += above.x - layout.get(node.parent).x;
        y += above.y - layout.get(node.parent).y;
      }
    }
    places.set(node.id, { x, y, height: height(node.id) });
    view.children(node.id).forEach(walk);
  };
  view.children(null).forEach(walk);
  return places;
}

let latest = { key: "", layout: null };

// Kept while ids, their order and heights stay: most changes are of words.
function layoutOf(view, height) {
  let key = "";
  const walk = (node) => {
    key += `${node.id} ${height(node.id)}(`;
    view.children(node.id).forEach(walk);
    key += ")";
  };
  view.children(null).forEach(walk);
  if (latest.key !== key) latest = { key, layout: tidy((parent) => view.children(parent), height) };
  return latest.layout;
}

/** True for a node without a place of its own, which stands where the tidy layout has it. */
export const isUnplaced = ({ position }) => !position.x && !position.y;

/** How many nodes stand below one. */
export function countBelow(view, id) {
  let count = 0;
  for (const child of view.children(id)) count += 1 + countBelow(view, child.id);
  return count;
}

/** The ids of a node and of all below it, top first. */
export function subtree(view, id) {
  const ids = [id];
  for (const one of ids) for (const child of view.children(one)) ids.push(child.id);
  return ids;
}

/** True where `id` is `above` or lies below it. */
export function liesBelow(view, id, above) {
  for (let node = view.nodes.get(id); node; node = view.nodes.get(node.parent)) if (node.id === above) return true;
  return false;
}

/** The smallest rectangle around cards. Null where there are none. */
export function boundsOf(items) {
  const bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const { x, y, height } of items) {
    bounds.left = Math.min(bounds.left, x);
    bounds.top = Math.min(bounds.top, y);
    bounds.right = Math.max(bounds.right, x + CARD_WIDTH);
    bounds.bottom = Math.max(bounds.bottom, y + height);
  }
  return bounds.left === Infinity ? null : bounds;
}
