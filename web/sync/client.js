// One client: a socket that comes back by itself, the queue it writes for, and the trees that are open on it.

import { newId } from "./editing.js";
import { ferry } from "./ferry.js";
import { RequestFailed, request } from "./http.js";
import { Link } from "./link.js";
import { openStore, rememberIdentity, rememberedIdentity } from "./store.js";
import { TokenSource } from "./token.js";
import { download, upload } from "./transfer.js";
import { Tree } from "./tree.js";

const FIRST_RETRY_MS = 250; // on a living socket, doubled up to the longest, then a random part of it
const LONGEST_RETRY_MS = 2_000; // a database that is back is used within 5 s
const STORED_AFTER_MS = 3_000; // no answer for so long: a tree is shown as this browser keeps it
const AGENT = "treesync-web/1.0";

/** One client of a server: `connect` makes it; types and events in treesync.d.ts. */
export class Client extends EventTarget {
  tenant = "";
  user = "";
  clientId = "";
  limits = { message_bytes: 65_536, edit_ops: 500, unanswered_ops: 2_000, value_bytes: 262_144 };
  #origin;
  #options;
  #token;
  #link;
  #trees = new Map();
  #identified = Promise.withResolvers();
  #identity = null; // whose store it is
  #store; // a promise of it, of null where nothing is to be kept
  #loaded = new WeakSet(); // trees that know their queue, and may be opened
  #isRenewing = false;
  #isRescued = false;
  #why = "";
  #away = new AbortController();

  /** @param {string} url @param {import("../treesync").Token} token @param {import("../treesync").ConnectOptions} options */
  constructor(url, token, options = {}) {
    super();
    this.#origin = url.replace(/^ws/, "http").replace(/\/$/, "");
    this.#options = { client: AGENT, persist: true, guard: true, ...options };
    this.#token = new TokenSource(token);
    this.#link = new Link(`${this.#origin.replace(/^http/, "ws")}/ws`, this.#token, this.#owner());
    this.#store = this.#options.persist ? this.#openStore() : Promise.resolve(null);
    this.#store.catch(() => {}); // why nothing can be kept is told by each tree
    this.#guard();
    this.#link.start();
  }

  /** connecting, online, offline, refused (it will not come back by itself) or signed out. */
  get state() {
    return this.#link.state;
  }

  /** Why it is in that state, where something is known of it. */
  get why() {
    return this.#why;
  }

  /** Open a tree. */
  async open(number) {
    let tree = this.#trees.get(number);
    if (!tree || tree.closed) {
      tree = new Tree(number, this.#host());
      this.#trees.set(number, tree);
      this.#begin(tree);
    }
    return tree.opened;
  }

  async #begin(tree) {
    await tree.load();
    this.#loaded.add(tree);
    if (this.state === "online") this.#welcome(tree);
    else if (this.state !== "connecting") tree.settleForStored();
    setTimeout(() => tree.settleForStored(), STORED_AFTER_MS);
  }

  /** A page of what has all the words, the best first; `only`: `tree`, `type`, `status`, `limit`, `after` (PROTOCOL.md SE). */
  search(words, only = {}) {
    return this.request("GET", `/search?${new URLSearchParams({ q: words, ...only })}`);
  }

