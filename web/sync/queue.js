// What a person has done and the server has not made final: one queue per tree and client_id, in order, each op with one
// number. An op leaves when its answer is final and the replica has reached the seq that came with it, so that nothing
// flickers [RP3]. No I/O: `dirty` and `gone` say what a store has to write.

import { Entry } from "./entry.js";
import { Joining } from "./joining.js";

const ENVELOPE_BYTES = 256; // what stands around the ops of an edit: about 90 bytes, and room for a long number or two
const NUMBER_BYTES = 24; // n and base, put in after an op was measured
const UNCONSUMED = new Set(["gap", "rate", "unavailable", "stale", "forbidden"]); // the op stays queued [ED6]
const encoder = new TextEncoder();

/** The queue of one tree under one client_id; see the module. */
export class Queue {
  entries = [];
  refused = []; // for good: they stay, with their content, until their person dismisses them [SEMANTICS 23]
  sentN = 0;
  wornOut = false; // this client_id cannot go on: what has a number is still sent for its answer, nothing else gets one
  refusals = 0; // rounds in a row that ended in a refusal without any progress
  refusedCode = null; // of the round that ends now; a gap only where nothing else was said
  dirty = new Set(); // entries to be written
  gone = new Map(); // places to be deleted, and whether only with confirmed state, which shows what they held
  #places = 0;
  #knownN = 0; // the last n the server has said it knows of this client
  #byNumber = new Map();
  #joining = new Joining();

  /** Take what a store has kept over confirmed state at `seq`. */
  load(entries, sentN, seq) {
    this.sentN = sentN;
    for (const entry of entries) {
      entry.hidden = entry.isWithoutEffect || (entry.confirmedAt !== null && entry.confirmedAt <= seq);
      this.#places = Math.max(this.#places, entry.place);
      if (entry.isRefused) this.refused.push(entry);
      else this.entries.push(entry);
      if (entry.n !== null && !entry.isRefused) this.#byNumber.set(entry.n, entry);
    }
    this.reached(seq);
  }

  nextPlace() {
    return ++this.#places;
  }

  /** Put an entry in; answers the one it has become part of, which may be an older one. */
  add(entry) {
    const older = this.#joining.join(this.entries, entry);
    if (older) older.resolvers.push(...entry.resolvers);
    else this.entries.push(entry);
    this.dirty.add(older ?? entry);
    return older ?? entry;
  }

  get visible() {
    return this.entries.filter((entry) => entry.isVisible);
  }

  get unanswered() {
    return this.entries.filter((entry) => entry.isUnanswered);
  }

  get isFlying() {
    return this.entries.some((entry) => entry.flying);
  }

  /** Whether a number of this client_id is still in use here. */
  get hasNumbered() {
    return this.entries.some((entry) => entry.n !== null);
  }

  byNumber(n) {
    return this.#byNumber.get(n);
  }

