// What outlives the page: queues and confirmed state in IndexedDB.
//
// One client_id is one queue and one writer [SEMANTICS 4]: a tab holds its queue by a Web Lock of that name, so no other
// tab writes it, and a tab that starts takes over a queue that nobody holds. Nothing is kept where that cannot be had.

import { openDB } from "../vendor/idb.js";
import { newId } from "./editing.js";

const NAME = "treesync";
const VERSION = 1;
const OPEN_MS = 5_000; // a database that does not open within this is blocked, by another tab or by the browser
const RELOAD_MS = 1_000; // how long a page that was reloaded may take to let go of its queue
const KEPT = ["ops", "numbers", "states"];

/** The queue that this tab writes, and all that is kept with it. `identity`: { server, tenant, user }; `only`: take just
 *  that queue. Rejects where nothing can be kept, or where another tab has `only`. */
export async function openStore(identity, only) {
  if (!globalThis.indexedDB) throw new Error("it has no IndexedDB");
  if (!globalThis.navigator?.locks) throw new Error("a page needs https, or localhost, to store anything safely");
  const owner = JSON.stringify([identity.server, identity.tenant, identity.user]);
  const store = new Store(owner);
  await store.take(only);
  return store;
}

class Store {
  clientId = "";
  #owner;
  #database = null;
  #release = null;

  constructor(owner) {
    this.#owner = owner;
  }

