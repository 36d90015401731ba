// What a confirmed change, or one of our own that comes to nothing, does to what waits on the same text. `carried(node,
// path, change, seq)` is told how the text that its author sees was changed under them.

import { difference } from "../text.js";
import { carry, changeOf, fieldOf, textAfter } from "./fields.js";
import { textAt } from "./wishes.js";

/** An effective op has changed a node from `before` to `after`; `entry`: our own that it confirms, if it is one. */
export function carryOver(queue, { op, entry, before, after, seq }, carried) {
  for (const path of pathsOf(op)) {
    if (!entry?.fields.has(fieldOf(op.node, path))) {
      const change = changeOf(op, path, before, after);
      if (change) carryThrough(queue, queue.entries, { node: op.node, path, change, seq }, carried);
      continue;
    }
    // shown before it was confirmed: only where it came otherwise is there anything to carry
    const expected = textAfter(textAt(before, path), entry.isVisible ? [entry] : [], op.node, path);
    const actual = textAt(after, path);
    if (expected === actual) continue;
    const behind = queue.entries.slice(queue.entries.indexOf(entry) + 1);
    carryThrough(queue, behind, { node: op.node, path, change: difference(expected, actual), seq }, carried);
  }
}

/** An entry was shown and will not come: what was typed behind it is brought to the text without it. */
export function withdraw(queue, entry, confirmed, carried) {
  const place = queue.entries.indexOf(entry);
  const before = queue.entries.slice(0, place);
  const behind = queue.entries.slice(place + 1);
  for (const field of entry.fields) {
    const [node, path] = field.split("\u0000");
    const text = textAt(confirmed.nodes.get(node), path);
    const [without, shown] = [before, [...before, entry]].map((some) => textAfter(text, some, node, path));
    if (without === shown) continue;
    carryThrough(queue, behind, { node, path, change: difference(shown, without), seq: null }, carried);
  }
  entry.hidden = true;
}

function carryThrough(queue, entries, { node, path, change, seq }, carried) {
  const done = carry(entries, node, path, change, seq);
  for (const entry of done.entries) queue.dirty.add(entry);
  carried(node, path, done.change, seq);
}

function pathsOf(op) {
  if (op.op === "text") return [op.path];
  return op.op === "update" ? [...Object.keys(op.set ?? {}), ...(op.unset ?? [])] : [];
}
