// What a person can do to the tree, each as one edit or one group that is undone together. Whatever has no effect is said.

import { CARD_WIDTH, isBeside, placeFor } from "./layout.js";
import { TYPES, typeBelow } from "./node_types.js";
import { cardHeight, countBelow, isUnplaced, liesBelow, subtree } from "./scene.js";

const REFUSED = ["rejected", "superseded"];

/** An id nobody else makes: 12 characters of 36 are 62 bits of chance. */
export function freshId(prefix) {
  const letters = crypto.getRandomValues(new Uint8Array(12));
  return prefix + "-" + Array.from(letters, (one) => (one % 36).toString(36)).join("");
}

export class Edits {
  #desk;

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    this.#desk = desk;
  }

  get #view() {
    return this.#desk.view;
  }

  /** Add a node below another (null: a new root) and answer its id, or null where that is not allowed. */
  addChild(parent, type = typeBelow(this.#view.nodes.get(parent)?.type)) {
    return this.#add(parent, this.#view.children(parent).at(-1)?.id ?? null, type);
  }

  addSibling(id) {
    const node = this.#view.nodes.get(id);
    return node ? this.#add(node.parent, id, node.type) : this.addChild(null);
  }

  #add(parent, after, type) {
    if (!this.#allowed()) return null;
    const { tree } = this.#desk;
    const id = freshId("n");
    const title = `New ${TYPES[type].label.toLowerCase()}`;
    tree.group(() => {
      if (this.#view.nodes.get(parent)?.is_collapsed) this.#watch(tree.update(parent, { is_collapsed: false }));
      const position = this.#isLaidOut(parent) ? { x: 0, y: 0 } : this.#placeBelow(parent, cardHeight(title), after);
      this.#watch(tree.insert({ id, parent, after, type, title, position }));
    });
    return id;
  }

  remove(id) {
    if (!this.#allowed() || !this.#view.nodes.has(id)) return;
    const { title, parent } = this.#view.nodes.get(id);
    const more = countBelow(this.#view, id);
    const siblings = this.#view.children(parent);
    const at = siblings.findIndex((one) => one.id === id);
    this.#watch(this.#desk.tree.remove(id));
    this.#desk.select(siblings[at + 1]?.id ?? siblings[at - 1]?.id ?? parent);
    this.#desk.say(`“${title}”${more ? ` and ${more} below it` : ""} moved to the trash.`, "undo");
  }

  /** Fold or unfold what stands below a node. */
  fold(id) {
    const node = this.#view.nodes.get(id);
    if (!node || !this.#view.children(id).length) return;
    if (this.#desk.past) return this.#desk.foldPast(id);
    if (!this.#allowed()) return;
    this.#watch(this.#desk.tree.update(id, { is_collapsed: !node.is_collapsed }));
  }

  /** Put a node below another one, at a free place there. Below itself is refused. */
  reparent(
    id,
    parent,
    after = this.#view
      .children(parent)
      .filter((one) => one.id !== id)
      .at(-1)?.id ?? null,
  ) {
    const node = this.#view.nodes.get(id);
    if (!node || !this.#allowed()) return false;
    if (parent !== null && liesBelow(this.#view, parent, id)) {
      this.#desk.say(
        parent === id
          ? "A node cannot stand below itself."
          : `“${node.title}” cannot move below itself: “${this.#view.nodes.get(parent).title}” is part of it.`,
        "refused",
      );
      return false;
    }
    if (node.parent === parent) return false;
    if (this.#isLaidOut(parent, id)) this.#unplace(id, { parent, after });
    else this.#shift(id, this.#placeBelow(parent, cardHeight(node.title), after, id), { parent, after });
    this.#desk.say(
      `“${node.title}” moved below ${parent ? `“${this.#view.nodes.get(parent).title}”` : "no other"}.`,
      "quiet",
    );
    return true;
  }

  /** Drag a node, and all below it, to a place. */
  drag(id, place) {
    if (this.#allowed()) this.#shift(id, place, {});
  }

  // The subtree keeps its shape: each card below moves by what its top moves by.
  #shift(id, place, move) {
    const { tree, scene } = this.#desk;
    const from = scene.places.get(id);
    const by = { x: place.x - from.x, y: place.y - from.y };
    tree.group(() => {
      this.#watch(tree.move(id, { ...move, position: given(place) }));
      if (!by.x && !by.y) return;
      for (const one of subtree(this.#view, id).slice(1)) {
        const { position } = this.#view.nodes.get(one);
        if (!isUnplaced({ position }))
          this.#watch(tree.move(one, { position: given({ x: position.x + by.x, y: position.y + by.y }) }));
      }
    });
  }

  // It comes where the tidy layout has it, and so does what stands below it.
  #unplace(id, move) {
    const { tree } = this.#desk;
    tree.group(() => {
      this.#watch(tree.move(id, { ...move, position: { x: 0, y: 0 } }));
      for (const one of subtree(this.#view, id).slice(1)) {
        if (!isUnplaced(this.#view.nodes.get(one))) this.#watch(tree.move(one, { position: { x: 0, y: 0 } }));
      }
    });
  }

  // Whether the children of this parent (but one) have no places of their own: a new one needs none either.
  #isLaidOut(parent, except = null) {
    const others = this.#view.children(parent).filter((one) => one.id !== except);
    if (others.length) return others.every(isUnplaced);
    return parent !== null && isUnplaced(this.#view.nodes.get(parent)) && this.#view.nodes.size > 1;
  }

  /** Put a node at another place among its siblings; cards in between make room, each with what stands below it. */
  reorder(id, index) {
    const node = this.#view.nodes.get(id);
    if (!node || !this.#allowed()) return false;
    const order = this.#view.children(node.parent).map((one) => one.id);
    const from = order.indexOf(id);
    const to = Math.max(0, Math.min(order.length - 1, index));
    if (from === to) return false;
    const shifts = new Map();
    const laidOut = this.#isLaidOut(node.parent);
    for (let at = from; at !== to; at += Math.sign(to - from)) {
      const next = at + Math.sign(to - from);
      if (!laidOut) this.#swap(order[Math.min(at, next)], order[Math.max(at, next)], shifts);
      [order[at], order[next]] = [order[next], order[at]];
    }
    const { tree } = this.#desk;
    tree.group(() => {
      this.#watch(tree.move(id, { after: order[to - 1] ?? null, ...this.#moved(id, shifts) }));
      for (const one of shifts.keys()) {
        const { position } = this.#moved(one, shifts);
        if (one !== id && position) this.#watch(tree.move(one, { position }));
      }
    });
    this.#desk.say(`“${node.title}” is now ${to + 1} of ${order.length}.`, "quiet");
    return true;
  }

  #moved(id, shifts) {
    const by = !isUnplaced(this.#view.nodes.get(id)) && shifts.get(id);
    const { x, y } = this.#desk.scene.places.get(id);
    return by ? { position: given({ x: x + by.x, y: y + by.y }) } : {};
  }

  // Two neighbouring subtrees change places: the right one starts where the left one did, which ends where the right one did.
  #swap(left, right, shifts) {
    const [a, b] = [this.#extent(left, shifts), this.#extent(right, shifts)];
    const by = isBeside(a, b)
      ? [
          { x: b.right - a.right, y: 0 },
          { x: a.left - b.left, y: 0 },
        ]
      : [
          { x: 0, y: b.bottom - a.bottom },
          { x: 0, y: a.top - b.top },
        ];
    [left, right].forEach((top, side) => {
      for (const one of subtree(this.#view, top)) {
        const had = shifts.get(one) ?? { x: 0, y: 0 };
        shifts.set(one, { x: had.x + by[side].x, y: had.y + by[side].y });
      }
    });
  }

  #extent(top, shifts) {
    const extent = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (const id of subtree(this.#view, top)) {
      const place = this.#desk.scene.places.get(id);
      const by = shifts.get(id) ?? { x: 0, y: 0 };
      const [x, y] = [place.x + by.x, place.y + by.y];
      if (id === top) Object.assign(extent, { x, y });
      extent.left = Math.min(extent.left, x);
      extent.top = Math.min(extent.top, y);
      extent.right = Math.max(extent.right, x + CARD_WIDTH);
      extent.bottom = Math.max(extent.bottom, y + place.height);
    }
    return extent;
  }

  /**
   * Give the whole tree, or what stands below one node, back to the layout, which then keeps it tidy as it grows: cards
   * lose the places they were dragged to. One group: one undo brings those back.
   */
  tidyUp(below = null) {
    if (!this.#allowed()) return 0;
    const { tree } = this.#desk;
    const all = below ? subtree(this.#view, below).slice(1) : [...this.#view.nodes.keys()];
    const moved = all.filter((id) => !isUnplaced(this.#view.nodes.get(id)));
    tree.group(() => {
      for (const id of moved) this.#watch(tree.move(id, { position: { x: 0, y: 0 } }));
    });
    this.#desk.say(
      moved.length
        ? `Tidied up: ${moved.length} ${moved.length === 1 ? "card" : "cards"} given back to the layout.`
        : "Everything is tidy already.",
      moved.length ? "undo" : "note",
    );
    return moved.length;
  }

  connect(from, to) {
    if (!this.#allowed() || from === to) return;
    for (const one of this.#view.connections.values()) {
      if (one.from === from && one.to === to) return this.#desk.say("These two are connected already.");
    }
    this.#watch(this.#desk.tree.link(from, to, "", freshId("c")));
  }

  /** Set fields of a node: `{ type: "metric" }`, `{ "template_data.unit": "%" }`. */
  set(id, fields) {
    if (this.#allowed()) this.#watch(this.#desk.tree.update(id, fields));
  }

  /** Report an edit that the server did not take. */
  watch(edit) {
    this.#watch(edit);
  }

  async #watch(edit) {
    try {
      const result = await edit;
      if (REFUSED.includes(result?.status))
        this.#desk.say(result.why ?? "Someone moved this while you did; their move stands.", "refused");
    } catch (error) {
      this.#desk.say(error.why ?? error.message, "refused");
    }
  }

  #allowed() {
    if (this.#desk.mayEdit) return true;
    const why = this.#desk.past
      ? "This is the tree as it was. Go back to now to change it."
      : "You may read this tree, not change it.";
    this.#desk.say(why, "refused");
    return false;
  }

  #placeBelow(parent, height, after, except = null) {
    const { scene } = this.#desk;
    const siblings = this.#view.children(parent).filter((one) => one.id !== except);
    const until = siblings.slice(0, siblings.findIndex((one) => one.id === after) + 1);
    const taken = [...scene.items.values()].filter((item) => !except || !liesBelow(this.#view, item.id, except));
    return placeFor(
      scene.places.get(parent) ?? null,
      until.map((one) => scene.places.get(one.id)),
      taken,
      height,
    );
  }
}

// 0,0 is what the wire says of a node without a place of its own.
function given(position) {
  return position.x || position.y ? { x: Math.round(position.x), y: Math.round(position.y) } : { x: 1, y: 0 };
}
