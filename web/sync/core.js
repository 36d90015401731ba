// One open tree as the protocol sees it: replica, queue, who is here, and what to say next. No I/O: what goes out, and
// what its owner should know, goes through `outside`:
//   say(message)      over the socket                      post(edit)     an edit too large for a message
//   keep()            (a promise) the queue is stored       pause(failures, done)   call `done` after a jittered while
//   tell(name, detail)   an event                           gone(error)    it will not be opened again by itself
//   settled()         an answer is final                    carried(node, path, delta, seq)   a text was changed under us
//   replaced(before, after)         confirmed state was taken anew

import { carryOver, withdraw } from "./carrying.js";
import { Queue } from "./queue.js";
import { rebased } from "./rebase.js";
import { Replica } from "./replica.js";
import { Sending, isPassing } from "./sending.js";
import { wish } from "./wishes.js";

const LOST_HISTORY = new Set(["epoch", "ahead", "too_far", "erased"]); // a snapshot for these replaces the queue's bases
const WRITERS = new Set(["editor", "owner"]);

/** One open tree without I/O; see the module. `welcomed` comes first: it says who we are. */
export class OpenTree {
  queue = new Queue();
  status = "away"; // "opening", "open", "gone"
  role = null;
  people = new Map(); // the others: participant id to its view
  position = null; // of confirmed state
  confirmed = null; // a Replica, once there is one
  error = null; // why it is gone
  openConflicts = 0; // as the server counted them when it was opened
  #outside;
  #sending = new Sending(this.queue);
  #me = { user: "", client: "" };
  #limits = { edit_ops: 500, unanswered_ops: 2000 };
  #messageBytes = 65_536;
  #openRef = 0;
  #you = null; // this socket's own participant id
  #parts = [];
  #head = 0; // the tree's seq when it was opened: it is not called open, and nothing is sent, before we are there [OP13]
  #entering = null; // what waited when the answer to `open` came; null once the ops up to #head have come too
  #highest = 0; // seq of this history that was ever named here
  #line = 0; // counts openings, so that what was stored for an older one is not sent on a newer
  #paused = false;
  #asksLater = null;
  #failures = 0; // of openings and of frames that do not follow, in a row
  #presence = null;
  #view = null;

  constructor(number, outside) {
    this.number = number;
    this.#outside = outside;
  }

  get seq() {
    return this.position?.seq ?? 0;
  }

  get mayWrite() {
    return this.role === null || WRITERS.has(this.role);
  }

