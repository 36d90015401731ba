// A tree to work with: what its author sees, edits that show at once and resolve when they are durable, events.

import { Inbox } from "./conflicts.js";
import { OpenTree } from "./core.js";
import { Editing } from "./editing.js";
import { Entry } from "./entry.js";
import { History } from "./history.js";
import { Interactions } from "./interactions.js";
import { Keeping } from "./keeping.js";
import { refusalOf } from "./refusal.js";
import { Report } from "./report.js";
import { statusOf } from "./status.js";
import { Undo } from "./undo.js";

const PRESENCE_MS = 50; // 20 a second: as smooth as a cursor has to be, a fraction of what the server takes

/** An open tree: `Client.open` gives it; types and events in treesync.d.ts. */
export class Tree extends Editing {
  number;
  /** What was, and going back to it. */
  history;
  /** What a person did that changes nothing. */
  interactions;
  #host;
  #core;
  #keeping;
  #inbox;
  #undo;
  #report = null; // of what waited when the tree was opened
  #status = { state: "saving", count: 0 };
  #presenceTimer = null;
  #presence = null;
  #opening = Promise.withResolvers();
  #isOpened = false;

  /** Made by `Client.open`. `host` is the client's side of it: what it says, waits, stores and asks by HTTP. */
  constructor(number, host) {
    super();
    this.number = number;
    this.#host = host;
    this.history = new History(number, (method, path, body) => host.request(method, path, body));
    this.interactions = new Interactions(number, host);
    this.#core = new OpenTree(number, this.#outside());
    this.#keeping = new Keeping(this.#core, number, host, {
      unkept: (entries, why) => this.#unkept(entries, why),
      changed: () => this.#restate(),
    });
    this.#inbox = new Inbox(
      number,
      host,
      () => this.#core,
      (detail) => this.#tell("conflict", detail),
    );
    this.#undo = new Undo(this, (op, mode, record) => this.#edit(op, mode, record));
    this.#opening.promise.catch(() => {}); // whoever opened it is told; nobody else has to listen
  }

  // ---- reading

  /** What its author sees: the queue over confirmed state. It never changes; there is a new one after each change. */
  get view() {
    return this.#core.view;
  }

  /** What this person may do here; null before it is known. */
  get role() {
    return this.#core.role;
  }

  /** The place in the history up to which all is confirmed here. */
  get position() {
    return this.#core.position;
  }

  /** The others who are here. */
  get people() {
    return this.#core.people;
  }

  /** What a person should be told about their work. */
  get status() {
    return this.#status;
  }

  /** Open conflict records of this person, newest first. */
  get conflicts() {
    return this.#inbox.mine;
  }

  /** Why it is closed; null while it is open, or will be again. */
  get closed() {
    return this.#core.error;
  }

  /** What is not final, oldest first, then what was refused for good. */
  get queue() {
    const { unanswered, refused } = this.#core.queue;
    return [...unanswered, ...refused].map((entry) => entry.shownToPerson);
  }

  // ---- editing (`Editing` has a method for each kind of op)

  /** Queue any op of PROTOCOL.md; shows at once, resolves when durable. */
  edit(op, mode = "live") {
    return this.#edit(op, mode, (step, answer) => this.#undo.did(step, answer));
  }

  #edit(asked, mode, record) {
    const op = JSON.parse(JSON.stringify(asked)); // as it will travel, and nobody else's to change
    const refusal = refusalOf(op, this.#core, this.#host, this.#keeping.fault);
    if (refusal) return this.#refuse(refusal);
    const { queue, seq, view } = this.#core;
    const { promise, resolve } = Promise.withResolvers();
    const entry = new Entry({ op: { ...op, base: seq }, mode, place: queue.nextPlace(), made: Date.now(), at: seq });
    entry.resolvers.push(resolve);
    const step = this.#undo.stepOf(op, view);
    this.#core.edit(entry);
    if (step) record(step, promise);
    this.#keeping.soon();
    this.#tell("change", { ops: [], own: true, replaced: false });
    this.#restate();
    return promise;
  }

  #refuse(refusal) {
    if (refusal.code === "storage") this.#keeping.retry();
    this.#restate();
    return Promise.resolve({ n: null, status: "rejected", ...refusal });
  }

  /** Take back one's own newest change; null: there is none. */
  undo() {
    return this.#undo.undo();
  }

  /** Take back the newest undo; null: there is none. */
  redo() {
    return this.#undo.redo();
  }

  get canUndo() {
    return this.#undo.canUndo;
  }

  get canRedo() {
    return this.#undo.canRedo;
  }

  /** Edits made inside are undone together. */
  group(edits) {
    return this.#undo.group(edits);
  }

  // ---- more than edits

  /** What the others see of this person: the whole state each time. */
  present(state) {
    this.#presence = state;
    this.#presenceTimer ??= setTimeout(() => {
      this.#presenceTimer = null;
      this.#core.present(this.#presence);
    }, PRESENCE_MS);
  }

  /** Decide a conflict. */
  resolve(conflict, choice, value) {
    return this.#inbox.resolve(conflict, choice, value);
  }

  /** What the trash holds, newest first. */
  async trash() {
    const found = [];
    for (let next = ""; next !== null;) {
      const page = await this.#host.request("GET", `/trees/${this.number}/trash${next}`);
      found.push(...page.trash.map(({ node, title, type, ...rest }) => ({ node: { id: node, title, type }, ...rest })));
      next = page.next ? `?before=${encodeURIComponent(page.next)}` : null;
    }
    return found;
  }

  /** Give up what was refused; answers those ops. */
  discard() {
    const given = this.#core.queue.discard();
    this.#core.changed();
    this.#keeping.now();
    this.#tell("change", { ops: [], own: true, replaced: false });
    this.#restate();
    return given.map((entry) => entry.op);
  }

  /** The queue as a file's content. */
  exportQueue() {
    const { tree = this.number, user, tenant, server } = this.#host.identity;
    return JSON.stringify(
      { treesync: 1, server, tenant, user, tree, position: this.position, queue: this.queue },
      null,
      2,
    );
  }

  /** Let go of the tree; what is unanswered stays in the queue until it is opened again. */
  close() {
    clearTimeout(this.#presenceTimer);
    this.#core.close();
    this.#keeping.close();
    this.interactions.close();
    this.#host.closed(this.number);
  }

  // ---- what the client tells it

  /** Resolves to this tree once it is here. */
  get opened() {
    return this.#opening.promise;
  }

  get isOpened() {
    return this.#isOpened;
  }

  get hasNumbered() {
    return this.#core.queue.hasNumbered;
  }

  get isWornOut() {
    return this.#core.queue.wornOut;
  }

  /** Stop numbering: the client_id cannot go on. */
  wearOut() {
    this.#core.queue.wornOut = true;
  }

  /** How many ops would be lost if this page went away now. */
  get unkept() {
    return this.#core.queue.unanswered.filter((entry) => !entry.isStored).length;
  }

  async load() {
    await this.#keeping.load();
    if (this.#core.confirmed) this.#tell("change", { ops: [], own: false, replaced: true });
    this.#restate();
  }

  /** There is no server now: what this browser keeps has to do. */
  settleForStored() {
    if (this.#core.confirmed) this.#settleOpened();
  }

  welcomed(me, limits, messageBytes) {
    this.#core.welcomed(me, limits, messageBytes);
    this.#restate();
  }

  hear(message) {
    if (!this.#inbox.hear(message)) this.#core.hear(message);
    this.#restate();
    if (["version", "progress", "insight"].includes(message.type)) this.#tell(message.type, message);
  }

  /** There is another token. */
  release() {
    this.#core.release();
    this.#restate();
  }

  lost() {
    this.#core.lost();
    this.#inbox.lost();
    this.#restate();
  }

  restate() {
    this.#restate();
  }

  keepNow() {
    return this.#keeping.now();
  }

  // ---- what the core needs done

  #outside() {
    return {
      say: (message) => this.#host.say(message),
      post: (edit) => this.#host.post(this, edit),
      keep: () => this.#keeping.numbers(),
      pause: (failures, done) => setTimeout(done, this.#host.waitAfter(failures)),
      tell: (name, detail) => this.#heard(name, detail),
      settled: () => this.#settled(),
      carried: (...change) => this.#undo.carry(...change),
      replaced: (...states) => this.#undo.replaced(...states),
      gone: (error) => this.#gone(error),
    };
  }

  #heard(name, detail) {
    if (name === "opened") {
      this.#report = detail.length ? new Report(detail) : null; // one that was cut short goes on in this
      this.#inbox.opened();
      this.#settleOpened();
    } else {
      if (name === "change") {
        this.#undo.heard(detail);
        this.#keeping.later();
      }
      this.#tell(name, detail);
    }
    this.#restate();
  }

  #settleOpened() {
    if (!this.#isOpened) this.interactions.begin();
    this.#isOpened = true;
    this.#opening.resolve(this);
  }

  #settled() {
    this.#keeping.later();
    if (!this.#report?.isComplete) return;
    const { summary } = this.#report;
    this.#report.tell();
    this.#report = null;
    this.#tell("report", summary);
  }

  // The store has failed: what it does not hold is taken out of the queue and shown as refused.
  #unkept(entries, why) {
    this.#core.queue.refuseUnkept(entries, { code: "storage", why });
    this.#core.changed();
    this.#host.fault({ code: "storage", why, tree: this.number });
    this.#tell("change", { ops: [], own: true, replaced: false });
    this.#restate();
  }

  #gone(error) {
    this.#inbox.lost();
    this.interactions.close();
    const { unanswered, refused } = this.#core.queue;
    if (unanswered.length + refused.length)
      this.#settleOpened(); // to be looked at, and taken out as a file
    else if (!this.#isOpened) this.#opening.reject(Object.assign(new Error(error.why), error));
    this.#tell("closed", error);
    this.#restate();
  }

  #restate() {
    const status = statusOf(this.#core, this.#host.state, this.#keeping.fault, this.#inbox.mine.length);
    const known = this.#status;
    if (status.state === known.state && status.count === known.count && status.why === known.why) return;
    this.#status = status;
    this.#tell("status", status);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