  /** Hold a queue: the one this tab had, one with something in it, any that is free, or a new one. */
  async take(only) {
    const db = await this.#open();
    const busy = new Set((await db.getAllKeys("ops")).map(([client]) => client));
    const mine = sessionStorage.getItem(this.#key) ?? "";
    const known = (await db.getAllKeysFromIndex("queues", "owner", this.#owner)).sort(
      (one, other) => (other === mine) - (one === mine) || busy.has(other) - busy.has(one),
    );
    for (const client of only === undefined ? known : [only]) {
      if (await this.#hold(client, client === mine && only === undefined)) break;
    }
    if (only !== undefined) {
      if (!this.clientId) throw new Error("another tab has it");
      return;
    }
    if (!this.clientId) {
      const client = newId();
      await db.put("queues", { client, owner: this.#owner });
      await this.#hold(client);
    }
    sessionStorage.setItem(this.#key, this.clientId);
  }

  /** What is kept of a tree: { state, isOwn: whether this queue stands on it, entries, sentN }. */
  async load(tree) {
    const db = await this.#open();
    const all = range(this.clientId, tree);
    const [entries, number, own] = await Promise.all([
      db.getAll("ops", all),
      db.get("numbers", [this.clientId, tree]),
      db.get("states", [this.clientId, tree]),
    ]);
    // what another tab has kept will do where nothing waits: a waiting delta needs the text it was made on
    const others = own || entries.length ? [] : await db.getAllFromIndex("states", "place", [this.#owner, tree]);
    const newest = own ?? others.sort((one, other) => other.state.position.seq - one.state.position.seq)[0];
    return {
      state: newest?.state ?? null,
      isOwn: own !== undefined,
      entries: entries.map(({ record }) => record),
      sentN: number?.sentN ?? 0,
    };
  }

  /** One transaction: queued ops, the places of those that have left, the last number given, and (or null) the state. */
  async save(tree, { entries, gone, sentN, state, isStrict = false }) {
    const db = await this.#open();
    const client = this.clientId;
    const transaction = db.transaction(KEPT, "readwrite", { durability: isStrict ? "strict" : "default" });
    const [ops, numbers, states] = KEPT.map((name) => transaction.objectStore(name));
    const asked = [];
    try {
      for (const place of gone) asked.push(ops.delete([client, tree, place]));
      for (const record of entries) asked.push(ops.put({ client, tree, place: record.place, record }));
      asked.push(numbers.put({ client, tree, sentN }));
      if (state) asked.push(states.put({ client, tree, owner: this.#owner, state }));
    } catch (error) {
      transaction.abort(); // all of it or nothing
      await Promise.allSettled([...asked, transaction.done]);
      throw error;
    }
    await Promise.all([...asked, transaction.done]);
  }

  /** Take another client_id along with what is kept of these trees; answers it. */
  async renew(trees) {
    const db = await this.#open();
    const [old, release] = [this.clientId, this.#release];
    const client = newId();
    await this.#hold(client);
    const transaction = db.transaction(["queues", ...KEPT], "readwrite", { durability: "strict" });
    await transaction.objectStore("queues").put({ client, owner: this.#owner });
    for (const tree of trees) await moved(transaction, tree, old, client);
    const left = await transaction.objectStore("ops").count(range(old));
    if (!left) await transaction.objectStore("queues").delete(old);
    await transaction.done;
    release();
    sessionStorage.setItem(this.#key, client);
    return client;
  }

  /** client_ids of this person's queues that hold something unanswered and belong to no open tab. */
  async orphans() {
    const db = await this.#open();
    const mine = new Set(await db.getAllKeysFromIndex("queues", "owner", this.#owner));
    const { held } = await navigator.locks.query();
    const busy = new Set(held.map(({ name }) => name));
    const waiting = (await db.getAll("ops")).filter(({ record }) => !record.isRefused && record.settledAt === null);
    return [...new Set(waiting.map(({ client }) => client))].filter(
      (client) => mine.has(client) && !busy.has(lockOf(client)),
    );
  }

  /** Trees in which this queue holds something. */
  async trees() {
    const db = await this.#open();
    return [...new Set((await db.getAllKeys("ops", range(this.clientId))).map(([, tree]) => tree))];
  }

  close() {
    this.#release?.();
    this.#database?.then((db) => db.close()).catch(() => {});
  }

  get #key() {
    return `treesync:queue:${this.#owner}`;
  }

  #open() {
    this.#database ??= opened(() => (this.#database = null));
    this.#database.catch(() => (this.#database = null)); // it may work the next time
    return this.#database;
  }

  // Resolves to whether the lock is ours now; it stays so until it is released, or the page is gone.
  async #hold(client, isPatient = false) {
    const options = isPatient ? { signal: AbortSignal.timeout(RELOAD_MS) } : { ifAvailable: true };
    const release = await new Promise((resolve, reject) => {
      const holding = (lock) => (lock ? new Promise((end) => resolve(end)) : resolve(null));
      navigator.locks
        .request(lockOf(client), options, holding)
        .catch((error) => (isPatient ? resolve(null) : reject(error)));
    });
    if (!release) return false;
    [this.clientId, this.#release] = [client, release];
    return true;
  }
}

function lockOf(client) {
  return `treesync:${client}`;
}

function range(client, tree) {
  return tree === undefined
    ? IDBKeyRange.bound([client], [client, []]) // an array sorts behind every number
    : IDBKeyRange.bound([client, tree], [client, tree, []]);
}

async function opened(ended) {
  const database = openDB(NAME, VERSION, {
    upgrade(db) {
      db.createObjectStore("queues", { keyPath: "client" }).createIndex("owner", "owner");
      db.createObjectStore("ops", { keyPath: ["client", "tree", "place"] });
      db.createObjectStore("numbers", { keyPath: ["client", "tree"] });
      db.createObjectStore("states", { keyPath: ["client", "tree"] }).createIndex("place", ["owner", "tree"]);
    },
    blocking(_, __, event) {
      event.target.close(); // a newer page wants another shape: it shall not wait for us
      ended();
    },
    terminated: ended,
  });
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("its storage is blocked; close other tabs of this page")), OPEN_MS);
  });
  try {
    return await Promise.race([database, late]);
  } catch (error) {
    throw error.name === "VersionError" ? new Error("a newer version of this page wrote its storage; reload") : error;
  } finally {
    clearTimeout(timer);
  }
}

// What waits has no number; what has one was sent under the old client_id, and has its answer.
async function moved(transaction, tree, old, client) {
  const [ops, numbers, states] = KEPT.map((name) => transaction.objectStore(name));
  for (const one of await ops.getAll(range(old, tree))) {
    if (one.record.n === null || one.record.isRefused)
      await ops.put({ ...one, client, record: { ...one.record, n: null } });
    await ops.delete([old, tree, one.place]);
  }
  const state = await states.get([old, tree]);
  if (state) await states.put({ ...state, client });
  await Promise.all([states.delete([old, tree]), numbers.delete([old, tree])]);
}

// ---- who was here last, for a start without network

/** Keep who signed in at a server. */
export function rememberIdentity(server, identity) {
  for (const storage of storages()) {
    try {
      storage.setItem(`treesync:identity:${server}`, JSON.stringify(identity));
    } catch {
      // full: the next start without network has to ask who it is
    }
  }
}

/** Who signed in here last: in this tab, else in this browser; null: nobody. */
export function rememberedIdentity(server) {
  for (const storage of storages()) {
    const kept = storage.getItem(`treesync:identity:${server}`);
    if (kept) return JSON.parse(kept);
  }
  return null;
}

function storages() {
  try {
    return [globalThis.sessionStorage, globalThis.localStorage].filter(Boolean);
  } catch {
    return []; // forbidden by the browser's settings
  }
}
