// The lines of the canvas: one path for all links from parent to child that are near, and one each for connections.

import { drawn, say } from "./dom.js";
import { CARD_WIDTH, INDENT, hangs } from "./layout.js";
import { MARKS } from "./past.js";

const RAIL = INDENT / 2; // from a parent's left edge to the line that its hanging children share
const CORNER = 8;

/** The line from a parent to its child, as path data. Both have x, y and height. */
export function linkPath(parent, child) {
  const [fromY, toX] = [parent.y + parent.height, child.x + CARD_WIDTH / 2];
  if (hangs(parent, child)) {
    const [x, y] = [parent.x + RAIL, child.y + child.height / 2];
    return `M${x} ${fromY}V${y - CORNER}q0 ${CORNER} ${CORNER} ${CORNER}H${child.x}`;
  }
  const fromX = parent.x + CARD_WIDTH / 2;
  if (child.y >= fromY + 2 * CORNER) {
    const middle = fromY + Math.min(32, (child.y - fromY) / 2);
    const side = Math.sign(toX - fromX);
    const corner = Math.min(CORNER, Math.abs(toX - fromX) / 2);
    if (corner < 1) return `M${fromX} ${fromY}V${child.y}`;
    return `M${fromX} ${fromY}V${middle - corner}q0 ${corner} ${side * corner} ${corner}H${toX - side * corner}q${side * corner} 0 ${side * corner} ${corner}V${child.y}`;
  }
  const reach = 60;
  return `M${fromX} ${fromY}C${fromX} ${fromY + reach} ${toX} ${child.y - reach} ${toX} ${child.y}`;
}

/** Where a connection leaves one card and meets another, and the curve between. */
export function connectionCurve(from, to) {
  const [a, b] = [middleOf(from), middleOf(to)];
  const sideways = Math.abs(a.x - b.x) > CARD_WIDTH;
  const start = sideways ? sideOf(from, b) : edgeOf(from, b);
  const end = sideways ? sideOf(to, a) : edgeOf(to, a);
  const bend = Math.min(160, Math.max(40, (sideways ? Math.abs(start.x - end.x) : Math.abs(start.y - end.y)) / 2));
  const [sx, sy] = sideways ? [Math.sign(b.x - a.x) * bend, 0] : [0, Math.sign(b.y - a.y || 1) * bend];
  const d = `M${start.x} ${start.y}C${start.x + sx} ${start.y + sy} ${end.x - sx} ${end.y - sy} ${end.x} ${end.y}`;
  return { d, middle: { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 } };
}

const middleOf = ({ x, y, height }) => ({ x: x + CARD_WIDTH / 2, y: y + height / 2 });
const sideOf = (card, towards) => ({
  x: towards.x > card.x + CARD_WIDTH / 2 ? card.x + CARD_WIDTH : card.x,
  y: card.y + card.height / 2,
});
const edgeOf = (card, towards) => ({
  x: card.x + CARD_WIDTH / 2,
  y: towards.y > card.y + card.height / 2 ? card.y + card.height : card.y,
});

/** Draws connections, keeping an element for each that is shown. */
export class Connections {
  #layer;
  #nearLayer;
  #shown = new Map();

  /** Those of the selected card are drawn over the other cards, in `nearLayer`; the rest beneath them. */
  constructor(layer, nearLayer) {
    this.#layer = layer;
    this.#nearLayer = nearLayer;
  }

  /**
   * @param {Iterable<{id: string, from: string, to: string, label: string}>} connections
   * @param {(id: string) => {x: number, y: number, height: number} | null} cardOf the card, or null where it is not to be seen
   * @param {string | null} selection
   * @param {Map<string, import("./past.js").Mark>} [since] what is different now about connections of the past
   */
  draw(connections, cardOf, selection, since) {
    const left = new Set(this.#shown.keys());
    for (const connection of connections) {
      const [from, to] = [cardOf(connection.from), cardOf(connection.to)];
      if (!from || !to) continue;
      left.delete(connection.id);
      this.#drawOne(connection, from, to, selection, since?.get(connection.id) ?? "");
    }
    for (const id of left) {
      this.#shown.get(id).group.remove();
      this.#shown.delete(id);
    }
  }

  #drawOne(connection, from, to, selection, mark) {
    const parts = this.#shown.get(connection.id) ?? this.#added(connection.id);
    const { d, middle } = connectionCurve(from, to);
    if (parts.d !== d) {
      parts.line.setAttribute("d", d);
      parts.label.setAttribute("x", middle.x);
      parts.label.setAttribute("y", middle.y - 6);
      parts.d = d;
    }
    say(parts.label, mark ? `${MARKS[mark].sign} ${connection.label || MARKS[mark].word}` : connection.label);
    if (parts.mark !== mark) parts.group.setAttribute("data-since", (parts.mark = mark));
    const near = connection.from === selection || connection.to === selection;
    if (parts.near === near) return;
    parts.near = near;
    parts.group.classList.toggle("near", near);
    (near ? this.#nearLayer : this.#layer).append(parts.group);
  }

  #added(id) {
    const line = drawn("path", { class: "connection-line", "marker-end": "url(#arrow)" });
    const label = drawn("text", { class: "connection-label", "text-anchor": "middle" });
    const group = drawn("g", { class: "connection", "data-connection": id }, line, label);
    const parts = { group, line, label, d: "", near: null, mark: "" };
    this.#shown.set(id, parts);
    return parts;
  }
}
