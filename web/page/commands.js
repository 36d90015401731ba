// What buttons and keys do, in one place, so that both do the same.

import { CARD_WIDTH, isBeside } from "./layout.js";
import { liesBelow } from "./scene.js";

export class Commands {
  #desk;
  #canvas;
  #edits;
  #titles;
  #finder;

  constructor(desk, canvas, edits, titles, finder) {
    this.#desk = desk;
    this.#canvas = canvas;
    this.#edits = edits;
    this.#titles = titles;
    this.#finder = finder;
  }

  get #selection() {
    return this.#desk.selection;
  }

  /** Add a node below the selected one (or a root) and type its title. */
  addChild() {
    this.#typeInto(this.#edits.addChild(this.#selection));
  }

  addSibling() {
    this.#typeInto(this.#edits.addSibling(this.#selection));
  }

  addRoot() {
    this.#typeInto(this.#edits.addChild(null));
  }

  #typeInto(id) {
    if (!id) return;
    // its card is drawn with the next frame
    requestAnimationFrame(() => {
      this.#desk.select(id);
      requestAnimationFrame(() => requestAnimationFrame(() => this.#titles.open(id)));
    });
  }

  rename() {
    if (this.#selection) this.#titles.open(this.#selection);
  }

  remove() {
    if (this.#selection) this.#edits.remove(this.#selection);
  }

  fold() {
    if (this.#selection) this.#edits.fold(this.#selection);
  }

  undo() {
    if (this.#desk.past) return this.#desk.say("Go back to now to undo.", "note");
    this.#desk.say(this.#desk.tree.undo() ? "Undone." : "Nothing to undo.", "quiet");
  }

  redo() {
    if (this.#desk.past) return this.#desk.say("Go back to now to redo.", "note");
    this.#desk.say(this.#desk.tree.redo() ? "Redone." : "Nothing to redo.", "quiet");
  }

  tidyUp() {
    if (this.#edits.tidyUp()) requestAnimationFrame(() => this.fit());
  }

  tidyBelow() {
    if (this.#selection) this.#edits.tidyUp(this.#selection);
  }

  fit() {
    this.#canvas.camera.fit(this.#desk.scene.items.values());
  }

  zoom(factor) {
    this.#canvas.camera.zoomBy(factor);
  }

  /** Life size, around the selected card where there is one. */
  zoomToOne() {
    this.#canvas.camera.zoomBy(1 / this.#canvas.camera.scale);
    const item = this.#desk.scene.items.get(this.#selection);
    if (item) this.#canvas.camera.reveal(item);
  }

  find() {
    this.#finder.open("Find a node", (id) => this.#desk.goTo(id), { wide: true });
  }

  connect() {
    const from = this.#selection;
    if (from)
      this.#finder.open("Connect to…", (id) => this.#edits.connect(from, id), { fits: (node) => node.id !== from });
  }

  moveBelow() {
    const id = this.#selection;
    const fits = (node) => !liesBelow(this.#desk.view, node.id, id);
    if (id) this.#finder.open("Move below…", (parent) => this.#edits.reparent(id, parent), { fits });
  }

  closeDetails() {
    document.body.classList.remove("details-open");
    this.#canvas.cards.element(this.#selection)?.focus({ preventScroll: true });
  }

  toggleDetails() {
    document.body.classList.toggle("details-open");
  }

  /** Move the selection: up to the parent, down to the children, to the sides among siblings; inside a column up and down. */
  step(direction) {
    const { scene, view } = this.#desk;
    const here = scene.items.get(this.#selection);
    if (!here) return this.#desk.select(view.children(null)[0]?.id ?? null);
    const next = this.#next(here, direction);
    if (next) this.#desk.select(next);
  }

  #next(here, direction) {
    const { scene, view } = this.#desk;
    const siblings = view.children(here.node.parent);
    const [before, after] = [siblings[here.index - 2], siblings[here.index]];
    const column = [before, after].some((one) => one && !isBeside(here, scene.places.get(one.id)));
    const child = here.node.is_collapsed ? null : view.children(here.id)[0]?.id;
    if (direction === "up") return (column && before?.id) || here.node.parent;
    if (direction === "down") return child ?? (column ? after?.id : null);
    if (!column && direction === "left" && before) return before.id;
    if (!column && direction === "right" && after) return after.id;
    return this.#beside(here, direction === "left" ? -1 : 1);
  }

  // The nearest card of the same level in that direction, whoever its parent is.
  #beside(here, sign) {
    let [best, nearest] = [null, Infinity];
    for (const item of this.#desk.scene.items.values()) {
      const away = (item.x - here.x) * sign;
      if (item.level !== here.level || away < CARD_WIDTH / 2) continue;
      const distance = away + 2 * Math.abs(item.y - here.y);
      if (distance < nearest) [best, nearest] = [item.id, distance];
    }
    return best;
  }

  /** Move the selected node through the tree: among its siblings, up to its parent's level, or below the sibling before it. */
  carry(direction) {
    const node = this.#desk.selected;
    if (!node) return;
    const { view, scene } = this.#desk;
    const siblings = view.children(node.parent);
    const index = siblings.findIndex((one) => one.id === node.id);
    const neighbour = siblings[index - 1] ?? siblings[index + 1];
    const column = neighbour && !isBeside(scene.places.get(node.id), scene.places.get(neighbour.id));
    const along = column ? { up: -1, down: 1 } : { left: -1, right: 1 };
    if (along[direction]) this.#edits.reorder(node.id, index + along[direction]);
    else if (direction === (column ? "left" : "up") && node.parent)
      this.#edits.reparent(node.id, view.nodes.get(node.parent).parent, node.parent);
    else if (direction === (column ? "right" : "down") && siblings[index - 1])
      this.#edits.reparent(node.id, siblings[index - 1].id);
    else return;
    requestAnimationFrame(() => this.#desk.select(node.id));
  }
}