  /**
   * All that may go now, numbered, in as few edits as the limits allow: [{ mode, entries, byHttp }]. Nothing while
   * anything is under way, so that what piles up meanwhile goes together.
   */
  take({ edit_ops, unanswered_ops }, messageBytes, mostOps, { seq, highest }) {
    if (this.isFlying) return [];
    this.#purge();
    const parcels = [];
    let count = 0;
    for (const entry of this.unanswered) {
      if (entry.held || (entry.n === null && (this.wornOut || this.#mustWait(entry, seq, highest)))) break;
      if (entry.n === null && entry.isText) entry.op = { ...entry.op, base: seq, delta: entry.shown };
      const size = encoder.encode(JSON.stringify(entry.op)).length + NUMBER_BYTES + 1;
      const byHttp = size + ENVELOPE_BYTES > messageBytes; // larger than any message may be [SEMANTICS 28]
      if (count >= unanswered_ops || (byHttp && parcels.length)) break;
      this.#number(entry);
      let parcel = parcels.at(-1);
      const full = !parcel || parcel.entries.length >= Math.min(mostOps, edit_ops) || parcel.size + size > messageBytes;
      if (full || parcel.mode !== entry.mode)
        parcels.push((parcel = { mode: entry.mode, entries: [], size: ENVELOPE_BYTES, byHttp }));
      parcel.entries.push(entry);
      parcel.size += size;
      entry.flying = true;
      count += 1;
      if (byHttp) break;
    }
    this.refusedCode = null;
    return parcels;
  }

  // A delta waits until every own change of its field that was sent has come back [SEMANTICS 14]: also where a snapshot
  // set confirmed state back to before the one it was made over.
  #mustWait(entry, seq, highest) {
    if (!entry.isText) return false;
    if (entry.at > seq || highest > seq) return true;
    const [field] = entry.fields;
    for (const earlier of this.entries) {
      if (earlier === entry) return false;
      if (earlier.n !== null && earlier.isVisible && earlier.touches(entry.op.node, field)) return true;
    }
    return false;
  }

  #number(entry) {
    if (entry.n !== null) return;
    entry.n = ++this.sentN;
    this.#byNumber.set(entry.n, entry);
    this.dirty.add(entry);
  }

  /** They are no longer under way, and have no answer. */
  land(entries = this.entries) {
    for (const entry of entries) entry.flying = false;
  }

  /** The right to write is back. */
  release() {
    for (const entry of this.entries) entry.held = false;
  }

  /** Whatever is unanswered when a tree is opened again goes as `replay` [RP6]. Answers what its person is to be told of
   *  [RP10]. */
  replay() {
    for (const entry of this.unanswered) {
      if (entry.flying || entry.isReplay) continue;
      entry.mode = "replay";
      entry.isReplay = true;
      this.dirty.add(entry);
    }
    return this.entries.filter((entry) => entry.isReplay && !entry.isTold);
  }

  /** Take one result of an outcome whose head is `seq`; answers its entry where that is final now. */
  answer(result, seq) {
    const entry = this.#byNumber.get(result.n);
    if (!entry || !entry.isUnanswered) return null; // answered before, on another socket
    entry.flying = false;
    if (result.status === "rejected" && UNCONSUMED.has(result.code)) {
      this.#refuse(entry, result);
      return null;
    }
    this.refusals = 0;
    entry.settledAt = seq;
    this.dirty.add(entry);
    const first = result.status === "duplicate" ? { status: "unknown", ...result.first, n: result.n } : result;
    entry.result = first;
    if (first.status === "rejected" && first.code !== "erased") this.#keepRefused(entry, first);
    return entry;
  }

  #refuse(entry, result) {
    const { code, why = "" } = result;
    entry.refusal = { code, why };
    if (code === "gap" && result.expected < this.#firstNumber()) {
      this.#knownN = result.expected - 1;
      this.wornOut = true;
    }
    if (code !== "gap" || this.refusedCode === null) this.refusedCode = code;
    if (code === "forbidden") entry.held = true;
  }

  /** Refused whole, for want of a right: they keep their numbers, and wait until it is back. */
  hold(entries, { code, why }) {
    for (const entry of entries) Object.assign(entry, { held: true, refusal: { code, why } });
    this.refusedCode = "forbidden";
  }

