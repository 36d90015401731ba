// A server in the page, small enough to be read at once: one tree, exactly-once numbers, text by the ladder of SEMANTICS
// 14, the last writer for the rest. It is as strict as the real one about what a client may send.

import { keyBetween } from "/order.js";
import { OpenTree } from "/sync/core.js";
import { Replica, read } from "/sync/replica.js";
import { Tree } from "/sync/tree.js";
import { applied, difference, ladder, size, span } from "/text.js";

const LIMITS = { message_bytes: 65_536, edit_ops: 500, unanswered_ops: 2_000, value_bytes: 262_144 };

export class ModelRoom {
  log = []; // { op, change: Map of field to delta, client, n }
  members = new Set();
  #state;
  #clients = new Map(); // client to { n, results }

  constructor(nodes) {
    this.#state = new Replica([{ name: "", nodes, connections: [] }]);
  }

  get seq() {
    return this.log.length;
  }

  get state() {
    return this.#state;
  }

  textOf(node, path) {
    return this.#state.nodes.get(node)?.[path];
  }

  position(seq = this.seq) {
    return { epoch: "e", seq, mark: `m${seq}` };
  }

  lastN(client) {
    return this.#clients.get(client)?.n ?? 0;
  }

  /** What a socket of this client gets for a message. */
  answers(client, message) {
    if (message.type === "open") return this.#open(client, message);
    if (message.type === "edit") return [this.#edit(client, message)];
    return [];
  }

  #open(client, { ref, position, reason }) {
    const entered = { ref, tree: 1, role: "editor", last_n: this.lastN(client), you: client, participants: [] };
    if (position) {
      const resumed = { type: "resumed", ...entered, position: this.position() };
      return position.seq < this.seq ? [resumed, this.frame(position.seq)] : [resumed];
    }
    if (reason) this.reopened = (this.reopened ?? 0) + 1;
    const state = { name: "", nodes: [...this.#state.nodes.values()], connections: [] };
    return [{ type: "snapshot", ...entered, position: this.position(), part: 1, parts: 1, state }];
  }

  /** The `ops` frame from `after` to now. */
  frame(after) {
    const some = this.log.slice(after);
    const authors = some.map(({ client }) => ({ user: client, client }));
    const ops = some.map(({ op, n }, place) => ({ by: place, n, ...op }));
    return {
      type: "ops",
      tree: 1,
      after,
      seq: this.seq,
      mark: `m${this.seq}`,
      at: "",
      authors,
      ops,
      digest: this.#state.digest,
    };
  }

  #edit(client, { ref, ops }) {
    const [before, numbers] = [this.seq, new Set(ops.map((op) => op.n))];
    const results = ops.map((op) => this.#answer(client, op, numbers));
    for (const member of this.members) if (this.seq > before) member.later(this.frame(before));
    return { type: "outcome", tree: 1, ref, seq: this.seq, results };
  }

  #answer(client, op, numbers) {
    if (!this.#clients.has(client)) this.#clients.set(client, { n: 0, results: [] });
    const known = this.#clients.get(client);
    if (op.n <= known.n) return { n: op.n, status: "duplicate", first: known.results[op.n - 1] };
    if (op.n > known.n + 1) return { n: op.n, status: "rejected", code: "gap", expected: known.n + 1, why: "" };
    const result = this.#judge(client, op, numbers);
    if (result.code === "stale") return result;
    known.n = op.n;
    known.results.push(result);
    return result;
  }

  #judge(client, { n, base, was, ...op }, numbers) {
    const held = this.#state.nodes.get(op.node);
    if (op.op === "restore") return this.#restore(client, n, op);
    if (op.op === "connect" || op.op === "disconnect") return this.#log(client, n, op);
    if (!held && op.op !== "insert") return { n, status: "rejected", code: "node_missing", why: op.node };
    if (op.op === "insert")
      return this.#log(client, n, {
        ...op,
        parent: op.parent ?? null,
        order: keyBetween(this.#state.children(op.parent ?? null).at(-1)?.order ?? null, null),
      });
    if (op.op === "move" && this.#state.liesBelow(op.parent, op.node))
      return { n, status: "rejected", code: "cycle", why: "" };
    if (op.op === "move")
      return this.#log(client, n, {
        ...op,
        parent: op.parent === undefined ? held.parent : op.parent,
        order: this.#order(op, held),
      });
    if (op.op !== "text") return this.#log(client, n, op);
    const field = `${op.node} ${op.path}`;
    const since = this.log.slice(base).filter(({ change }) => change.has(field));
    if (since.some((one) => one.client === client && !numbers.has(one.n)))
      return { n, status: "rejected", code: "stale", why: "own" };
    const [delta] = ladder(
      op.delta,
      since.map(({ change }) => change.get(field)),
    );
    if (span(delta) > size(held[op.path])) throw new Error(`beyond the text: ${JSON.stringify(op)}`);
    return this.#log(
      client,
      n,
      { ...op, delta },
      JSON.stringify(delta) === JSON.stringify(op.delta) ? "applied" : "merged",
    );
  }

  #order({ after, parent }, held) {
    if (after === undefined && (parent === undefined || parent === held.parent)) return held.order;
    const siblings = this.#state.children(parent === undefined ? held.parent : parent).filter((one) => one !== held);
    const place = after === null ? 0 : siblings.findIndex((one) => one.id === after) + 1 || siblings.length;
    return keyBetween(siblings[place - 1]?.order ?? null, siblings[place]?.order ?? null);
  }

  #restore(client, n, op) {
    const gone = this.#state.trash.get(op.node);
    return gone ? this.#log(client, n, { ...op, ...gone }) : { n, status: "unchanged" };
  }

  #log(client, n, op, status = "applied") {
    const before = this.#state.nodes.get(op.node);
    const paths = op.op === "text" ? [op.path] : Object.keys(op.set ?? {});
    const change = new Map(
      paths.map((path) => {
        const old = read(before, path) ?? "";
        return [`${op.node} ${path}`, difference(old, op.op === "text" ? applied(old, op.delta) : op.set[path])];
      }),
    );
    if (op.op === "text") change.set(`${op.node} ${op.path}`, op.delta);
    this.log.push({ op, change, client, n });
    this.#state.apply(op, this.seq);
    return { n, status, seq: this.seq };
  }
}

