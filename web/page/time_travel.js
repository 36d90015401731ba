// Looking at the tree as it was: which moment, what is known of it, and that the newest wish is what is shown.

import { Past } from "./past.js";
import { failureInWords } from "./words.js";

const SETTLE_MS = 60; // a slider that is dragged asks once per so long, and never twice at once
const AGAIN_MS = 1000; // after the server asked to be asked less often
const KEPT_NODES = 60_000; // of moments that were looked at, so that going to and fro asks once; about 30 MB

/**
 * Events: `moment` (another one is looked at, or wished, or could not be had).
 *
 * `seq` is the one that is wished; `shown` what is drawn: `{ moment, seq, at, user, via, until }`, null for now. `until` is
 * the seq up to which it was compared.
 */
export class TimeTravel extends EventTarget {
  seq = 0;
  shown = null;
  loading = false;
  /** Users who made the changes that were looked at. */
  met = new Set();
  /** Why the wished moment is not shown, in words. */
  trouble = "";
  #desk;
  #wished = null;
  #folds = new Map();
  #kept = new Map();
  #timer = 0;

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    super();
    this.#desk = desk;
    this.seq = this.now;
    desk.tree.addEventListener("change", () => this.#wished || this.#follow());
    desk.client.addEventListener("state", () => this.trouble && desk.client.state === "online" && this.#again());
  }

  /** The seq the tree has come to. */
  get now() {
    return this.#desk.tree.position?.seq ?? 0;
  }

  /** Where the slider ends: now, which stays where it is while the past is looked at. */
  get end() {
    return this.shown ? Math.max(this.shown.until, this.seq) : this.now;
  }

  get isPast() {
    return this.#wished !== null;
  }

  /** Look at a moment: `{ seq }`, or `{ version, seq }`. The last seq is now. */
  look(moment) {
    const isNow = moment.version === undefined && moment.seq >= this.end;
    if (isNow) return this.back();
    this.#wished = moment;
    this.seq = moment.seq;
    this.#again();
  }

  #again() {
    this.trouble = "";
    this.loading = true;
    this.#ask(SETTLE_MS);
    this.#tell();
  }

  /** Back to now, with all that happened meanwhile. */
  back() {
    const was = this.isPast;
    clearTimeout(this.#timer);
    this.#timer = 0;
    [this.#wished, this.shown, this.trouble, this.loading] = [null, null, "", false];
    this.#folds.clear();
    this.seq = this.now;
    if (this.#desk.past) this.#desk.lookAt(null);
    if (was) this.#tell();
  }

  #follow() {
    this.seq = this.now;
    this.#tell();
  }

  #ask(after) {
    this.#timer ||= setTimeout(() => this.#load(), after);
  }

  // The timer stays set until it is done: what is wished meanwhile is asked for then, and nothing between. Of 10,000 nodes
  // reading, comparing and laying out take some 25 ms each: in turns of their own they hold up no frame.
  async #load() {
    const moment = this.#wished;
    const timer = this.#timer;
    let pause = 0;
    try {
      const found = await this.#found(moment);
      await nextTurn();
      if (this.#timer !== timer) return;
      const past = new Past(found.state, this.#desk.tree.view, this.#folds);
      await nextTurn();
      if (this.#timer === timer) this.#show(moment, found, past);
    } catch (error) {
      if (error.code === "rate") pause = AGAIN_MS;
      else if (moment === this.#wished) this.#failed(error);
    }
    if (this.#timer !== timer) return; // back to now meanwhile
    this.#timer = 0;
    if (this.#wished && (pause || this.#wished !== moment)) this.#ask(pause);
  }

  #failed(error) {
    this.loading = false;
    this.trouble =
      error.status === 0
        ? "You are offline. History is kept by the server; try again when it is there."
        : failureInWords(error);
    this.#tell();
  }

  #show(moment, { state: _, ...about }, past) {
    this.shown = { ...about, moment, until: this.now };
    if (about.user) this.met.add(about.user);
    if (moment === this.#wished) [this.loading, this.seq] = [false, about.seq];
    this.#desk.lookAt(past);
    this.#tell();
  }

  async #found(moment) {
    const { epoch } = this.#desk.tree.position ?? {};
    const key = moment.version === undefined ? `${epoch} ${moment.seq}` : `version ${moment.version}`;
    let found = this.#kept.get(key);
    this.#kept.delete(key); // and put again, as the newest
    found ??= about(await this.#desk.tree.history.at(asked(moment)));
    this.#kept.set(key, found);
    let nodes = 0;
    for (const [old, { state }] of [...this.#kept].reverse()) {
      nodes += state.nodes.length;
      if (nodes > KEPT_NODES && old !== key) this.#kept.delete(old);
    }
    return found;
  }

  #tell() {
    this.dispatchEvent(new Event("moment"));
  }
}

const nextTurn = () => new Promise((resolve) => setTimeout(resolve));

const asked = ({ version, seq }) => (version === undefined ? { seq } : { version });

function about({ state, position, change, version }) {
  const { at = "", user = "", via = "" } = change ?? version ?? {};
  return { state, seq: position?.seq ?? version.seq, at, user, via };
}
