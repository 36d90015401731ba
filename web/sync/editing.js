// Making ops: a method for each kind, with what their author sees put in (`was`, a move's position).

import { applied, difference, size, spliced, storable } from "../text.js";
import { read } from "./replica.js";
import { textAt } from "./wishes.js";

const ID_BYTES = 9; // 72 random bits: no two people ever make the same id

/** An id for a new node or connection. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(ID_BYTES)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** A method for each kind of op; `edit` queues it. Types in treesync.d.ts. */
export class Editing extends EventTarget {
  /** The tree as its author sees it. @abstract */
  get view() {
    throw new TypeError("abstract");
  }

  /** @abstract @param {Record<string, unknown>} op @param {"live" | "replay" | "force"} mode */
  edit(op, mode) {
    throw new TypeError("abstract");
  }

  /** A new node; `after` a sibling, null: first, absent: last. */
  insert({ id = newId(), parent = null, ...content }) {
    return this.edit({ op: "insert", node: id, parent, ...present(content) });
  }

  /** Set fields by path, `{ title: "…", "template_data.core_why": "…" }`, and take keys of maps away. */
  update(node, set, unset) {
    const seen = this.view.nodes.get(node);
    return this.edit({ op: "update", node, ...present({ set, unset, was: seen && seenAt(seen, set, unset) }) });
  }

  /** Put `insert` in place of `remove` UTF-16 units at `at` of a text field, as an input event tells it. */
  splice(node, path, at, remove, insert) {
    const text = textAt(this.view.nodes.get(node), path);
    return this.#text(node, path, text, spliced(text, at, remove, insert));
  }

  /** Make a text field read like this, by the smallest splice that does. */
  write(node, path, text) {
    const held = textAt(this.view.nodes.get(node), path);
    return this.#text(node, path, held, difference(held, storable(text)));
  }

  // What replaces most of a text is another text: two people who did so do not want theirs run together.
  #text(node, path, text, delta) {
    if (!delta.length) return Promise.resolve({ n: null, status: "unchanged" });
    const gone = delta.reduce((sum, part) => (part < 0 && typeof part === "number" ? sum - part : sum), 0);
    if (gone > size(text) / 2) return this.update(node, { [path]: applied(text, delta) });
    return this.edit({ op: "text", node, path, delta });
  }

  /** To another parent, another place among siblings, another position on the canvas. */
  move(node, { parent, after, position }) {
    const here = this.view.nodes.get(node);
    if (parent !== undefined) position ??= here?.position ?? { x: 0, y: 0 }; // a reparent carries it [TR13]
    return this.edit({ op: "move", node, ...present({ parent, after, position }) });
  }

  /** To the trash, with all below it. */
  remove(node) {
    return this.edit({ op: "delete", node });
  }

  /** Out of the trash, with what went with it. */
  restore(node, parent) {
    return this.edit({ op: "restore", node, ...present({ parent }) });
  }

  /** Connect two nodes. */
  link(from, to, label = "", id = newId()) {
    return this.edit({ op: "connect", connection: id, from, to, label });
  }

  /** Take a connection away. */
  unlink(connection) {
    return this.edit({ op: "disconnect", connection });
  }

  /** Name a connection. */
  relabel(connection, label) {
    const was = this.view.connections.get(connection)?.label;
    return this.edit({
      op: "update",
      connection,
      set: { label },
      ...present({ was: was === undefined ? was : { label: was } }),
    });
  }

  /** Set the tree's own fields. */
  configure(set, unset) {
    return this.edit({ op: "configure", ...present({ set, unset, was: seenAt(this.view.details, set, unset) }) });
  }
}

// The values their author saw: what the server compares with where bases say nothing, and what texts are merged from.
function seenAt(thing, set = {}, unset = []) {
  const paths = [...Object.keys(set), ...unset];
  const seen = paths.map((path) => [path, read(thing, path)]).filter(([, value]) => value !== undefined);
  return seen.length ? Object.fromEntries(seen) : undefined;
}

function present(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
