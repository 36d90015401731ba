// Edits that become one op, as long as nobody has been told of them: typing, dragging, filling in what was just made.

import { applied, composed, size, span } from "../text.js";
import { read, written } from "./replica.js";

const TITLE_CHARACTERS = 500; // [TR2]

/** Which edits become part of an op that waits. */
export class Joining {
  /** Makes a fresh entry hold a later edit too, and answers it; null where the two must stay apart. */
  join(entries, later) {
    const { op } = later;
    if (op.op === "text") return this.#text(entries, later);
    const last = entries.at(-1);
    if (!last?.isFresh || last.mode !== later.mode || last.op.op !== op.op) return null;
    if (op.op === "move") return this.#drag(last, op);
    if (op.op !== "update" && op.op !== "configure") return null;
    if (last.op.node !== op.node || last.op.connection !== op.connection || last.op.base !== op.base) return null;
    return this.#update(last, op);
  }

  #text(entries, later) {
    const { node, path } = later.op;
    const [field] = later.fields;
    const last = entries.findLast((entry) => !entry.dropped && entry.touches(node, field));
    if (!last?.isFresh || last.mode !== later.mode) return null;
    if (last.isText) {
      last.shown = composed(last.shown, later.shown);
      last.op = { ...last.op, delta: last.shown };
      return last;
    }
    if (last.op.op === "update" && last.op.node === node) return this.#value(last, path, later.shown);
    return last.op.op === "insert" ? this.#content(last, path, later.shown) : null;
  }

  // Into a value that nobody has been told of: who types over all of a text has written a new one.
  #value(update, path, delta) {
    const held = update.op.set?.[path];
    if (typeof held !== "string" || span(delta) > size(held)) return null;
    const text = applied(held, delta);
    if (path === "title" && (!text || size(text) > TITLE_CHARACTERS)) return null;
    update.op = { ...update.op, set: { ...update.op.set, [path]: text } };
    return update;
  }

  // Into the content of a node that the server has not heard of.
  #content(insert, path, delta) {
    const { op } = insert;
    const held = read({ template_data: {}, metadata: {}, description: "", ...op }, path) ?? "";
    if (typeof held !== "string" || span(delta) > size(held)) return null;
    const text = applied(held, delta);
    if (path === "title" && (!text || size(text) > TITLE_CHARACTERS)) return null;
    insert.op = written(op, { set: { [path]: text } });
    return insert;
  }

  #drag(last, op) {
    const isDrag = (one) => one.parent === undefined && one.after === undefined;
    if (last.op.node !== op.node || !isDrag(op) || !isDrag(last.op)) return null;
    last.op = { ...last.op, position: op.position };
    return last;
  }

  #update(last, { set = {}, unset = [], was = {} }) {
    const before = last.op;
    const kept = Object.entries(before.set ?? {}).filter(([path]) => !unset.includes(path));
    const off = [
      ...(before.unset ?? []).filter((path) => !Object.hasOwn(set, path) && !unset.includes(path)),
      ...unset,
    ];
    last.op = { ...before, set: { ...Object.fromEntries(kept), ...set }, unset: off, was: { ...was, ...before.was } };
    for (const field of ["set", "unset", "was"]) if (!Object.keys(last.op[field]).length) delete last.op[field];
    last.learn();
    return last;
  }
}
