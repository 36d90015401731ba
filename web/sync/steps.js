// What one edit changed, so that it can be taken back: a step is made from the view before the edit, and answers the op
// that undoes it in a later view, or null where nothing of it still stands. Rules: treesync.d.ts, `Tree.undo`.

import { applied, inverted, size, span } from "../text.js";
import { read } from "./replica.js";
import { textAt } from "./wishes.js";

const VIEW_STATE = /^(is_collapsed$|canvas_state\.)/; // how somebody looks at the tree, not what it says

/** The step of an op, from the view before it; null where there is nothing to undo. */
export function stepOf(op, view) {
  return STEPS[op.op]?.(op, view) ?? null;
}

const STEPS = {
  insert: (op) => made([op.node]),
  import: (op) =>
    made(op.nodes.filter((node) => node.parent === undefined || node.parent === null).map((node) => node.id)),
  restore: (op, view) => (view.nodes.has(op.node) ? null : made([op.node])),
  delete: (op, view) => (view.nodes.has(op.node) ? removed(op.node) : null),
  connect: (op, view) => (view.connections.has(op.connection) ? null : linked(op)),
  disconnect: (op, view) => unlinked(view.connections.get(op.connection)),
  text,
  move,
  configure: (op, view) => fields({}, op, view.details, "configure"),
  update: (op, view) =>
    op.connection === undefined
      ? fields({ node: op.node }, op, view.nodes.get(op.node), "update")
      : fields({ connection: op.connection }, op, view.connections.get(op.connection), "update"),
};

function made(nodes) {
  return {
    kind: "made",
    undo(view, touched) {
      // what others have changed, or put below it, is not ours to take away
      const ours = nodes.filter((id) => view.nodes.has(id) && !view.subtree(id).some((one) => touched.has(one)));
      return ours.map((node) => ({ op: "delete", node }));
    },
  };
}

function removed(node) {
  return {
    kind: "removed",
    undo(view) {
      const parent = view.trash.get(node)?.nodes[0].parent ?? null;
      const canReturn = !view.nodes.has(node) && (parent === null || view.nodes.has(parent));
      return canReturn ? [{ op: "restore", node }] : [];
    },
  };
}

function linked({ connection, label = "" }) {
  return {
    kind: "linked",
    undo: (view) => (view.connections.get(connection)?.label === label ? [{ op: "disconnect", connection }] : []),
  };
}

function unlinked(held) {
  if (!held) return null;
  const { id, from, to, label } = held;
  return {
    kind: "unlinked",
    undo(view) {
      const fits = !view.connections.has(id) && view.nodes.has(from) && view.nodes.has(to);
      return fits ? [{ op: "connect", connection: id, from, to, label }] : [];
    },
  };
}

function text({ node, path, delta }, view) {
  const held = view.nodes.get(node);
  if (!held) return null;
  return {
    kind: "text",
    node,
    path,
    delta: inverted(textAt(held, path), delta), // on the text as it is now; carried along by `Undo.carry`
    after: applied(textAt(held, path), delta),
    undo(now) {
      const here = now.nodes.get(node);
      const fits = here && this.delta.length && span(this.delta) <= size(textAt(here, path));
      return fits ? [{ op: "text", node, path, delta: this.delta }] : [];
    },
  };
}

function move({ node, parent, after, position }, view) {
  const held = view.nodes.get(node);
  if (!held) return null;
  const siblings = view.children(held.parent);
  const before = {
    parent: held.parent,
    after: siblings[siblings.indexOf(held) - 1]?.id ?? null,
    position: held.position,
  };
  const left = { parent: parent === undefined ? held.parent : parent, position: position ?? held.position };
  const reparents = left.parent !== held.parent;
  return {
    kind: "placed",
    node,
    before,
    left,
    isDrag: !reparents && after === undefined,
    undo(now) {
      const here = now.nodes.get(node);
      const stands = here && here.parent === this.left.parent && same(here.position, this.left.position);
      if (!stands || (before.parent !== null && !now.nodes.has(before.parent))) return [];
      const back = { op: "move", node };
      if (reparents) back.parent = before.parent;
      if (!this.isDrag) back.after = before.after;
      if (reparents || !same(here.position, this.before.position)) back.position = this.before.position;
      return back.after === undefined && back.position === undefined ? [] : [back];
    },
  };
}

function fields(target, op, held, kind) {
  if (!held) return null;
  const paths = [...Object.keys(op.set ?? {}), ...(op.unset ?? [])].filter((path) => !VIEW_STATE.test(path));
  const changes = Object.fromEntries(paths.map((path) => [path, { before: read(held, path), after: op.set?.[path] }]));
  if (!paths.length) return null;
  return {
    kind: "fields",
    ...target,
    changes,
    undo(view) {
      const now = thingIn(view, target);
      const [set, was, unset] = [{}, {}, []];
      for (const [path, { before, after }] of Object.entries(this.changes)) {
        if (!now || !same(read(now, path), after) || same(before, after)) continue;
        if (before === undefined) unset.push(path);
        else set[path] = before;
        if (after !== undefined) was[path] = after;
      }
      const filled = Object.entries({ set, unset, was }).filter(([, value]) => Object.keys(value).length);
      return Object.keys(set).length + unset.length ? [{ op: kind, ...target, ...Object.fromEntries(filled) }] : [];
    },
  };
}

function thingIn(view, { node, connection }) {
  if (node !== undefined) return view.nodes.get(node);
  return connection === undefined ? view.details : view.connections.get(connection);
}

/** Whether two JSON values are equal; the order of keys says nothing. */
export function same(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]))
  );
}
