// Queued ops over confirmed state [RP3]: what a server that stood where the view stands would do with them. What does
// not apply now is passed over; it stays in the queue.

import { keyBetween } from "../order.js";
import { read } from "./replica.js";

/** Show one entry of the queue in a view, a Replica of its own. Order keys and seqs are provisional. */
export function wish(view, entry) {
  try {
    const shown = WISHES[entry.op.op]?.(view, entry.op, entry);
    if (shown) view.apply(shown, 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a delta beyond its text: what is under it is still on its way
  }
}

/** The text at a path; whatever is no text counts as none. */
export function textAt(thing, path) {
  const value = thing && read(thing, path);
  return typeof value === "string" ? value : "";
}

const WISHES = {
  insert: (view, op) => !view.nodes.has(op.node) && { ...op, parent: op.parent ?? null, order: order(view, op) },
  update: (view, op) => op,
  text: (view, op, entry) => ({ ...op, delta: entry.shown }),
  move,
  delete: (view, op) => op,
  restore,
  connect: (view, op) => !view.connections.has(op.connection) && op.from !== op.to && op,
  disconnect: (view, op) => op,
  configure: (view, op) => op,
  import: imported,
};

function move(view, op) {
  const node = view.nodes.get(op.node);
  if (!node || (op.parent && view.liesBelow(op.parent, op.node))) return null;
  const parent = op.parent === undefined ? node.parent : op.parent;
  const stays = parent === node.parent && op.after === undefined;
  return { ...op, parent, order: stays ? node.order : order(view, { ...op, parent }) };
}

function restore(view, op) {
  const gone = view.trash.get(op.node);
  if (!gone || view.nodes.has(op.node)) return null;
  const [top, ...rest] = gone.nodes;
  const parent = op.parent === undefined ? top.parent : op.parent;
  const place = parent === top.parent ? top.order : order(view, { parent });
  return { ...op, nodes: [{ ...top, parent, order: place }, ...rest], connections: gone.connections };
}

function imported(view, op) {
  const orders = new Map(); // parent to the last key given there
  const made = [];
  const waiting = [...op.nodes];
  for (let left = -1; waiting.length !== left;) {
    left = waiting.length; // parents first; a list in another order is gone through again
    for (const node of waiting.splice(0)) {
      const parent = node.parent ?? op.parent ?? null;
      const isTop = node.parent === undefined || node.parent === null;
      if (!isTop && !made.some((one) => one.id === parent)) {
        waiting.push(node);
        continue;
      }
      const key = orders.has(parent) ? keyBetween(orders.get(parent), null) : order(view, isTop ? op : { parent });
      orders.set(parent, key);
      made.push({
        description: "",
        position: { x: 0, y: 0 },
        is_collapsed: false,
        template_data: {},
        metadata: {},
        ...node,
        parent,
        order: key,
      });
    }
  }
  return { op: "import", nodes: made, connections: (op.connections ?? []).map((one) => ({ label: "", ...one })) };
}

// Behind the wished sibling; first for null; last where it is none of them [TR11, TR12].
function order(view, { node, parent = null, after }) {
  const siblings = view.below.get(parent) ?? [];
  const at = (place) => (siblings[place] === node ? null : (view.nodes.get(siblings[place])?.order ?? null));
  const wished = after === undefined || after === null || after === node ? -1 : siblings.indexOf(after);
  const place = after === null ? 0 : wished < 0 ? siblings.length : wished + 1; // to stand before this one
  const low = siblings[place - 1] === node ? at(place - 2) : at(place - 1);
  const high = siblings[place] === node ? at(place + 1) : at(place);
  return low !== null && high !== null && low >= high ? low : keyBetween(low, high);
}
