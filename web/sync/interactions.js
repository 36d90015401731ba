// What a person did that changes no tree: views, clicks, time per node (PROTOCOL.md AC). Told in batches, kept until the
// server has stored them; an event that arrives twice counts once.

import { newId } from "./editing.js";

const SEND_MS = 5_000; // from an event until it is sent with those that came meanwhile
const RETRY_MS = 30_000; // while the server is away
const BATCH = 200; // events; the server takes 500 at once
const MOST = 100; // batches kept: a week without network; the oldest go first

/** `tree.interactions`. */
export class Interactions {
  #number;
  #host;
  #fresh = [];
  #shelf = null;
  #timer = null;
  #sending = null;
  #isClosed = false;

  constructor(number, host) {
    this.#number = number;
    this.#host = host;
  }

  /** Something was done: `kind` is of small letters, digits and `_`. */
  add(kind, { node, duration_ms, data } = {}) {
    if (this.#isClosed) return;
    const duration = duration_ms === undefined ? undefined : Math.round(duration_ms);
    const event = { id: newId(), kind, node, duration_ms: duration, at: new Date().toISOString(), data };
    this.#fresh.push(JSON.parse(JSON.stringify(event)));
    if (this.#fresh.length >= BATCH) this.keep();
    this.#wake(SEND_MS);
  }

  /** Put away what was not sent yet, so that it outlives the page. */
  keep() {
    const shelf = this.#opened();
    if (!shelf || !this.#fresh.length) return;
    shelf.put(newId(), this.#fresh);
    this.#fresh = [];
  }

  /** Send all there is now; resolves to whether nothing waits any more. */
  send() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = null));
    return this.#sending;
  }

  /** Send what earlier visits have left. */
  begin() {
    this.#wake(SEND_MS);
  }

  /** The tree is open no more: what is left waits for the next visit. */
  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.keep();
  }

  async #sendAll() {
    this.keep();
    const shelf = this.#opened();
    if (!shelf || this.#host.state !== "online") return this.#later();
    for (const key of shelf.keys()) {
      const events = shelf.get(key);
      try {
        if (events.length) await this.#host.request("POST", `/trees/${this.#number}/activity`, { events });
      } catch (error) {
        if (isAway(error)) return this.#later();
      }
      shelf.remove(key); // stored, refused for good, or not to be read
    }
    return true;
  }

  #later() {
    this.#wake(RETRY_MS);
    return false;
  }

  #wake(delay) {
    if (!this.#isClosed) this.#timer ??= setTimeout(() => this.send(), delay);
  }

  // Whose events they are is known once the server has said who this is.
  #opened() {
    const { tenant, user } = this.#host.identity;
    if (!this.#shelf && user) this.#shelf = new Shelf(`treesync-seen/${tenant}/${user}/${this.#number}/`);
    return this.#shelf;
  }
}

// A place of its own for each batch, so that tabs do not write over each other. In memory where nothing can be kept.
class Shelf {
  #prefix;
  #store;

  constructor(prefix) {
    this.#prefix = prefix;
    this.#store = localStore() ?? new MemoryStore();
  }

  keys() {
    const found = [];
    for (let place = 0; place < this.#store.length; place += 1) {
      const key = this.#store.key(place);
      if (key.startsWith(this.#prefix)) found.push(key);
    }
    return found.sort();
  }

  put(id, events) {
    const kept = this.keys();
    for (const oldest of kept.slice(0, Math.max(0, kept.length - MOST + 1))) this.remove(oldest);
    const key = `${this.#prefix}${String(Date.now()).padStart(15, "0")}-${id}`;
    try {
      this.#store.setItem(key, JSON.stringify(events));
    } catch {
      this.#store = new MemoryStore(); // it is full
      this.#store.setItem(key, JSON.stringify(events));
    }
  }

  // A batch that something else has written over, or another tab has sent, is none.
  get(key) {
    try {
      const events = JSON.parse(this.#store.getItem(key));
      return Array.isArray(events) ? events : [];
    } catch {
      return [];
    }
  }

  remove(key) {
    this.#store.removeItem(key);
  }
}

class MemoryStore {
  #items = new Map();

  get length() {
    return this.#items.size;
  }

  key(place) {
    return [...this.#items.keys()][place];
  }

  getItem(key) {
    return this.#items.get(key);
  }

  setItem(key, value) {
    this.#items.set(key, value);
  }

  removeItem(key) {
    this.#items.delete(key);
  }
}

function localStore() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // blocked
  }
}

// Whether asking again may help: no network, a server that is busy or stops, a token that has ended.
function isAway({ status = 0 }) {
  return status === 0 || status >= 500 || [401, 408, 429].includes(status);
}
