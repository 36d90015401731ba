// Where the canvas is looked at from: a shift and a scale, applied to one element as a transform.

import { boundsOf } from "./scene.js";
import { CARD_WIDTH } from "./layout.js";

export const NEAREST = 2.5;
export const FARTHEST = 0.03;
const LEGIBLE = 0.7; // the scale at which a title can be typed
const MARGIN = 48; // pixels kept free around what is shown
const SETTLED_MS = 160; // after the last movement text is drawn sharp again

export class Camera {
  x = 0;
  y = 0;
  scale = 1;
  /** Pixels of the frame that something stands over. */
  covered = { top: 0, bottom: 0 };
  #frame;
  #moved;
  #timer = 0;
  #flight = 0;

  /**
   * @param {HTMLElement} frame what is looked through
   * @param {HTMLElement} world what is moved
   * @param {() => void} moved called after each movement
   */
  constructor(frame, world, moved) {
    this.#frame = frame;
    this.world = world;
    this.#moved = moved;
  }

  /** The part of the canvas that can be seen, in canvas units. */
  get sight() {
    const { clientWidth: width, clientHeight: height } = this.#frame;
    return {
      left: -this.x / this.scale,
      top: -this.y / this.scale,
      right: (width - this.x) / this.scale,
      bottom: (height - this.y) / this.scale,
    };
  }

  /** From a pointer's place on the screen to the canvas. */
  toCanvas({ clientX, clientY }) {
    const { left, top } = this.#frame.getBoundingClientRect();
    return { x: (clientX - left - this.x) / this.scale, y: (clientY - top - this.y) / this.scale };
  }

  panBy(dx, dy) {
    this.#land();
    this.#set(this.x + dx, this.y + dy, this.scale);
  }

  /** Zoom so that the point under the pointer stays under it. */
  zoomAt({ clientX, clientY }, factor) {
    this.#land();
    const { left, top } = this.#frame.getBoundingClientRect();
    const scale = Math.min(NEAREST, Math.max(FARTHEST, this.scale * factor));
    const [px, py] = [clientX - left, clientY - top];
    this.#set(px - ((px - this.x) * scale) / this.scale, py - ((py - this.y) * scale) / this.scale, scale);
  }

  /** Zoom around the middle. */
  zoomBy(factor) {
    const { left, top, width, height } = this.#frame.getBoundingClientRect();
    this.zoomAt({ clientX: left + width / 2, clientY: top + height / 2 }, factor);
  }

  /** Show all of these cards, no larger than life. */
  fit(items, { smooth = true } = {}) {
    const bounds = boundsOf(items);
    if (!bounds) return;
    const { clientWidth: width, clientHeight: height } = this.#frame;
    const [wide, high] = [bounds.right - bounds.left, bounds.bottom - bounds.top];
    const room = height - this.covered.top - this.covered.bottom;
    const scale = Math.max(FARTHEST, Math.min(1, (width - 2 * MARGIN) / wide, (room - 2 * MARGIN) / high));
    const x = (width - wide * scale) / 2 - bounds.left * scale;
    const y = this.covered.top + (room - high * scale) / 2 - bounds.top * scale;
    this.#fly(x, y, scale, smooth);
  }

  /** Put a card at the top middle at a size that can be read, as the first look at a large tree. */
  startAt(item, scale) {
    this.#set(this.#frame.clientWidth / 2 - (item.x + CARD_WIDTH / 2) * scale, MARGIN - item.y * scale, scale);
  }

  /** Move no farther than needed to see a card whole. */
  reveal(item, { smooth = true } = {}) {
    const { clientWidth: width, clientHeight: height } = this.#frame;
    const scale = this.scale;
    const [left, top] = [item.x * scale + this.x, item.y * scale + this.y];
    const dx = nudge(left, left + CARD_WIDTH * scale, width);
    const { covered } = this;
    const free = top - covered.top;
    const dy = nudge(free, free + item.height * scale, height - covered.top - covered.bottom);
    if (dx || dy) this.#fly(this.x + dx, this.y + dy, scale, smooth);
  }

  /** Come near enough to read and type in a card. */
  approach(item) {
    if (this.scale >= LEGIBLE) return;
    const { clientWidth: width, clientHeight: height } = this.#frame;
    const [x, y] = [item.x + CARD_WIDTH / 2, item.y + item.height / 2];
    this.#fly(width / 2 - x * LEGIBLE, height / 3 - y * LEGIBLE, LEGIBLE, true);
  }

  #fly(x, y, scale, smooth) {
    this.#land();
    if (!smooth || matchMedia("(prefers-reduced-motion: reduce)").matches) return this.#set(x, y, scale);
    const from = { x: this.x, y: this.y, scale: this.scale };
    const began = performance.now();
    const step = (now) => {
      const part = eased(Math.min(1, Math.max(0, now - began) / 220));
      this.#set(from.x + (x - from.x) * part, from.y + (y - from.y) * part, from.scale + (scale - from.scale) * part);
      this.#flight = part < 1 ? requestAnimationFrame(step) : 0;
    };
    this.#flight = requestAnimationFrame(step);
  }

  #land() {
    cancelAnimationFrame(this.#flight);
    this.#flight = 0;
  }

  #set(x, y, scale) {
    [this.x, this.y, this.scale] = [x, y, scale];
    this.world.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    // While it moves the browser scales what it has drawn already; then it draws anew, and sharp.
    this.world.classList.add("moving");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.world.classList.remove("moving"), SETTLED_MS);
    this.#moved();
  }
}

/** Fast at first, slow at the end. */
export function eased(part) {
  return 1 - (1 - part) ** 3;
}

function nudge(from, to, room) {
  if (to - from > room - 2 * MARGIN) return room / 2 - (from + to) / 2;
  if (from < MARGIN) return MARGIN - from;
  return to > room - MARGIN ? room - MARGIN - to : 0;
}
