// Sending a tree's queue: in edits as large as the limits allow, one round after another, and again after refusals.
//
// A round is all that was sent since the last one was answered; only then the next goes, from the first op that has no
// final answer [SEMANTICS 3]. No I/O.

const STALE_ROUNDS = 3; // refusals as `stale` before the tree is opened again: catching up takes a moment, a restore stays
const LATER = new Set(["rate", "unavailable", "internal"]); // an `error` with one of these is over after a while
const HOLDING = new Set(["unauthorised", "expired"]); // the op waits for another token
// A notice says of the whole socket that it was replaced.
const ENDS = { not_open: "open", epoch: "open", not_found: "end", forbidden: "end", replaced: "stay" };

/** Whether an `error` with this code is over after a while. */
export function isPassing(code) {
  return LATER.has(code);
}

/** The rounds in which one queue is sent. */
export class Sending {
  #queue;
  #flights = new Map(); // ref to the entries under way
  #mostOps = Infinity;
  #refs = 0;

  constructor(queue) {
    this.#queue = queue;
  }

  nextRef() {
    return ++this.#refs;
  }

  /** The parcels that go now, each with its ref. */
  take(limits, messageBytes, seqs) {
    const parcels = this.#queue.take(limits, messageBytes, this.#mostOps, seqs);
    for (const parcel of parcels) this.#flights.set((parcel.ref = this.nextRef()), parcel.entries);
    return parcels;
  }

  /** The socket is gone: whether what was under way arrived is not known. */
  lost() {
    this.#queue.land();
    this.#flights.clear();
  }

  owns(ref) {
    return this.#flights.has(ref);
  }

  /**
   * Take an outcome: { settled: entries that are final now, next }. `next`: what to do after a round, "go" (send the
   * next), "wait" (first), "open" (the tree again), "end" (the tree is lost), "stay".
   */
  answered(outcome) {
    this.#queue.land(this.#flights.get(outcome.ref) ?? []);
    this.#flights.delete(outcome.ref);
    const settled = outcome.results.map((result) => this.#queue.answer(result, outcome.seq)).filter(Boolean);
    return { settled, next: this.#endRound() };
  }

  /**
   * An edit was answered by an error: it had no effect, and none of its numbers is used. { unread, next }: the op that
   * the server will never take, where there is one, and what to do next.
   */
  failed(error) {
    const flight = this.#flights.get(error.ref);
    this.#flights.delete(error.ref);
    this.#queue.land(flight);
    if (HOLDING.has(error.code) || error.status === 403) this.#queue.hold(flight, error);
    else if (ENDS[error.code]) return { unread: null, next: ENDS[error.code] };
    else if (LATER.has(error.code)) this.#queue.refusedCode = error.code;
    else if (flight.length > 1) {
      this.#mostOps = Math.max(1, flight.length >> 1); // one of them is at fault: look for it by halves
      this.#queue.refusedCode = error.code;
    } else return { unread: flight[0], next: this.#endRound() };
    return { unread: null, next: this.#endRound() };
  }

  #endRound() {
    const code = this.#queue.endRound();
    if (code === null || code === "forbidden" || (code === "gap" && this.#queue.refusals === 1)) return "go";
    return code === "stale" && this.#queue.refusals % STALE_ROUNDS === 0 ? "open" : "wait";
  }
}
