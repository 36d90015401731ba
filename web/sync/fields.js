// Text fields on which several changes wait, and what becomes of waiting deltas when the text under them changes
// [SEMANTICS 14, 15, 29]. A delta that waits is kept as it applies now (`entry.shown`): to confirmed text, after the
// waiting changes of the same field before it.

import { applied, difference, size, span, transformed } from "../text.js";
import { textAt } from "./wishes.js";

/** A field as one key. */
export function fieldOf(node, path) {
  return `${node}\u0000${path}`; // no id contains it [ED13]
}

/** Which fields of nodes an op changes. */
export function fieldsOf(op) {
  if (op.op === "text") return new Set([fieldOf(op.node, op.path)]);
  if (op.op !== "update" || op.node === undefined) return new Set();
  return new Set([...Object.keys(op.set ?? {}), ...(op.unset ?? [])].map((path) => fieldOf(op.node, path)));
}

/** Ids of the nodes an op makes; "*": it cannot be told. */
export function makes(op) {
  if (op.op === "restore") return "*";
  if (op.op === "insert") return [op.node];
  return op.op === "import" ? op.nodes.map((node) => node.id) : [];
}

/** The change of a text field by an effective op that has been applied: a delta; null where nothing changed. */
export function changeOf(op, path, before, after) {
  if (op.op === "text") return op.delta;
  const [old, now] = [textAt(before, path), textAt(after, path)];
  return old === now ? null : difference(old, now);
}

/**
 * Someone else's change came under waiting ones, with `seq` (null: an own one was taken away): each delta is transformed over it, and it over each delta
 * (the change was first: at one place its text stands left). Answers { entries: those that were transformed, change: as
 * it comes to the text their author sees, null where it does not }.
 */
export function carry(entries, node, path, change, seq) {
  const field = fieldOf(node, path);
  const changed = [];
  for (const entry of entries) {
    if (!entry.isVisible || !entry.fields.has(field)) continue;
    if (!entry.isText) return { entries: changed, change: null }; // a value that is set stands, whatever was there
    if (seq !== null && entry.at >= seq) continue; // it was stored with that in it
    [change, entry.shown] = transformed(change, entry.shown);
    entry.at = seq ?? entry.at;
    changed.push(entry);
  }
  return { entries: changed, change };
}

/** What stands at a text field after the given waiting changes, over `text`. */
export function textAfter(text, entries, node, path) {
  const field = fieldOf(node, path);
  for (const entry of entries) {
    if (!entry.isVisible || !entry.fields.has(field)) continue;
    if (!entry.isText) text = typeof entry.op.set?.[path] === "string" ? entry.op.set[path] : "";
    else if (span(entry.shown) <= size(text)) text = applied(text, entry.shown);
  }
  return text;
}
