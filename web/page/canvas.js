// Draws the scene: what is near the part in sight, at most once per frame. Moving the camera only changes a transform
// until it leaves the part that was drawn.

import { Camera, eased } from "./camera.js";
import { Cards } from "./cards.js";
import { perFrame } from "./dom.js";
import { CARD_WIDTH } from "./layout.js";
import { Connections, linkPath } from "./links.js";

const AHEAD = 0.5; // how much of a screen is drawn beyond each edge
const GLIDE_MS = 200;
const FAR = 0.5; // below this scale cards show their title alone, larger
const FARTHER = 0.22; // and below this one only their colour: it could not be read

export class Canvas extends EventTarget {
  cards;
  camera;
  /** What is dragged at the moment: `{ id, dx, dy }`. */
  lifted = null;
  /** Others on the canvas: node id to who is there. */
  watchers = new Map();
  #desk;
  #links;
  #trail;
  #connections;
  #drawn = null; // the part of the canvas that was drawn last
  #glide = null; // { from: Map of places, began }
  #draw = perFrame(() => this.#redraw());

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk, { frame, world, cards, links, trail, connections, nearConnections }) {
    super();
    this.#desk = desk;
    this.frame = frame;
    this.cards = new Cards(cards);
    this.#links = links;
    this.#trail = trail;
    this.#connections = new Connections(connections, nearConnections);
    this.camera = new Camera(frame, world, () => this.#looked());
    new ResizeObserver(() => this.#looked()).observe(frame);
    desk.addEventListener("scene", () => this.#changed());
    desk.addEventListener("selection", (event) => this.#selected(event.detail));
    desk.progress.addEventListener("change", ({ detail }) => this.cards.progressed(detail.nodes, this.#progressOf));
    this.#places = new Map([...desk.scene.items.values()].map(({ id, x, y }) => [id, { x, y }]));
  }

  #places;
  #progressOf = (id) => (this.#desk.past ? null : this.#desk.progress.of(id)); // it is told of now alone

  /** Draw at the next frame. */
  redraw() {
    this.#drawn = null;
    this.#draw();
  }

  /** Where a card is shown now: its place, unless it glides there or is dragged. */
  placeOf = (item) => {
    if (this.lifted?.id === item.id) return { x: item.x + this.lifted.dx, y: item.y + this.lifted.dy };
    const from = this.#glide?.from.get(item.id);
    if (!from) return item;
    const part = this.#glide.part;
    return { x: from.x + (item.x - from.x) * part, y: from.y + (item.y - from.y) * part };
  };

  /** The item whose card is at this point of the canvas, the last drawn first. */
  itemAt({ x, y }, except = null) {
    let found = null;
    for (const item of this.#desk.scene.items.values()) {
      if (item.id === except || x < item.x || x > item.x + CARD_WIDTH || y < item.y || y > item.y + item.height)
        continue;
      found = item;
    }
    return found;
  }

  /** Show the whole tree, or, where that would be too small to read, its beginning. */
  lookAtStart() {
    const items = [...this.#desk.scene.items.values()];
    this.camera.fit(items, { smooth: false });
    if (this.camera.scale < FAR && items.length)
      this.camera.startAt(items[0], this.frame.clientWidth < 600 ? 0.6 : 0.7);
  }

  #looked() {
    const { scale } = this.camera;
    const far = scale < FARTHER ? "farther" : scale < FAR ? "far" : "near";
    if (this.frame.dataset.distance !== far) this.frame.dataset.distance = far;
    if (!this.#drawn || !holds(this.#drawn, this.camera.sight)) this.#draw();
    this.dispatchEvent(new Event("look"));
  }

  #changed() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const from = new Map();
    const places = new Map();
    for (const item of this.#desk.scene.items.values()) {
      const old = this.#places.get(item.id);
      if (old && (old.x !== item.x || old.y !== item.y)) from.set(item.id, old);
      places.set(item.id, { x: item.x, y: item.y });
    }
    this.#places = places;
    if (from.size && !calm && !this.lifted) this.#glide = { from, began: performance.now(), part: 0 };
    this.redraw();
  }

  #selected({ show, focus }) {
    this.redraw();
    requestAnimationFrame(() => {
      const item = this.#desk.scene.items.get(this.#desk.selection);
      if (!item) return;
      if (show) this.camera.reveal(item);
      const card = this.cards.element(item.id);
      // a title that is typed in it keeps the focus: the second click of a double click has selected the card again
      if (focus && card && !card.contains(document.activeElement)) card.focus({ preventScroll: true });
    });
  }

  #redraw() {
    if (this.#glide) {
      this.#glide.part = eased(Math.min(1, (performance.now() - this.#glide.began) / GLIDE_MS));
      if (this.#glide.part === 1) this.#glide = null;
    }
    const { scene, selection } = this.#desk;
    this.#drawn = widened(this.camera.sight);
    const near = [];
    for (const item of scene.items.values()) if (item.id === selection || this.#isNear(item)) near.push(item);
    const first = scene.view.children(null)[0]?.id ?? null;
    const reachable = scene.items.has(selection) ? selection : null;
    const { watchers, placeOf } = this;
    this.cards.draw(near, {
      selection: reachable,
      first,
      watchers,
      placeOf,
      progressOf: this.#progressOf,
      since: this.#desk.past?.marks,
    });
    this.#drawLinks(scene, selection);
    this.#connections.draw(
      scene.view.connections.values(),
      (id) => this.#nearCard(id),
      selection,
      this.#desk.past?.lines,
    );
    this.dispatchEvent(new Event("draw"));
    if (this.#glide) this.#draw();
  }

  #isNear(item) {
    const { x, y } = this.placeOf(item);
    const { left, top, right, bottom } = this.#drawn;
    return x < right && x + CARD_WIDTH > left && y < bottom && y + item.height > top;
  }

  #nearCard(id) {
    const item = this.#desk.scene.items.get(id);
    return item ? { ...this.placeOf(item), height: item.height } : null;
  }

  #drawLinks(scene, selection) {
    let all = "";
    for (const item of scene.items.values()) {
      const parent = scene.items.get(item.node.parent);
      if (parent && !this.#isLifted(parent, item) && this.#touches(parent, item)) all += this.#link(parent, item);
    }
    this.#links.setAttribute("d", all);
    let trail = "";
    for (
      let item = scene.items.get(selection), parent;
      item && (parent = scene.items.get(item.node.parent));
      item = parent
    ) {
      if (!this.#isLifted(parent, item)) trail += this.#link(parent, item);
    }
    this.#trail.setAttribute("d", trail);
  }

  // Links of a card in the hand are not drawn: they are what is about to change.
  #isLifted(parent, item) {
    return this.lifted?.id === parent.id || this.lifted?.id === item.id;
  }

  #link(parent, item) {
    const [above, below] = [this.placeOf(parent), this.placeOf(item)];
    return linkPath({ x: above.x, y: above.y, height: parent.height }, { x: below.x, y: below.y, height: item.height });
  }

  #touches(parent, item) {
    const [a, b] = [this.placeOf(parent), this.placeOf(item)];
    const { left, top, right, bottom } = this.#drawn;
    return (
      Math.min(a.x, b.x) < right &&
      Math.max(a.x, b.x) + CARD_WIDTH > left &&
      Math.min(a.y, b.y) < bottom &&
      Math.max(a.y, b.y) + item.height > top
    );
  }
}

function widened({ left, top, right, bottom }) {
  const [dx, dy] = [(right - left) * AHEAD, (bottom - top) * AHEAD];
  return { left: left - dx, top: top - dy, right: right + dx, bottom: bottom + dy };
}

function holds(outer, inner) {
  return (
    outer.left <= inner.left && outer.top <= inner.top && outer.right >= inner.right && outer.bottom >= inner.bottom
  );
}