/** A member of a room over a line that delivers when it is told to, and can be cut. */
export class Member {
  down = [];
  up = [];
  isOn = false;

  constructor(room, name) {
    [this.room, this.name] = [room, name];
    room.members.add(this);
    this.core = new OpenTree(1, {
      say: (message) => this.up.push(JSON.parse(JSON.stringify(message))),
      post: () => {},
      keep: async () => true,
      pause: (_, done) => this.pauses.push(done),
      tell: () => {},
      gone: () => {},
      settled() {},
      carried: () => {},
      replaced: () => {},
    });
    this.pauses = [];
  }

  later(message) {
    if (this.isOn) this.down.push(JSON.parse(JSON.stringify(message)));
  }

  connect() {
    this.isOn = true;
    this.core.welcomed({ user: this.name, client: this.name }, LIMITS, 65_536);
  }

  cut() {
    this.isOn = false;
    this.hears = false;
    [this.down, this.up] = [[], []];
    this.core.lost();
  }

  /** Let the server have the next message, or this member. */
  async step(which) {
    if (which === "up" && this.up.length)
      for (const answer of this.room.answers(this.name, this.up.shift())) this.later(answer);
    if (which === "down" && this.down.length) this.core.hear(this.down.shift());
    for (const done of this.pauses.splice(0)) done();
    await null; // what was stored is sent
    await null;
  }

  get isQuiet() {
    return this.isOn && !this.up.length && !this.down.length && !this.core.queue.unanswered.length;
  }
}

/** A Tree of one person in a room, whose line delivers at once. */
export async function seated(room, name) {
  const told = [];
  const host = {
    state: "online",
    limits: LIMITS,
    identity: { server: "", tenant: "t", user: name },
    say(message) {
      const sent = JSON.parse(JSON.stringify(message));
      for (const answer of room.answers(name, sent)) tree.hear(JSON.parse(JSON.stringify(answer)));
      return true;
    },
    post() {},
    request: async () => ({ conflicts: [], next: null }),
    store: async () => null,
    fault: (detail) => told.push(detail),
    closed() {},
    waitAfter: () => 0,
  };
  const tree = new Tree(1, host);
  await tree.load();
  tree.welcomed({ user: name, client: name }, LIMITS, 65_536);
  // an author hears the outcome before its ops, everyone hears ops in order
  room.members.add({ later: (message) => queueMicrotask(() => tree.hear(JSON.parse(JSON.stringify(message)))) });
  await tree.opened;
  return Object.assign(tree, { told, host });
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
