// One element per card that is near: made, filled where something changed, and dropped when it is far away.

import { drawn, made, say } from "./dom.js";
import { TYPES, shown } from "./node_types.js";
import { MARKS } from "./past.js";
import { inWords } from "./progress.js";
import { branchInWords, fillCardRing, ring } from "./rings.js";
import { listed } from "./words.js";

// Signs of the types on a 12 by 12 grid; the sign and the word stand beside the colour, which alone would say it to some only.
const SIGNS = {
  objective: "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Zm0 3a2 2 0 1 1 0 4 2 2 0 0 1 0-4Z",
  outcome: "M6 .8 11.2 6 6 11.2.8 6Z",
  opportunity: "M6 1.2 11.4 10.6H.6Z",
  solution: "M2.8 1.2h6.4c.9 0 1.6.7 1.6 1.6v6.4c0 .9-.7 1.6-1.6 1.6H2.8c-.9 0-1.6-.7-1.6-1.6V2.8c0-.9.7-1.6 1.6-1.6Z",
  assumption: "M3.4.9h5.2L11.2 6 8.6 11.1H3.4L.8 6Z",
  metric: "M1.2 7h2.4v4H1.2zM4.8 4h2.4v7H4.8zM8.4 1h2.4v10H8.4z",
  research:
    "M5 .8a4.2 4.2 0 1 0 2.3 7.7l2.6 2.6 1.2-1.2-2.6-2.6A4.2 4.2 0 0 0 5 .8Zm0 1.8a2.4 2.4 0 1 1 0 4.8 2.4 2.4 0 0 1 0-4.8Z",
};

/** The sign of a type, in its colour. */
export function typeSign(type) {
  return drawn(
    "svg",
    { class: "type-sign", viewBox: "0 0 12 12", "aria-hidden": "true" },
    drawn("path", { d: SIGNS[type] }),
  );
}

/**
 * @typedef {object} Look
 * @property {string | null} selection
 * @property {string | null} first
 * @property {Map<string, {name: string, color: string}[]>} watchers
 * @property {Function} placeOf
 * @property {(id: string) => object | null} progressOf
 * @property {Map<string, import("./past.js").Mark[]>} [since] what is different now about cards of the past
 */

export class Cards {
  #layer;
  #shown = new Map();

  /** @param {HTMLElement} layer */
  constructor(layer) {
    this.#layer = layer;
  }

  /** The element of a node's card, where it is drawn. */
  element(id) {
    return this.#shown.get(id)?.element ?? null;
  }

  /**
   * @param {import("./scene.js").Item[]} items those to be drawn, in the order of the tree
   * @param {Look} look
   */
  draw(items, look) {
    const wanted = new Set(items.map((item) => item.id));
    for (const [id, card] of this.#shown) {
      if (wanted.has(id)) continue;
      card.element.remove();
      this.#shown.delete(id);
    }
    for (const item of items) this.#drawOne(item, look);
  }

  /** Move cards whose place is for the moment not that of their node. */
  shift(items, placeOf) {
    for (const item of items) {
      const card = this.#shown.get(item.id);
      if (card) putAt(card, placeOf(item));
    }
  }

  /** The progress of these nodes (null: of all) is another now. */
  progressed(ids, progressOf) {
    for (const id of ids ?? this.#shown.keys()) {
      const card = this.#shown.get(id);
      if (card) showProgress(card, progressOf(id));
    }
  }

  #drawOne(item, look) {
    let card = this.#shown.get(item.id);
    if (!card) {
      card = newCard(item);
      this.#shown.set(item.id, card);
      this.#layer.append(card.element);
    }
    if (card.item !== item) fill(card, item, look.progressOf(item.id));
    putAt(card, look.placeOf(item));
    mark(card, item.id === look.selection, item.id === (look.selection ?? look.first));
    watch(card, look.watchers.get(item.id));
    showSince(card, look.since?.get(item.id));
  }
}