  /** A route of /api/v1 with this client's token. */
  request(method, path, body) {
    return request(this.#origin, this.#token, method, path, body);
  }

  /** A file that a GET route of /api/v1 gives: `{ content, name }`. */
  download(path) {
    return download(this.#origin, this.#token, path);
  }

  /** Send a file to a POST route of /api/v1; `progress` is told shares from 0 to 1. */
  upload(path, file, progress = () => {}, signal = undefined) {
    return upload(this.#origin, this.#token, path, file, progress, signal);
  }

  /** Try now, with another token where one is given: after "signed out", or to end a wait. */
  reconnect(token) {
    if (token !== undefined) this.#token.replace(token);
    this.#link.redial();
  }

  /** Leave; what is unanswered stays in the store for the next tab. */
  close() {
    this.#away.abort();
    this.#link.close();
    const written = [...this.#trees.values()].map((tree) => tree.keepNow());
    Promise.allSettled(written)
      .then(() => this.#store)
      .then((store) => store?.close())
      .catch(() => {});
  }

  // ---- what the link tells

  #owner() {
    const client = this;
    return {
      get messageBytes() {
        return client.limits.message_bytes;
      },
      ready: () => this.#ready(),
      hello: (token) => ({ type: "hello", protocol: 1, token, client_id: this.clientId, client: this.#options.client }),
      welcomed: (message) => this.#welcomed(message),
      renewed: () => this.#each((tree) => tree.release()),
      hear: (message) => this.#hear(message),
      lost: () => this.#each((tree) => tree.lost()),
      became: (state, why = "") => this.#became(state, why),
    };
  }

  // The store of this person on this server. Without a network the token may not say who that is: then it is the one
  // that this tab, or this browser, was last.
  async #openStore() {
    const patience = new Promise((resolve) => setTimeout(resolve, STORED_AFTER_MS));
    await Promise.race([this.#token.get().catch(() => {}), patience]);
    const known = this.#token.identity ?? rememberedIdentity(this.#origin);
    this.#identity = known ?? (await this.#identified.promise);
    const store = await openStore({ server: this.#origin, ...this.#identity }, this.#options.only);
    this.clientId = store.clientId;
    if (!this.user) [this.tenant, this.user] = [this.#identity.tenant, this.#identity.user]; // until the server says so
    return store;
  }

  // There is a token. Before a hello can be said it must be settled whose queue is written, under which client_id.
  async #ready() {
    const { identity } = this.#token;
    if (identity) this.#identified.resolve(identity);
    else this.#identified.reject(new Error("its token does not say who signs in"));
    await this.#store.catch(() => {});
    this.clientId ||= newId();
  }

  #welcomed(message) {
    const isOther =
      this.#identity && (this.#identity.user !== message.user || this.#identity.tenant !== message.tenant);
    if (isOther) return this.#link.refuse("another person has signed in: reload the page");
    [this.tenant, this.user, this.limits] = [message.tenant, message.user, message.limits];
    rememberIdentity(this.#origin, { tenant: this.tenant, user: this.user });
    this.#each((tree) => this.#welcome(tree));
    this.#rescue();
  }

  // Queues of tabs that are gone are sent too, each under its own client_id.
  async #rescue() {
    if (this.#isRescued || this.#options.only) return;
    this.#isRescued = true;
    const store = await this.#store.catch(() => null);
    if (!store) return;
    const start = (only) => new Client(this.#origin, () => this.#token.get(), { ...this.#options, only, guard: false });
    const told = (tree, report) => this.dispatchEvent(new CustomEvent("report", { detail: { tree, report } }));
    await ferry(store, start, told).catch((error) => this.#fault({ code: "storage", why: error.message }));
  }

  /** Trees for which this browser still holds something of this queue. */
  async kept() {
    return (await this.#store)?.trees() ?? [];
  }

  #welcome(tree) {
    if (!this.#loaded.has(tree)) return;
    tree.welcomed({ user: this.user, client: this.clientId }, this.limits, this.#link.messageBytes);
  }

  #hear(message) {
    if (message.type === "error") this.#fault(message);
    if (message.type === "notice" && message.code === "replaced")
      return this.#link.refuse("this queue is written from another place: reload the page");
    const tree = this.#trees.get(message.tree);
    if (!tree) return;
    tree.hear(message);
    if (tree.isWornOut) this.#renew();
  }

  // This client_id cannot go on [RP7]. It is the socket's, so every tree first has its answers under the old one, sends
  // nothing new meanwhile, and goes on under another.
  async #renew() {
    this.#each((tree) => tree.wearOut());
    if (this.#isRenewing || [...this.#trees.values()].some((tree) => tree.hasNumbered)) return;
    this.#isRenewing = true;
    try {
      const store = await this.#store.catch(() => null);
      // what has its answer must have left the store: under another client_id it would be sent again
      const kept = await Promise.all([...this.#trees.values()].map((tree) => tree.keepNow()));
      if (store && kept.includes(false)) throw new Error("it cannot be written");
      this.clientId = store ? await store.renew([...this.#trees.keys()]) : newId();
      this.#link.redial();
    } catch (error) {
      this.#link.refuse(`this browser cannot keep its queue: ${error.message}`);
    }
    this.#isRenewing = false;
  }

  #became(state, why) {
    this.#why = why;
    if (state !== "online") this.#each((tree) => this.#loaded.has(tree) && tree.settleForStored());
    this.#each((tree) => tree.restate());
    this.dispatchEvent(new Event("state"));
  }

  #fault(detail) {
    this.dispatchEvent(new CustomEvent("fault", { detail }));
  }

  #each(visit) {
    for (const tree of this.#trees.values()) visit(tree);
  }

  // ---- what a tree needs of its client

  #host() {
    const client = this;
    return {
      get state() {
        return client.state;
      },
      get limits() {
        return client.limits;
      },
      get identity() {
        return { server: client.#origin, tenant: client.tenant, user: client.user };
      },
      say: (message) => this.#link.say(message),
      post: (tree, edit) => this.#post(tree, edit),
      request: (method, path, body) => this.request(method, path, body),
      store: () => this.#store,
      fault: (detail) => this.#fault(detail),
      closed: (number) => this.#trees.delete(number),
      waitAfter: (failures) => Math.random() * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 20)),
    };
  }

  // An edit too large for a message [SEMANTICS 28]. Its answer goes where a socket's would. Access to the tree is the
  // socket's to tell: by HTTP the op alone is refused.
  async #post(tree, { type, tree: number, ref, ...edit }) {
    try {
      const outcome = await this.request("POST", `/trees/${number}/edits`, edit);
      if (!Array.isArray(outcome?.results)) throw new RequestFailed({ detail: "an answer that is not the server's" });
      tree.hear({ ...outcome, type: "outcome", tree: number, ref });
    } catch (error) {
      const { code = "unavailable", why = String(error), status = 0 } = error;
      tree.hear({ type: "error", code, why, status, tree: number, ref });
    }
  }

  // ---- the page goes away

  #guard() {
    const { signal } = this.#away;
    const keep = () => this.#each((tree) => tree.keepNow());
    globalThis.addEventListener?.("pagehide", keep, { signal });
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden && keep(), { signal });
    globalThis.addEventListener?.(
      "beforeunload",
      (event) => {
        const isUnkept = [...this.#trees.values()].some((tree) => tree.unkept > 0);
        if (!this.#options.guard || !isUnkept) return;
        event.preventDefault();
        event.returnValue = true; // for browsers that look at nothing else
      },
      { signal },
    );
  }
}
