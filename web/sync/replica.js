// A tree as plain maps, and the effective ops that change it [RP1, RP2]. No I/O, no events.
//
// A node is never changed in place: one that stays the same keeps its identity from one view to the next, so that a
// page redraws only what changed. Lists of children are replaced, never changed, so that a copy shares them.

import { Digest, hashConnection, hashNode } from "../digest.js";
import { applied } from "../text.js";

const KEPT_DELETIONS = 100; // what left the tree lately, so that bringing it back shows before the server answers
const hashes = new WeakMap(); // of nodes and connections, which are never changed in place

/** Confirmed state, or, with the queue applied to a copy of it, a View of treesync.d.ts. */
export class Replica {
  nodes = new Map();
  connections = new Map();
  details = {};
  below = new Map(); // parent id (null: roots) to the ids of its children, in order
  trash = new Map(); // id of a deletion's top to { nodes, connections }, as they left
  #listed = new Map(); // what `children` has answered

  /** From the parts of a snapshot's `state`. */
  constructor(parts = []) {
    for (const { nodes, connections, ...details } of parts) {
      for (const node of nodes) this.nodes.set(node.id, node);
      for (const connection of connections) this.connections.set(connection.id, connection);
      this.details = details;
    }
    for (const node of this.nodes.values()) {
      if (!this.below.has(node.parent)) this.below.set(node.parent, []);
      this.below.get(node.parent).push(node.id);
    }
    for (const siblings of this.below.values()) siblings.sort((a, b) => compare(this.nodes.get(a), this.nodes.get(b)));
  }

  /** The parts that make it again. */
  get parts() {
    return [{ ...this.details, nodes: [...this.nodes.values()], connections: [...this.connections.values()] }];
  }

  /** Of all of it, as an `ops` frame may carry it [RP5]. */
  get digest() {
    const digest = new Digest();
    for (const node of this.nodes.values()) digest.add(hashed(node, hashNode));
    for (const connection of this.connections.values()) digest.add(hashed(connection, hashConnection));
    return digest.hex;
  }

  copy() {
    const copy = new Replica();
    copy.nodes = new Map(this.nodes);
    copy.connections = new Map(this.connections);
    copy.details = this.details;
    copy.below = new Map(this.below);
    copy.trash = new Map(this.trash);
    return copy;
  }