  /** What its author sees: the queue applied over confirmed state [RP3]. A Replica that never changes. */
  get view() {
    if (!this.#view) {
      this.#view = this.confirmed?.copy() ?? new Replica();
      for (const entry of this.queue.visible) wish(this.#view, entry);
    }
    return this.#view;
  }

  /** Take what a store has kept: confirmed state and its queue. */
  load({ parts, position, role }) {
    this.confirmed = new Replica(parts);
    [this.position, this.role] = [position, role];
    this.#view = null;
  }

  // ---- the socket

  welcomed(me, limits, messageBytes) {
    if (this.#me.client && me.client !== this.#me.client) this.queue.renumber();
    this.#me = me;
    [this.#limits, this.#messageBytes] = [limits, Math.min(messageBytes, limits.message_bytes)];
    this.#paused = false; // whatever it was for, this socket knows nothing of it
    if (this.status !== "gone") this.ask();
  }

  /** Open the tree at the newest position, or, with a reason, as a whole. */
  ask(reason) {
    this.status = "opening";
    this.#asksLater = null;
    this.#entering = null;
    this.#parts = [];
    this.#line += 1;
    this.#openRef = this.#sending.nextRef();
    const position = reason ? undefined : (this.position ?? undefined);
    this.#outside.say({ type: "open", ref: this.#openRef, tree: this.number, position, reason });
  }

  lost() {
    this.#sending.lost();
    this.#line += 1;
    if (this.status === "gone") return;
    this.status = "away";
    this.people = new Map();
    this.#outside.tell("people");
  }

  close() {
    if (this.status === "open" || this.status === "opening") this.#outside.say({ type: "close", tree: this.number });
    this.#end({ code: "closed", why: "the tree was closed here" });
  }

  // ---- what its owner does

  /** Queue an op: the view shows it at once. */
  edit(entry) {
    const view = this.view.copy(); // one more over what is shown: a long queue is not applied again for each
    wish(view, entry);
    this.queue.add(entry);
    this.#view = view;
    this.flush();
  }

  /** The queue has changed in another way. */
  changed() {
    this.#view = null;
    this.flush();
  }

  present(state) {
    this.#presence = state;
    if (this.status === "open") this.#outside.say({ type: "presence", tree: this.number, state });
  }

  /** Send what may go, once it is stored with its numbers. */
  async flush() {
    if (this.status !== "open" || this.#paused || this.seq < this.#head) return;
    const parcels = this.#sending.take(this.#limits, this.#messageBytes, { seq: this.seq, highest: this.#highest });
    if (!parcels.length) return;
    const line = this.#line;
    if (!(await this.#outside.keep())) {
      if (line !== this.#line) return;
      this.#sending.lost();
      return this.#pause(this.queue.refusals + 1);
    }
    if (line !== this.#line) return; // another socket; it has been told to replay
    for (const { mode, entries, byHttp, ref } of parcels) {
      const edit = { type: "edit", tree: this.number, mode, ops: entries.map((entry) => entry.wire), ref };
      if (byHttp) this.#outside.post({ ...edit, client_id: this.#me.client, epoch: this.position.epoch });
      else this.#outside.say(edit);
    }
  }

  // ---- what the server says

  hear(message) {
    switch (message.type) {
      case "ops":
        return this.#ops(message);
      case "outcome":
        return this.#outcome(message);
      case "snapshot":
        return this.#snapshot(message);
      case "resumed":
        return message.ref === this.#openRef ? this.#entered(message) : undefined;
      case "presence":
        return this.#presenceOf(message);
      case "role":
        this.#become(message.role);
        this.#outside.tell("role");
        return this.flush();
      case "notice":
        return this.#notice(message);
      case "error":
        return this.#error(message);
    }
  }

  #outcome(message) {
    if (this.#sending.owns(message.ref)) this.#highest = Math.max(this.#highest, message.seq); // else of another history
    const { settled, next } = this.#sending.answered(message);
    for (const entry of settled) {
      if (entry.isWithoutEffect) withdraw(this.queue, entry, this.confirmed, this.#outside.carried);
      entry.settle(entry.result);
      this.#outside.settled();
    }
    this.#reach();
    this.#go(next);
  }

  #reach() {
    this.#view = null;
    this.queue.reached(this.seq);
    this.#outside.tell("change", { ops: [], own: true, replaced: false });
  }

  #go(next, error) {
    if (next === "go") return this.flush();
    if (next === "wait") return this.#pause(this.queue.refusals);
    if (next === "open" && this.status === "open") return this.ask();
    if (next === "end") return this.#end(error);
  }

  #pause(failures) {
    if (this.#paused) return;
    this.#paused = true;
    const line = this.#line;
    this.#outside.pause(failures, () => {
      if (!this.#paused || line !== this.#line) return;
      this.#paused = false;
      if (this.status === "opening") this.#asksLater?.();
      this.flush();
    });
  }

  // ---- state

  #snapshot(message) {
    if (message.ref !== undefined && message.ref !== this.#openRef) return; // of an opening that was given up
    if (message.part === 1) this.#parts = [];
    this.#parts.push(message.state);
    if (message.part < message.parts) return; // the last part makes it whole [OP6]
    const [before, held] = [this.confirmed, this.position];
    this.#highest = Math.max(this.#highest, this.seq);
    this.confirmed = new Replica(this.#parts);
    this.#parts = [];
    this.position = message.position;
    this.#head = headOf(message);
    if (held) {
      const isLost = LOST_HISTORY.has(message.reason) || held.epoch !== message.position.epoch;
      rebased(this.queue, before, this.confirmed, message, { isLost, seq: held.seq });
      if (isLost) {
        this.queue.forgetSettled();
        this.#highest = 0;
      }
    }
    this.#view = null;
    this.queue.reached(this.seq);
    const isOlder = held?.epoch === this.position.epoch && this.position.seq < held.seq;
    if (before && !isOlder) this.#outside.replaced(before, this.confirmed);
    this.#outside.tell("change", { ops: [], own: false, replaced: true });
    if (message.ref !== undefined) this.#entered(message);
    else this.#advance();
  }

  #entered(message) {
    this.status = "open";
    this.#you = message.you;
    this.#head = headOf(message);
    this.people = new Map(message.participants.map((one) => [one.id, one]));
    this.openConflicts = message.conflicts ?? 0;
    this.queue.opened(message.last_n);
    this.#entering = this.queue.replay();
    this.#view = null;
    this.#become(message.role);
    this.#outside.tell("people");
    if (this.#presence) this.present(this.#presence);
    this.#advance();
  }

  /** Confirmed state has come further: say that the tree is here once it is, and go on sending. */
  #advance() {
    if (this.#entering && this.seq >= this.#head) {
      const waiting = this.#entering;
      this.#entering = null;
      this.#outside.tell("opened", waiting);
    }
    this.flush();
  }

  #become(role) {
    this.role = role;
    if (this.mayWrite) this.queue.release();
  }

  /** There is another token: what was refused to the old one goes again. */
  release() {
    if (this.mayWrite) this.queue.release();
    this.flush();
  }

  #ops(frame) {
    if (this.status !== "open" || frame.seq <= this.seq) return; // what came before `open` was answered is told again
    if (frame.after > this.seq) return this.#askAgain(); // a gap: the log fills it
    const from = this.seq - frame.after;
    let told;
    try {
      told = frame.ops.slice(from).map((op, place) => this.#confirm(op, frame.after + from + place + 1, frame));
    } catch (error) {
      if (error instanceof RangeError) return this.#askAgain("digest"); // a delta beyond its text: this replica differs
      throw error;
    }
    this.position = { epoch: this.position.epoch, seq: frame.seq, mark: frame.mark };
    this.#view = null;
    this.queue.reached(this.seq);
    this.#outside.tell("change", { ops: told, own: told.every((op) => op.own), replaced: false });
    if (frame.digest !== undefined && frame.digest !== this.confirmed.digest) return this.#askAgain("digest"); // [P9]
    this.#failures = 0;
    this.#advance();
  }

  // Apply one effective op; what waits on the same text is carried over it.
  #confirm(op, seq, frame) {
    const author = frame.authors[op.by ?? 0];
    const own = author.client === this.#me.client && author.user === this.#me.user;
    const entry = own ? this.queue.byNumber(op.n) : undefined;
    const before = this.confirmed.nodes.get(op.node);
    this.confirmed.apply(op, seq);
    const after = this.confirmed.nodes.get(op.node);
    if (before && after) carryOver(this.queue, { op, entry, before, after, seq }, this.#outside.carried);
    if (entry) this.queue.confirm(entry, seq);
    return { at: frame.at, ...op, seq, ...author, own };
  }

  /** What came does not follow on what is here: the first time at once, then after growing waits. */
  #askAgain(reason) {
    this.#failures += 1;
    if (this.#failures === 1) return this.ask(reason);
    this.#askLater(this.#failures, reason);
  }

  #askLater(failures, reason) {
    this.status = "opening";
    this.#asksLater = () => this.ask(reason);
    this.#pause(failures);
  }

  // ---- people, notices, errors

  #presenceOf(message) {
    this.people = new Map(this.people);
    for (const one of message.participants ?? []) if (one.id !== this.#you) this.people.set(one.id, one);
    for (const id of message.left ?? []) this.people.delete(id);
    this.#outside.tell("people");
  }

  #notice(notice) {
    if (notice.code === "tree_deleted") this.#end({ code: "tree_deleted", why: "the tree was deleted" });
    else if (notice.code === "draining") this.#askLater(1); // of this tree alone; one for the whole socket is the link's
  }

  #error(error) {
    if (this.#sending.owns(error.ref)) return this.#refused(error);
    const isOpening = this.status === "opening" && error.ref === this.#openRef;
    if (isOpening && isPassing(error.code)) return this.#askLater(++this.#failures);
    const isOver = error.code === "not_found" || error.code === "forbidden"; // no longer ours to see, or put out
    if (isOpening || (error.ref === undefined && isOver)) this.#end(error);
  }

  #refused(error) {
    const { unread, next } = this.#sending.failed(error);
    if (unread) {
      withdraw(this.queue, unread, this.confirmed, this.#outside.carried);
      this.queue.refuseUnread(unread, error);
      this.#reach();
    }
    this.#go(next, error);
  }

  // What is unanswered stays in the queue.
  #end(error) {
    if (this.status === "gone") return;
    this.status = "gone";
    this.error = error;
    this.#outside.gone(error);
  }
}

function headOf({ head = 0, position }) {
  return Math.max(head, position.seq);
}
