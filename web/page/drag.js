// A card in the hand: it follows the pointer, what stands below it waits where it was, and the place where it would go is
// shown. On another card: below it. Between two siblings: there in their order. Elsewhere: just moved.

import { CARD_WIDTH, isBeside } from "./layout.js";
import { countBelow, liesBelow, subtree } from "./scene.js";

const HINTS = { below: "Move below this card", refused: "Cannot move below itself", gap: "Move here" };
const GAP_REACH = 44; // canvas units from the middle of a gap at which a drop means the gap

export class Drag {
  #desk;
  #canvas;
  #edits;
  #bar;
  #id = null;
  #start = null;
  #target = null; // { kind: "below" | "refused" | "gap" | "place", id?, index? }
  #dim = [];

  /** @param {HTMLElement} bar shown where a card would come between two others */
  constructor(desk, canvas, edits, bar) {
    this.#desk = desk;
    this.#canvas = canvas;
    this.#edits = edits;
    this.#bar = bar;
  }

  /** Take a card up. False where that is not allowed. */
  lift(id) {
    if (!this.#desk.mayEdit || !this.#desk.scene.items.has(id)) return false;
    this.#id = id;
    this.#start = null;
    this.#canvas.lifted = { id, dx: 0, dy: 0 };
    const card = this.#canvas.cards.element(id);
    card?.classList.add("lifted");
    const more = countBelow(this.#desk.view, id);
    if (more) card?.setAttribute("data-more", `+${more}`);
    this.#dim = subtree(this.#desk.view, id)
      .slice(1)
      .map((one) => this.#canvas.cards.element(one))
      .filter(Boolean);
    for (const one of this.#dim) one.classList.add("waiting");
    this.#desk.select(id, { show: false });
    return true;
  }

  /** Follow the pointer. */
  carry(event, press) {
    const at = this.#canvas.camera.toCanvas(event);
    this.#start ??= this.#canvas.camera.toCanvas({ clientX: press.x, clientY: press.y });
    this.#canvas.lifted = { id: this.#id, dx: at.x - this.#start.x, dy: at.y - this.#start.y };
    this.#aim(this.#targetAt(at));
    this.#canvas.redraw();
  }

  /** Let go; null puts it back. */
  drop(event) {
    const [id, target, lifted] = [this.#id, this.#target, this.#canvas.lifted];
    if (!id) return;
    this.#aim(null);
    this.#id = null;
    this.#canvas.lifted = null;
    this.#canvas.cards.element(id)?.classList.remove("lifted");
    this.#canvas.cards.element(id)?.removeAttribute("data-more");
    for (const one of this.#dim) one.classList.remove("waiting");
    if (event && target) this.#settle(id, target, lifted);
    this.#canvas.redraw();
  }

  #settle(id, target, { dx, dy }) {
    const item = this.#desk.scene.items.get(id);
    if (!item) return; // someone has deleted it meanwhile
    if (target.kind === "gap") return this.#edits.reorder(id, target.index);
    if (target.kind === "below" || target.kind === "refused") return this.#edits.reparent(id, target.id);
    this.#edits.drag(id, { x: item.x + dx, y: item.y + dy });
  }

  #targetAt(point) {
    const item = this.#canvas.itemAt(point, this.#id);
    if (item) {
      const own = liesBelow(this.#desk.view, item.id, this.#id);
      const there = this.#desk.view.nodes.get(this.#id).parent === item.id;
      return own ? { kind: "refused", id: item.id } : there ? { kind: "place" } : { kind: "below", id: item.id };
    }
    return this.#gapAt(point) ?? { kind: "place" };
  }

  // The gap between two neighbouring siblings (or beside the first and last) that the pointer is in.
  #gapAt(point) {
    const { scene, view } = this.#desk;
    const parent = view.nodes.get(this.#id)?.parent;
    if (parent === undefined) return null;
    const all = view
      .children(parent)
      .map((one) => scene.items.get(one.id))
      .filter(Boolean);
    const siblings = all.filter((one) => one.id !== this.#id);
    for (let index = 1; index < siblings.length; index++) {
      const [one, other] = [siblings[index - 1], siblings[index]];
      const gap = gapBetween(one, other);
      if (Math.abs(point.x - gap.x) > gap.reachX || Math.abs(point.y - gap.y) > gap.reachY) continue;
      return { kind: "gap", index, gap };
    }
    return null;
  }

  #aim(target) {
    const old = this.#target;
    this.#target = target;
    if (old?.id && old.id !== target?.id)
      this.#canvas.cards.element(old.id)?.classList.remove("drop-target", "drop-refused");
    const lifted = this.#id && this.#canvas.cards.element(this.#id);
    const hint = HINTS[target?.kind];
    if (hint) lifted?.setAttribute("data-hint", hint);
    else lifted?.removeAttribute("data-hint");
    if (target?.id)
      this.#canvas.cards.element(target.id)?.classList.add(target.kind === "refused" ? "drop-refused" : "drop-target");
    this.#canvas.frame.classList.toggle("refusing", target?.kind === "refused");
    this.#bar.hidden = target?.kind !== "gap";
    if (target?.kind !== "gap") return;
    const { left, top, width, height } = target.gap;
    Object.assign(this.#bar.style, {
      transform: `translate(${left}px, ${top}px)`,
      width: `${width}px`,
      height: `${height}px`,
    });
  }
}

function gapBetween(one, other) {
  if (isBeside(one, other)) {
    const x = (one.x + CARD_WIDTH + other.x) / 2;
    const height = Math.max(one.height, other.height);
    const y = one.y + height / 2;
    const reachX = Math.max(GAP_REACH, (other.x - one.x - CARD_WIDTH) / 2);
    return {
      x,
      y,
      reachX: Math.min(reachX, 4 * GAP_REACH),
      reachY: height / 2 + 10,
      left: x - 2,
      top: one.y,
      width: 4,
      height,
    };
  }
  const y = (one.y + one.height + other.y) / 2;
  return {
    x: one.x + CARD_WIDTH / 2,
    y,
    reachX: CARD_WIDTH / 2 + 10,
    reachY: Math.max(12, (other.y - one.y - one.height) / 2),
    left: one.x,
    top: y - 2,
    width: CARD_WIDTH,
    height: 4,
  };
}