  #keepRefused(entry, { code, why = "" }) {
    entry.refusal = { code, why };
    entry.isRefused = true;
    this.refused.push(entry);
    this.dirty.add(entry);
  }

  /** Once nothing is under way: the code of what was refused, null where nothing was. */
  endRound() {
    if (this.isFlying || this.refusedCode === null) return null;
    this.refusals += 1;
    if (this.wornOut) this.#freeNumbers();
    if (this.refusedCode === "stale") this.#freeStaleText();
    return this.refusedCode;
  }

  // A delta that was refused as stale was not used, nor was anything behind it; as it was sent it would be refused
  // again, so it is numbered and measured anew.
  #freeStaleText() {
    let behind = false;
    for (const entry of this.unanswered) {
      behind ||= entry.isText && entry.refusal?.code === "stale";
      if (behind && entry.n !== null) this.#unnumber(entry);
    }
  }

  /** The replica stands at `seq`: answers what was settled by then, in order; it leaves. */
  reached(seq) {
    let count = 0;
    while (
      count < this.entries.length &&
      this.entries[count].settledAt !== null &&
      this.entries[count].settledAt <= seq
    )
      count += 1;
    const left = this.entries.splice(0, count);
    for (const entry of left) this.#forget(entry);
    return left;
  }

  /** It is part of confirmed state at `seq`. */
  confirm(entry, seq) {
    entry.confirm(seq);
    this.dirty.add(entry);
  }

  #forget(entry) {
    if (entry.n !== null && this.#byNumber.get(entry.n) === entry) this.#byNumber.delete(entry.n);
    if (!entry.isRefused) {
      this.dirty.delete(entry);
      this.gone.set(entry.place, entry.settledAt !== null);
    }
  }

  /** The store does not hold them: they are not sent, and stay as refused as long as the page does. */
  refuseUnkept(entries, refusal) {
    for (const entry of entries) {
      if (!entry.isUnanswered) continue;
      this.dirty.delete(entry);
      this.#keepRefused(new Entry({ ...entry.record, n: null }), refusal);
      this.drop(entry, { n: null, status: "rejected", ...refusal });
    }
    this.land(entries);
    this.#purge();
  }

  /** The server cannot read it: it stays as refused, and its number goes to the next one. */
  refuseUnread(entry, { code, why }) {
    const kept = new Entry({ ...entry.record, n: null, place: this.nextPlace() });
    this.#keepRefused(kept, { code, why });
    this.drop(entry, { n: entry.n, status: "rejected", code, why });
  }

  /** It can never be sent, or its author gave it up: its number goes to the next one. */
  drop(entry, result) {
    entry.dropped = true;
    entry.settle(result);
  }

  // Nothing is under way, so everything behind a dropped op was refused and its number is not used.
  #purge() {
    for (const entry of this.entries) {
      const isEmpty = entry.isFresh && entry.isText && !entry.shown.length; // typed, and deleted again
      if (isEmpty) this.drop(entry, { n: null, status: "unchanged" });
    }
    const first = this.entries.findIndex((entry) => entry.dropped);
    if (first < 0) return;
    for (const entry of this.entries.slice(first)) {
      if (entry.n !== null && entry.settledAt === null) this.#unnumber(entry);
    }
    this.forgetDropped();
  }

  /** Take out what was dropped. */
  forgetDropped() {
    for (const entry of this.entries) if (entry.dropped) this.#forget(entry);
    this.entries = this.entries.filter((entry) => !entry.dropped);
  }

  #unnumber(entry) {
    this.sentN = Math.min(this.sentN, entry.n - 1);
    if (this.#byNumber.get(entry.n) === entry) this.#byNumber.delete(entry.n);
    entry.n = null;
    this.dirty.add(entry);
  }

  // ---- opening again, other histories, another client_id

  /**
   * The server has told the last n it knows of this client. Asked for one that is no longer held, or shown one that
   * was never given, this client_id cannot go on [RP7].
   */
  opened(lastN) {
    if (lastN <= this.sentN && lastN + 1 >= this.#firstNumber()) return;
    this.#knownN = lastN;
    this.wornOut = true;
    this.#freeNumbers();
  }

  #firstNumber() {
    return this.unanswered.find((entry) => entry.n !== null)?.n ?? this.sentN + 1;
  }

  // What the server has not used was never applied, and goes under the next client_id.
  #freeNumbers() {
    for (const entry of this.unanswered) if (entry.n > this.#knownN && !entry.flying) this.#unnumber(entry);
  }

  /** A new client_id: count from 1. */
  renumber() {
    this.sentN = 0;
    this.#knownN = 0;
    this.wornOut = false;
    this.refusals = 0;
    this.#byNumber.clear();
  }

  /** The seqs that answered ops wait for are of a history that is gone. */
  forgetSettled() {
    for (const entry of this.entries) if (entry.settledAt !== null) this.#forget(entry);
    this.entries = this.entries.filter((entry) => entry.settledAt === null);
  }

  /** Give up what the server will not take; answers it. */
  discard() {
    const given = [...this.refused, ...this.entries.filter((entry) => entry.held && entry.isUnanswered)];
    for (const entry of this.refused.splice(0)) this.gone.set(entry.place, false);
    for (const entry of given) {
      entry.isRefused = false;
      if (entry.isUnanswered) this.drop(entry, { n: entry.n, status: "rejected", code: "forbidden", why: "discarded" });
    }
    return given;
  }
}