  /** Children in order; of null the roots. */
  children(parent) {
    if (!this.#listed.has(parent)) {
      this.#listed.set(
        parent,
        (this.below.get(parent) ?? []).map((id) => this.nodes.get(id)),
      );
    }
    return this.#listed.get(parent);
  }

  /** Ids of a node and all below it, parents first. */
  subtree(id) {
    const found = this.nodes.has(id) ? [id] : [];
    for (const one of found) for (const child of this.below.get(one) ?? []) found.push(child); // grows while it is walked
    return found;
  }

  liesBelow(id, above) {
    for (let node = this.nodes.get(id); node; node = this.nodes.get(node.parent)) if (node.id === above) return true;
    return false;
  }

  /** Apply an effective op; what it names and this replica does not hold is passed over. */
  apply(op, seq) {
    this.#listed.clear();
    switch (op.op) {
      case "insert":
        return this.#add({ ...blank(op), seq });
      case "update":
        return op.connection === undefined ? this.#update(op, seq) : this.#relabel(op);
      case "text":
        return this.#text(op, seq);
      case "move":
        return this.#move(op, seq);
      case "delete":
        return this.#remove(op.node);
      case "restore":
        this.trash.delete(op.node);
        return this.#bring(op, seq);
      case "import":
        return this.#bring(op, seq);
      case "purge":
        return void this.trash.delete(op.node);
      case "connect":
        return this.#join({ id: op.connection, from: op.from, to: op.to, label: op.label ?? "" });
      case "disconnect":
        return void this.connections.delete(op.connection);
      case "configure":
        this.details = written(this.details, op);
    }
  }

  #add(node) {
    if (node.parent !== null && !this.nodes.has(node.parent)) return;
    const held = this.nodes.get(node.id);
    if (held) this.#leave(held);
    this.nodes.set(node.id, node);
    this.#stand(node);
  }

  #leave(node) {
    this.below.set(
      node.parent,
      this.below.get(node.parent).filter((id) => id !== node.id),
    );
  }

  #stand(node) {
    const siblings = this.below.get(node.parent) ?? [];
    let [low, high] = [0, siblings.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.nodes.get(siblings[middle]), node) < 0) low = middle + 1;
      else high = middle;
    }
    this.below.set(node.parent, siblings.toSpliced(low, 0, node.id));
  }

  #join(connection) {
    if (this.nodes.has(connection.from) && this.nodes.has(connection.to)) {
      this.connections.set(connection.id, connection);
    }
  }

  #relabel(op) {
    const connection = this.connections.get(op.connection);
    if (connection) this.connections.set(connection.id, { ...connection, label: op.set.label });
  }

  #update(op, seq) {
    const node = this.nodes.get(op.node);
    if (node) this.nodes.set(node.id, { ...written(node, op), seq });
  }

  #text(op, seq) {
    const node = this.nodes.get(op.node);
    if (!node) return;
    const text = read(node, op.path);
    const set = { [op.path]: applied(typeof text === "string" ? text : "", op.delta) };
    this.nodes.set(node.id, { ...written(node, { set }), seq });
  }

  #move(op, seq) {
    const node = this.nodes.get(op.node);
    if (!node || (op.parent !== null && !this.nodes.has(op.parent))) return;
    const moved = { ...node, parent: op.parent, order: op.order, position: op.position ?? node.position, seq };
    this.nodes.set(node.id, moved);
    if (moved.parent === node.parent && moved.order === node.order) return;
    this.#leave(node);
    this.#stand(moved);
  }

  #remove(id) {
    const gone = this.subtree(id).map((one) => this.nodes.get(one));
    if (!gone.length) return;
    this.#leave(gone[0]);
    for (const node of gone) {
      this.nodes.delete(node.id);
      this.below.delete(node.id);
    }
    const cut = [...this.connections.values()].filter((one) => !this.nodes.has(one.from) || !this.nodes.has(one.to));
    for (const one of cut) this.connections.delete(one.id);
    this.trash.set(id, { nodes: gone, connections: cut });
    if (this.trash.size > KEPT_DELETIONS) this.trash.delete(this.trash.keys().next().value);
  }

  #bring(op, seq) {
    for (const node of op.nodes) this.#add({ ...node, seq });
    for (const connection of op.connections ?? []) this.#join(connection);
  }
}

function hashed(thing, hash) {
  let known = hashes.get(thing);
  if (known === undefined) hashes.set(thing, (known = hash(thing)));
  return known;
}

// Order keys are ASCII, so that comparing UTF-16 compares code points; ids settle what provisional keys leave equal.
function compare(one, other) {
  if (one.order !== other.order) return one.order < other.order ? -1 : 1;
  return one.id < other.id ? -1 : 1;
}

/** The value at a path such as `title` or `template_data.core_why`; undefined where there is none. */
export function read(thing, path) {
  const [field, key] = split(path);
  if (key === undefined) return thing[field];
  const map = thing[field];
  return map !== undefined && map !== null && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** `title` replaces a field, `template_data.core_why` a key of a map that is copied, never changed in place. */
export function written(thing, { set = {}, unset = [] }) {
  const changed = { ...thing };
  for (const [path, value] of Object.entries(set)) {
    const [field, key] = split(path);
    changed[field] = key === undefined ? value : { ...changed[field], [key]: value };
  }
  for (const path of unset) {
    const [field, key] = split(path);
    const { [key]: _, ...rest } = changed[field] ?? {};
    changed[field] = rest;
  }
  return changed;
}

function split(path) {
  const dot = path.indexOf(".");
  return dot < 0 ? [path] : [path.slice(0, dot), path.slice(dot + 1)];
}

/** A node as `insert` makes it. */
function blank({ node, parent = null, order, type, title, ...rest }) {
  return {
    id: node,
    parent,
    order,
    type,
    title,
    description: rest.description ?? "",
    position: rest.position ?? { x: 0, y: 0 },
    is_collapsed: rest.is_collapsed ?? false,
    template_data: rest.template_data ?? {},
    metadata: rest.metadata ?? {},
  };
}