function newCard(item) {
  const type = made("span", { className: "card-type" });
  const share = ring("card-ring");
  const title = made("div", { className: "card-title" });
  const fold = made("button", { type: "button", className: "fold", tabIndex: -1, hidden: true });
  const watchers = made("span", { className: "watchers", "aria-hidden": "true", hidden: true });
  const since = made("span", { className: "card-since", "aria-hidden": "true", hidden: true });
  const head = made("div", { className: "card-head" }, type, share);
  const element = made(
    "div",
    { className: "card", role: "treeitem", "data-node": item.id, tabIndex: -1 },
    head,
    title,
    watchers,
    since,
    fold,
  );
  return { element, type, share, title, fold, watchers, since, marks: "", item: null, x: NaN, y: NaN };
}

function fill(card, item, progress) {
  const { element, item: old } = card;
  const { node } = item;
  card.item = item;
  if (old?.node.type !== node.type) {
    element.dataset.type = node.type;
    card.type.replaceChildren(typeSign(node.type), TYPES[node.type]?.label ?? node.type);
  }
  say(card.title, node.title);
  if (old?.height !== item.height) element.style.height = `${item.height}px`;
  element.setAttribute("aria-level", item.level);
  element.setAttribute("aria-posinset", item.index);
  element.setAttribute("aria-setsize", item.siblings);
  if (item.children) element.setAttribute("aria-expanded", String(!node.is_collapsed));
  else element.removeAttribute("aria-expanded");
  showProgress(card, progress);
  fillFold(card.fold, item);
}

function showProgress(card, progress) {
  fillCardRing(card.share, progress, card.item.children > 0);
  card.name = cardName(card.item, progress);
  nameCard(card);
}

function cardName({ node, hidden, children }, progress) {
  const status = shown(node.template_data.completion_status ?? "not_started");
  const share = progress && (children ? branchInWords(progress) : inWords(progress.completion));
  const folded = hidden ? `, ${hidden} folded away` : "";
  return `${TYPES[node.type]?.label ?? node.type}: ${node.title}, ${(share ?? status).toLowerCase()}${folded}`;
}

// A card of the past: what is different now, in a word and a sign beside the colour.
function showSince(card, marks = []) {
  const words = marks.map((mark) => MARKS[mark].word).join(", ");
  if (card.marks === words) return;
  card.marks = words;
  if (marks.length) card.element.dataset.since = marks[0];
  else delete card.element.dataset.since;
  card.since.hidden = !marks.length;
  say(card.since, marks.map((mark) => `${MARKS[mark].sign} ${MARKS[mark].word}`).join("  "));
  nameCard(card);
}

const nameCard = ({ element, name, marks }) =>
  element.setAttribute("aria-label", marks ? `${name}, ${marks} since` : name);

function fillFold(fold, { children, hidden }) {
  fold.hidden = !children;
  if (!children) return;
  say(fold, hidden ? String(hidden) : "");
  fold.classList.toggle("folded", hidden > 0);
  fold.setAttribute("aria-label", hidden ? `Expand, ${hidden} folded away` : "Collapse");
}

function putAt(card, { x, y }) {
  if (card.x === x && card.y === y) return;
  [card.x, card.y] = [x, y];
  card.element.style.transform = `translate(${x}px, ${y}px)`;
}

function mark(card, selected, reachable) {
  if (card.selected !== selected) card.element.setAttribute("aria-selected", String(selected));
  if (card.reachable !== reachable) card.element.tabIndex = reachable ? 0 : -1;
  [card.selected, card.reachable] = [selected, reachable];
}

// Others who have this card selected or type into it: an outline in the colour of the first, and names.
function watch(card, people = []) {
  const typing = people.filter((one) => one.editing).map((one) => one.name);
  const names = typing.length
    ? `${listed(typing)} ${typing.length > 1 ? "are" : "is"} typing`
    : listed(people.map((one) => one.name));
  if (card.watched === names) return;
  card.watched = names;
  card.element.classList.toggle("watched", people.length > 0);
  card.watchers.hidden = !people.length;
  say(card.watchers, names);
  if (people.length) card.element.style.setProperty("--who", people[0].color);
}
