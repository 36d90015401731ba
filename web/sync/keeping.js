// What of an open tree outlives the page: when its queue and its confirmed state are written.
//
// A queued op is written at once, and again with its number before it is sent. Confirmed state follows a little later,
// in one transaction with all that changed in the queue: so a stored delta is never older than the stored text under it
// (a newer one says so by `at`), and what has left the queue is deleted only where stored state shows it.
//
// Where nothing can be kept, edits are taken as long as the server is there to make them durable, and refused without it.

import { Entry } from "./entry.js";

const LATER_MS = 1_000; // a tree of 1,000 nodes is about 500 kB: not to be written for every change
const SHARE = 20; // and a slow store is busy for at most a twentieth of the time

/** Writes one tree to the store; see the module. */
export class Keeping {
  fault = null; // why edits cannot be kept now
  #core;
  #number;
  #host;
  #unkept;
  #changed;
  #store = null;
  #last = Promise.resolve(true); // writes follow one another
  #isQueued = false;
  #hasState = false; // of this very queue
  #timer = null;
  #cost = 0; // of the last write of state, in ms

  /** `unkept(entries, why)` is told of ops that could not be written, `changed()` when `fault` has another value. */
  constructor(core, number, host, { unkept, changed }) {
    this.#core = core;
    this.#number = number;
    this.#host = host;
    this.#unkept = unkept;
    this.#changed = changed;
  }

  /** Take what the store has of this tree; without a store the reason is `fault`. */
  async load() {
    try {
      this.#store = await this.#host.store();
      const kept = await this.#store?.load(this.#number);
      if (!kept) return;
      if (kept.state) this.#core.load(kept.state);
      this.#hasState = kept.isOwn;
      this.#core.queue.load(this.#entries(kept.entries), kept.sentN, this.#core.seq);
    } catch (error) {
      this.#store = null;
      this.fault = reason(error);
      this.#host.fault({ code: "storage", why: this.fault, tree: this.#number });
    }
  }

  // What cannot be read stays where it is, and is said.
  #entries(records) {
    const read = [];
    for (const record of records) {
      try {
        read.push(new Entry({ ...record, isStored: true }));
      } catch (error) {
        this.#host.fault({
          code: "storage",
          why: `an edit that was kept cannot be read: ${error.message}`,
          tree: this.#number,
          record,
        });
      }
    }
    return read;
  }

  /** Write what is new in the queue, once the edits of this moment are made. */
  soon() {
    if (this.#host.state !== "online") keepForGood();
    if (!this.#store || this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      this.#write(!this.#hasState); // what is queued is shown over it, and a delta needs its text
    });
  }

  /** Resolves to whether all that has a number is stored with it: only then may it be sent. */
  numbers() {
    return this.#store ? this.#write(false, true) : Promise.resolve(true);
  }

  /** Write confirmed state when things have calmed down a little. */
  later() {
    if (!this.#store || this.#timer !== null) return;
    this.#timer = setTimeout(() => this.now(), Math.max(LATER_MS, this.#cost * SHARE));
  }

  /** Write everything. */
  now() {
    clearTimeout(this.#timer);
    this.#timer = null;
    return this.#store ? this.#write(true) : Promise.resolve(true);
  }

  close() {
    return this.now().finally(() => (this.#store = null));
  }

  /** An edit was refused because nothing can be kept: look whether that is still so. */
  async retry() {
    try {
      await this.#store?.save(this.#number, { entries: [], gone: [], sentN: this.#core.queue.sentN, state: null });
      if (this.#store) this.#hold(null);
    } catch {
      // as before
    }
  }

  #write(withState, isStrict = false) {
    this.#last = this.#last.then(() => this.#save(this.#store, withState, isStrict));
    return this.#last;
  }

  async #save(store, withState, isStrict) {
    const { queue } = this.#core;
    const entries = [...queue.dirty];
    const gone = [...queue.gone].filter(([, isLate]) => withState || !isLate).map(([place]) => place);
    if (!store || (!entries.length && !gone.length && !withState)) return true;
    queue.dirty.clear();
    const began = performance.now();
    const state = withState ? this.#state() : null;
    try {
      const records = entries.filter((entry) => !queue.gone.has(entry.place)).map((entry) => entry.record);
      await store.save(this.#number, { entries: records, gone, sentN: queue.sentN, state, isStrict });
    } catch (error) {
      for (const entry of entries) queue.dirty.add(entry);
      // state can be had again from the server; what was typed cannot
      return withState ? this.#save(store, false, isStrict) : this.#failed(entries, error);
    }
    for (const entry of entries) entry.isStored = true;
    for (const place of gone) queue.gone.delete(place);
    if (withState) this.#cost = performance.now() - began;
    this.#hasState ||= state !== null;
    this.#hold(null);
    return true;
  }

  #state() {
    const { confirmed, position, role } = this.#core;
    return confirmed && { parts: confirmed.parts, position, role };
  }

  #failed(entries, error) {
    this.#hold(reason(error));
    const unkept = entries.filter((entry) => !entry.isStored);
    if (this.#host.state !== "online") this.#unkept(unkept, this.fault);
    // what was never stored may be sent from here: no other tab can send it too. What was stored without its number may
    // not: after a crash it would be sent again under another one
    return this.#host.state === "online" && unkept.length === entries.length;
  }

  #hold(why) {
    if (this.fault === why) return;
    this.fault = why;
    this.#changed();
  }
}

// What waits for a network should not be cleared away to make room: browsers do so with what they were not asked to keep.
let isAsked = false;

function keepForGood() {
  if (isAsked) return;
  isAsked = true;
  globalThis.navigator?.storage?.persist?.().catch(() => {});
}

function reason(error) {
  const what = { QuotaExceededError: "its storage is full", SecurityError: "it may not store anything" }[error?.name];
  return `this browser cannot keep edits: ${what ?? error?.message ?? error}`;
}
