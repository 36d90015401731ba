// The browser client of treesync: one ES module, no build step. Rules in brackets are PROTOCOL.md's.
//
//   import { connect } from "/client.js";
//   const tree = await connect(location.origin, token).open(7);
//   tree.addEventListener("change", () => draw(tree.view()));
//   const result = await tree.update("n1", { title: "Grow 20%" });   // resolves when it is durable

import { Replica, read } from "./replica.js";

const FIRST_WAIT_MS = 250; // doubled at each failure up to the longest, then a random part of it [RP8]
const LONGEST_WAIT_MS = 30_000;
const PING_MS = 20_000; // nothing heard from one ping to the next: the line is dead, whatever readyState says
const RETRY_MS = 500; // before ops that were refused for now are sent again
const FINAL_CODES = [1002, 1007, 4400, 4403, 4409]; // the same client would meet them again [CL2]
const NOT_CONSUMED = ["gap", "rate", "unavailable", "stale", "forbidden"]; // the op stays queued [ED6]
const LOST_HISTORY = ["epoch", "ahead", "too_far", "erased"]; // a snapshot for these replaces the queue's base

/** Connect to a server. `token` is text, or a function that answers (a promise of) a fresh one. */
export function connect(url, token) {
  return new Client(url, token);
}

/** One socket that comes back by itself. Events: `status` (see `status`), `fault` (detail: the `error` message). */
export class Client extends EventTarget {
  /** @type {"connecting" | "online" | "offline" | "refused" | "signed out"} */
  status = "connecting";
  limits = { edit_ops: 500, message_bytes: 65_536 };
  #url;
  #token;
  #socket = null;
  #clientId = crypto.getRandomValues(new Uint32Array(3)).reduce((id, part) => id + part.toString(16), "");
  #trees = new Map();
  #failures = 0;
  #wait = null;
  #heard = 0;
  #pinged = 0;
  #timer = null;
  #closed = false;

  constructor(url, token) {
    super();
    this.#url = url.replace(/^http/, "ws").replace(/\/$/, "") + "/ws";
    this.#token = token;
    this.#dial();
  }

  /** Open a tree; resolves with the Tree once it is there, rejects with the server's `error`. */
  open(number) {
    let tree = this.#trees.get(number);
    if (!tree) {
      tree = new Tree(number, (message) => this.#send(message), () => this.limits);
      this.#trees.set(number, tree);
      if (this.status === "online") tree.ask();
    }
    return tree.opened;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
  }

  async #dial() {
    let token = this.#token;
    try {
      if (typeof token === "function") token = await token();
    } catch {
      return this.#lost(1006); // as good as no network
    }
    const socket = new WebSocket(this.#url, ["treesync.v1.json"]);
    this.#socket = socket;
    socket.onopen = () =>
      this.#send({ type: "hello", protocol: 1, token, client_id: this.#clientId, client: "web/0.1" });
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#lost(event.code);
  }

  #send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #hear(message) {
    this.#heard = Date.now();
    if (message.type === "welcome") this.#welcomed(message);
    else if (message.type === "notice" && message.tree === undefined) this.#wait = message.retry_ms ?? null;
    else if (message.tree !== undefined) this.#trees.get(message.tree)?.hear(message);
    if (message.type === "error") this.dispatchEvent(new CustomEvent("fault", { detail: message }));
  }

  #welcomed(message) {
    this.limits = message.limits;
    this.#failures = 0;
    this.#beat();
    this.#become("online");
    for (const tree of this.#trees.values()) tree.ask();
  }

