// What becomes of a queue when confirmed state was replaced by a snapshot [SEMANTICS 11].

import { difference } from "../text.js";
import { carry, fieldOf, textAfter } from "./fields.js";
import { read } from "./replica.js";
import { textAt } from "./wishes.js";

/**
 * `isLost`: the snapshot comes from another history, or from so far ahead that bases say nothing. Then what the server
 * has used is sent again for its answer alone; the rest is judged by what its author saw, deltas as full texts.
 * `seq`: where `before` stood. A server may give an older state, and the ops after it again: deltas stay as they are.
 */
export function rebased(queue, before, after, message, { isLost, seq }) {
  const { entries } = queue;
  const held = entries.filter((entry) => isIn(entry, message));
  const rest = entries.filter((entry) => entry.isUnanswered && !held.includes(entry));
  for (const { node, path } of textsOf(rest)) {
    const start = startOf(before, entries, node, path);
    const shown = textAfter(start, held, node, path);
    const now = textAt(after.nodes.get(node), path);
    if (isLost) asUpdate(queue, rest, { node, path, start: shown });
    else if (message.position.seq < seq) hold(rest, fieldOf(node, path), seq);
    else if (shown !== now) carry(rest, node, path, difference(shown, now), message.position.seq);
  }
  for (const entry of held) entry.hidden = true;
  for (const entry of rest) {
    if (isLost) entry.op = { ...entry.op, base: 0 };
    queue.dirty.add(entry);
  }
}

function hold(entries, field, seq) {
  for (const entry of entries) if (entry.isText && entry.fields.has(field)) entry.at = Math.max(entry.at, seq);
}

// An answer was had and says a seq that the snapshot has; or, where the snapshot was asked for, the number was used.
function isIn(entry, { position, last_n, ref, reason }) {
  if (entry.settledAt !== null) return (entry.result?.seq ?? entry.settledAt) <= position.seq;
  return (ref !== undefined || reason !== "large") && entry.n !== null && entry.n <= last_n;
}

function textsOf(entries) {
  const found = new Map();
  for (const { isText, isVisible, op } of entries) if (isText && isVisible) found.set(fieldOf(op.node, op.path), op);
  return [...found.values()];
}

// The text that the first waiting change of a field was made on.
function startOf(before, entries, node, path) {
  const known = before?.nodes.get(node);
  if (known) return textAt(known, path);
  const insert = entries.find((entry) => entry.op.op === "insert" && entry.op.node === node);
  const value = insert && read({ template_data: {}, metadata: {}, ...insert.op }, path);
  return typeof value === "string" ? value : "";
}

// All deltas of a field become one update of the full text, with the text their author saw.
function asUpdate(queue, rest, { node, path, start }) {
  const field = fieldOf(node, path);
  const mine = rest.filter((entry) => entry.isVisible && entry.fields.has(field));
  const texts = mine.map((_, place) => textAfter(start, mine.slice(0, place + 1), node, path));
  let update = null;
  for (const [place, entry] of mine.entries()) {
    if (!entry.isText) {
      update = null; // a value that was set in between stands before the next
      continue;
    }
    const text = texts[place];
    if (update && entry.n === null) {
      update.op.set[path] = text;
      update.resolvers.push(...entry.resolvers.splice(0));
      entry.dropped = true;
      continue;
    }
    entry.op = { op: "update", node, base: 0, set: { [path]: text }, was: { [path]: start } };
    entry.shown = null;
    update = entry;
  }
  queue.forgetDropped();
}
