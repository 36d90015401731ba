// The conflict records of one tree that concern this person: listed when there are some, kept level by `conflict`
// messages, decided over the socket.

/** The open records of one tree, and decisions on them. */
export class Inbox {
  #number;
  #host;
  #core;
  #tell;
  #records = new Map(); // open ones, by id
  #asked = new Map(); // ref to { resolve, reject } of a decision under way
  #refs = 0;
  #listed = null; // [records, what it was made of]
  #news = null; // ids heard since the list was asked for: what is known of them is newer than the list

  constructor(number, host, core, tell) {
    this.#number = number;
    this.#host = host;
    this.#core = core;
    this.#tell = tell;
  }

  /** Open records of this person's own values, newest first. */
  get mine() {
    const { user } = this.#host.identity;
    this.#listed ??= [...this.#records.values()].filter((one) => one.user === user).sort((a, b) => b.id - a.id);
    return this.#listed;
  }

  /** The tree was opened: what the server counts is listed by HTTP. */
  async opened() {
    const news = (this.#news = new Set());
    if (!this.#core().openConflicts) return this.#replace([]);
    try {
      const found = [];
      for (let next = ""; next !== null;) {
        const page = await this.#host.request("GET", `/trees/${this.#number}/conflicts${next}`);
        found.push(...page.conflicts);
        next = page.next === null || page.next === undefined ? null : `?before=${page.next}`;
      }
      if (news !== this.#news) return; // opened again since: that list comes too
      const heard = [...this.#records.values()].filter((one) => news.has(one.id));
      this.#replace([...found.filter((one) => !news.has(one.id)), ...heard]);
    } catch {
      // no network for a moment: the tree is opened again after it
    }
  }

  #replace(records) {
    const known = this.#records;
    this.#records = new Map(records.filter((one) => !one.closed).map((one) => [one.id, one]));
    this.#listed = null;
    if (!known.size && !this.#records.size) return;
    for (const one of known.values())
      if (!this.#records.has(one.id)) this.#tell({ ...one, closed: one.closed ?? { choice: "moot", by: "", seq: 0 } });
    for (const one of this.#records.values()) if (!known.has(one.id)) this.#tell(one);
  }

  /** Whether a message was for this inbox. */
  hear(message) {
    if (message.type === "conflict") {
      const record = message.conflict;
      this.#news?.add(record.id);
      if (record.closed) this.#records.delete(record.id);
      else this.#records.set(record.id, record);
      this.#listed = null;
      this.#tell(record);
      return true;
    }
    const asked = this.#asked.get(message.ref);
    if (!asked || (message.type !== "resolved" && message.type !== "error")) return false;
    this.#asked.delete(message.ref);
    if (message.type === "error") asked.reject(failed(message));
    else {
      this.#news?.add(message.conflict);
      this.#records.delete(message.conflict);
      this.#listed = null;
      asked.resolve(message.closed);
    }
    return true;
  }

  /** Decide one; resolves with what was done with it, now or before. Rejects with { code, why }. */
  resolve(conflict, choice, value) {
    const ref = `resolve:${++this.#refs}`;
    const { promise, resolve, reject } = Promise.withResolvers();
    const asked = { type: "resolve", ref, tree: this.#number, conflict, base: this.#core().seq, choice, value };
    if (this.#core().status !== "open" || !this.#host.say(asked))
      reject(failed({ code: "unavailable", why: "offline: decide when the network is back" }));
    else this.#asked.set(ref, { resolve, reject });
    return promise;
  }

  /** The socket is gone: whether a decision arrived is told when it is asked again. */
  lost() {
    for (const { reject } of this.#asked.values())
      reject(failed({ code: "unavailable", why: "the network went away" }));
    this.#asked.clear();
  }
}

function failed({ code, why }) {
  return Object.assign(new Error(why), { code, why });
}
