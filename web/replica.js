// A tree as plain maps, and the effective ops that change it [RP1, RP2]. No I/O, no events.

// Sorts right behind the key it is put after and before every real key that follows: real keys begin above "0".
const BEHIND = " ";

export class Replica {
  nodes = new Map();
  connections = new Map();
  details = {};

  /** From the parts of a snapshot's `state`. */
  constructor(parts = []) {
    for (const { nodes, connections, ...details } of parts) {
      for (const node of nodes) this.nodes.set(node.id, node);
      for (const connection of connections) this.connections.set(connection.id, connection);
      this.details = details;
    }
  }

  copy() {
    const copy = new Replica();
    copy.nodes = new Map(this.nodes);
    copy.connections = new Map(this.connections);
    copy.details = this.details;
    return copy;
  }

  /** Parent id (null: roots) to its children, in order. */
  outline() {
    const below = new Map();
    for (const node of this.nodes.values()) {
      if (!below.has(node.parent)) below.set(node.parent, []);
      below.get(node.parent).push(node);
    }
    for (const siblings of below.values()) {
      siblings.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : a.id < b.id ? -1 : 1));
    }
    return below;
  }

  /** Apply an effective op; what it names and this replica does not hold is passed over. */
  apply(op, seq) {
    const appliers = {
      insert: () => this.#add({ ...blank(op), seq }),
      update: () => this.#update(op, seq),
      move: () => this.#move(op, seq),
      delete: () => this.#remove(op.node),
      restore: () => this.#bring(op, seq),
      import: () => this.#bring(op, seq),
      connect: () => this.#join({ id: op.connection, from: op.from, to: op.to, label: op.label ?? "" }),
      disconnect: () => this.connections.delete(op.connection),
      configure: () => (this.details = written(this.details, op)),
    };
    appliers[op.op]?.();
  }

  /** Show an op that is not confirmed yet, with an order key that holds until the server's comes. */
  applyWish(op) {
    if (op.op === "restore" || op.op === "import") return; // what comes back is the server's to say
    if (op.op === "insert") return this.apply({ ...op, parent: op.parent ?? null, order: this.#behind(op) }, 0);
    if (op.op !== "move") return this.apply(op, 0);
    const node = this.nodes.get(op.node);
    if (!node || this.#liesBelow(op.parent, op.node)) return;
    const parent = op.parent === undefined ? node.parent : op.parent;
    const stays = parent === node.parent && op.after === undefined;
    this.apply({ ...op, parent, order: stays ? node.order : this.#behind({ ...op, parent }) }, 0);
  }

  #behind({ node, parent = null, after }) {
    if (after === null) return BEHIND;
    const siblings = (this.outline().get(parent) ?? []).filter((one) => one.id !== node);
    const wished = siblings.find((one) => one.id === after) ?? siblings.at(-1);
    return (wished?.order ?? "") + BEHIND;
  }

  #liesBelow(id, above) {
    for (let node = this.nodes.get(id); node; node = this.nodes.get(node.parent)) if (node.id === above) return true;
    return false;
  }

  #add(node) {
    if (node.parent === null || this.nodes.has(node.parent)) this.nodes.set(node.id, node);
  }

  #join(connection) {
    if (this.nodes.has(connection.from) && this.nodes.has(connection.to)) {
      this.connections.set(connection.id, connection);
    }
  }

  #update(op, seq) {
    const connection = this.connections.get(op.connection);
    if (connection) this.connections.set(connection.id, { ...connection, label: op.set.label });
    const node = this.nodes.get(op.node);
    if (node) this.nodes.set(node.id, { ...written(node, op), seq });
  }

  #move(op, seq) {
    const node = this.nodes.get(op.node);
    if (!node || (op.parent !== null && !this.nodes.has(op.parent))) return;
    const position = op.position ?? node.position;
    this.nodes.set(node.id, { ...node, parent: op.parent, order: op.order, position, seq });
  }

  #remove(id) {
    const below = this.outline();
    const waiting = this.nodes.has(id) ? [id] : [];
    for (const gone of waiting) {
      waiting.push(...(below.get(gone) ?? []).map((child) => child.id));
      this.nodes.delete(gone);
    }
    for (const one of this.connections.values()) {
      if (!this.nodes.has(one.from) || !this.nodes.has(one.to)) this.connections.delete(one.id);
    }
  }

  #bring(op, seq) {
    for (const node of op.nodes) this.#add({ ...node, seq });
    for (const connection of op.connections) this.#join(connection);
  }
}

/** The value at a path such as `title` or `template_data.core_why`; undefined where there is none. */
export function read(node, path) {
  const [field, key] = path.split(".");
  return key === undefined ? node[field] : node[field]?.[key];
}

function blank({ node, parent, order, type, title, ...rest }) {
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

// `title` replaces a field, `template_data.core_why` a key of a map that is copied, never changed in place.
function written(thing, { set = {}, unset = [] }) {
  const changed = { ...thing };
  for (const [path, value] of Object.entries(set)) {
    const [field, key] = path.split(".");
    changed[field] = key === undefined ? value : { ...changed[field], [key]: value };
  }
  for (const path of unset) {
    const [field, key] = path.split(".");
    const { [key]: _, ...rest } = changed[field];
    changed[field] = rest;
  }
  return changed;
}
