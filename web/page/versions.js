// The versions of the tree as far as this page has asked for them, newest first.

/** Events: `versions`. All that asks the server rejects with RequestFailed. */
export class Versions extends EventTarget {
  /** @type {import("../treesync.js").Version[]} */
  list = [];
  /** Whether there are older ones that were not asked for. */
  more = true;
  #tree;
  #next = null;
  #loading = null;

  constructor(tree) {
    super();
    this.#tree = tree;
    tree.addEventListener("version", ({ detail }) => this.#put([detail]));
  }

  /** Ask for the newest, or for the page behind those that are here. One at a time. */
  load() {
    this.#loading ??= this.#page().finally(() => (this.#loading = null));
    return this.#loading;
  }

  /** Give the tree, as it is at a moment or now, a name. */
  async keep(name, description, of) {
    const kept = await this.#tree.history.keep(name, { description, of });
    this.#put([kept]);
    return kept;
  }

  async rename(number, name, description) {
    this.#put([await this.#tree.history.rename(number, name, description)]);
  }

  /** Take a version's name away: it is one that was kept by itself, and may be thinned. */
  async unname(number) {
    this.#put([await this.#tree.history.unname(number)]);
  }

  async #page() {
    const { versions, next } = await this.#tree.history.versions({ before: this.#next });
    [this.#next, this.more] = [next, next !== null];
    this.#put(versions);
  }

  #put(versions) {
    const all = new Map(this.list.map((one) => [one.number, one]));
    for (const one of versions) all.set(one.number, { ...all.get(one.number), ...one });
    this.list = [...all.values()].sort((a, b) => b.number - a.number);
    this.dispatchEvent(new Event("versions"));
  }
}