  #beat() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#heard < this.#pinged) return this.#abandon();
      this.#pinged = Date.now();
      this.#send({ type: "ping" });
      this.#beat();
    }, PING_MS);
  }

  // A dead line does not answer a close either, so its end is not waited for.
  #abandon() {
    const dead = this.#socket;
    this.#socket = null;
    dead.close();
    this.#lost(1006);
  }

  #lost(code) {
    clearTimeout(this.#timer);
    for (const tree of this.#trees.values()) tree.lost();
    if (this.#closed) return;
    if (FINAL_CODES.includes(code)) return this.#become("refused");
    if (code === 4401 && typeof this.#token !== "function") return this.#become("signed out");
    this.#become("offline");
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#dial(), this.#wait ?? Math.random() * longest);
    this.#wait = null;
  }

  #become(status) {
    this.status = status;
    this.dispatchEvent(new Event("status"));
  }
}

/** A tree: confirmed state and a queue of ops over it. Events: `change`, `people`, `closed` (detail: why). */
export class Tree extends EventTarget {
  role = null;
  people = new Map(); // the others: participant id to its view
  opened;
  #number;
  #send;
  #limits;
  #settle;
  #confirmed = null; // a Replica, once the tree has been opened
  #position = null;
  #parts = [];
  #you = null; // this socket's own participant id
  #n = 0;
  #queue = []; // of { op, resolve, flying, hidden, leavesAt }
  #isOpen = false;
  #view = null;

  constructor(number, send, limits) {
    super();
    this.#number = number;
    this.#send = send;
    this.#limits = limits;
    this.opened = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  /** What a person should see: the queue applied over confirmed state [RP3]. */
  view() {
    if (!this.#view) {
      this.#view = this.#confirmed.copy();
      for (const entry of this.#queue) if (!entry.hidden) this.#view.applyWish(entry.op);
    }
    return this.#view;
  }

  /** How many ops have no durable answer yet. */
  get unanswered() {
    return this.#queue.filter((entry) => entry.leavesAt === undefined).length;
  }

  update(node, set) {
    const seen = this.view().nodes.get(node);
    const was = seen && Object.fromEntries(Object.keys(set).map((path) => [path, read(seen, path)]));
    return this.edit({ op: "update", node, set, was });
  }

  /** Queue any op of PROTOCOL.md, without `n` and `base`; resolves with its result when that is durable. */
  edit(op) {
    return new Promise((resolve) => {
      const entry = { op: { n: ++this.#n, base: this.#position?.seq ?? 0, ...op }, resolve, flying: false };
      this.#queue.push(entry);
      this.#changed();
      if (this.#isOpen) this.#fly([entry], "live");
    });
  }

  present(state) {
    if (this.#isOpen) this.#send({ type: "presence", tree: this.#number, state });
  }

  ask() {
    const position = this.#position ?? undefined;
    this.#parts = [];
    this.#isOpen = false;
    this.#send({ type: "open", ref: this.#number, tree: this.#number, position });
  }

  lost() {
    this.#isOpen = false;
    this.people.clear();
    for (const entry of this.#queue) entry.flying = false;
    this.dispatchEvent(new Event("people"));
  }

  hear(message) {
    const handlers = {
      snapshot: () => this.#snapshot(message),
      resumed: () => this.#resumed(message),
      ops: () => this.#ops(message),
      outcome: () => this.#outcome(message),
      presence: () => this.#presence(message),
      role: () => this.#becomeRole(message.role),
      notice: () => this.#notice(message),
      error: () => this.#error(message),
    };
    handlers[message.type]?.();
  }

  #snapshot(message) {
    if (message.part === 1) this.#parts = [];
    this.#parts.push(message.state);
    if (message.part < message.parts) return; // the last part makes it whole [OP6]
    this.#confirmed = new Replica(this.#parts);
    this.#parts = [];
    if (LOST_HISTORY.includes(message.reason)) this.#rebase(message.last_n);
    this.#position = message.position;
    this.#resumed(message);
  }

  // What the server has used is sent again for its answer but not shown; the rest was typed over another history.
  #rebase(lastN) {
    for (const entry of this.#queue) {
      if (entry.op.n <= lastN) entry.hidden = true;
      else entry.op.base = 0;
    }
  }

  #resumed(message) {
    const next = this.#queue[0]?.op.n ?? this.#n + 1;
    if (message.last_n > this.#n || next > message.last_n + 1) return this.#close("other history"); // [RP7]
    this.role = message.role;
    this.#you = message.you;
    this.people = new Map(message.participants.map((one) => [one.id, one]));
    this.#isOpen = true;
    this.#settle.resolve(this);
    this.#changed();
    this.dispatchEvent(new Event("people"));
    this.#fly(this.#queue.filter((entry) => entry.leavesAt === undefined), "replay"); // [RP6]
  }

  #ops(message) {
    if (!this.#confirmed || message.seq <= this.#position.seq) return;
    if (message.after !== this.#position.seq) return this.ask(); // a gap: the log fills it
    message.ops.forEach((op, place) => this.#confirmed.apply(op, message.after + place + 1));
    this.#position = { epoch: this.#position.epoch, seq: message.seq, mark: message.mark };
    this.#changed();
  }

  #outcome(message) {
    for (const result of message.results) {
      const entry = this.#queue.find((one) => one.op.n === result.n);
      if (!entry) continue;
      entry.flying = false;
      if (result.status === "rejected" && NOT_CONSUMED.includes(result.code)) continue;
      const first = result.status === "duplicate" ? result.first : result;
      entry.leavesAt = message.seq;
      entry.hidden = !["applied", "unchanged"].includes(first.status);
      entry.resolve(first);
    }
    this.#changed();
    this.#retry();
  }

  // Ops that were refused for now are sent again, in order, once everything sent is answered [ED6].
  #retry() {
    const waiting = this.#queue.filter((entry) => entry.leavesAt === undefined);
    if (!waiting.length || waiting.some((entry) => entry.flying) || !this.#mayEdit()) return;
    setTimeout(() => {
      const still = this.#queue.filter((entry) => entry.leavesAt === undefined);
      if (this.#isOpen && !still.some((entry) => entry.flying)) this.#fly(still, "live");
    }, RETRY_MS);
  }

  #fly(entries, mode) {
    const { edit_ops, message_bytes } = this.#limits();
    const room = message_bytes - 200; // what stands around the ops
    for (let ops = [], size = 0; entries.length; ops = [], size = 0) {
      while (entries.length && ops.length < edit_ops) {
        const bytes = new TextEncoder().encode(JSON.stringify(entries[0].op)).length + 1;
        if (ops.length && size + bytes > room) break;
        size += bytes;
        entries[0].flying = true;
        ops.push(entries.shift().op);
      }
      this.#send({ type: "edit", tree: this.#number, mode, ops });
    }
  }

  #presence(message) {
    for (const one of message.participants) if (one.id !== this.#you) this.people.set(one.id, one);
    for (const id of message.left) this.people.delete(id);
    this.dispatchEvent(new Event("people"));
  }

  #becomeRole(role) {
    this.role = role;
    this.#changed();
    this.#retry();
  }

  #mayEdit() {
    return this.role === "editor" || this.role === "owner";
  }

  #notice(message) {
    if (message.code === "resync") return; // a snapshot follows
    if (message.code !== "draining") return this.#close(message.code);
    this.#isOpen = false;
    setTimeout(() => this.ask(), message.retry_ms);
  }

  #error(message) {
    if (message.ref === this.#number) this.#settle.reject(message);
    if (message.code === "not_found" || message.code === "forbidden") this.#close(message.code);
  }

  // What is unanswered stays in the queue, for the page to show.
  #close(why) {
    this.#isOpen = false;
    this.dispatchEvent(new CustomEvent("closed", { detail: why }));
  }

  #changed() {
    const seq = this.#position?.seq ?? 0;
    this.#queue = this.#queue.filter((entry) => !(entry.leavesAt <= seq));
    this.#view = null;
    if (this.#confirmed) this.dispatchEvent(new Event("change"));
  }
}
