// One op of a queue and what is known of it.

import { fieldsOf, makes } from "./fields.js";

const WITHOUT_EFFECT = new Set(["conflict", "rejected", "superseded"]);

/** One op of a queue, from the edit that made it to its durable answer. */
export class Entry {
  n = null; // given at first sending, stored before it, never given to another op
  flying = false; // on its way
  held = false; // refused for want of a right; goes again when the right is back
  hidden = false; // confirmed state shows it already, or it has no effect
  dropped = false; // its author gave it up, or it can never be sent: its number goes to the next one
  resolvers = []; // of the promises of all edits that became this op

  /** `op` as PROTOCOL.md has it, with `base`, without `n`. `at`: the confirmed seq that a text delta is against. */
  constructor({ op, mode, place, made, n = null, shown = null, at = 0, ...kept }) {
    this.op = op;
    this.mode = mode;
    this.place = place;
    this.made = made; // by this machine's clock, to be shown and for nothing else
    this.n = n;
    this.shown = op.op === "text" ? (shown ?? op.delta) : null; // the delta as it applies now; `op` is as it was sent
    this.at = at;
    this.refusal = kept.refusal ?? null; // { code, why } of the last refusal
    this.isRefused = kept.isRefused ?? false; // for good; stays until its person dismisses it
    this.settledAt = kept.settledAt ?? null; // the seq with which it leaves
    this.result = kept.result ?? null; // its final answer
    this.isReplay = kept.isReplay ?? false; // waited when the tree was opened; its person is told what became of it
    this.confirmedAt = kept.confirmedAt ?? null; // the seq with which it came back
    this.isStored = kept.isStored ?? false; // it outlives the page
    this.learn();
  }

  /** After `op` was replaced. */
  learn() {
    this.fields = fieldsOf(this.op);
    this.makes = makes(this.op);
  }

  get isText() {
    return this.op.op === "text";
  }

  get isVisible() {
    return !this.hidden && !this.dropped;
  }

  get isUnanswered() {
    return this.settledAt === null && !this.dropped;
  }

  /** Whether its final answer says that confirmed state will not show it. */
  get isWithoutEffect() {
    return WITHOUT_EFFECT.has(this.result?.status);
  }

  /** Whether it may be joined with a later edit: nobody has been told of it. */
  get isFresh() {
    return this.n === null && this.isUnanswered && !this.held;
  }

  touches(node, field) {
    return this.fields.has(field) || this.makes === "*" || this.makes.includes(node);
  }

  /** As it goes over the wire. */
  get wire() {
    return { n: this.n, ...this.op };
  }

  /** Queued of treesync.d.ts. */
  get shownToPerson() {
    const { n, op, made, refusal, isRefused } = this;
    const state = isRefused || this.held ? "refused" : this.flying || n !== null ? "sent" : "waiting";
    return {
      n,
      op: this.isText ? { ...op, delta: this.shown } : op,
      state,
      made,
      ...(state === "refused" ? refusal : {}),
    };
  }

  /** As IndexedDB keeps it. */
  get record() {
    const { op, mode, place, made, n, shown, at, refusal, isRefused, settledAt, result, isReplay, confirmedAt } = this;
    return { op, mode, place, made, n, shown, at, refusal, isRefused, settledAt, result, isReplay, confirmedAt };
  }

  /** It is part of confirmed state. */
  confirm(seq) {
    this.confirmedAt = seq;
    this.hidden = true;
  }

  settle(result) {
    this.result = result;
    for (const resolve of this.resolvers.splice(0)) resolve(result);
  }
}
