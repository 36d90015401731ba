// The feed's entries as far as they were read: pages backwards, and what is new, which may be an entry that has grown.

const PAGE = 30; // entries: more than a screen has

export class FeedPages {
  entries = [];
  /** Whether there is more before these. */
  hasMore = true;
  #request;
  #path;
  #next = null;
  #reading = null;

  /** @param {(method: string, path: string) => Promise<any>} request @param {{ tree: number, node?: string | null, user?: string | null }} which */
  constructor(request, { tree, node = null, user = null }) {
    this.#request = request;
    const base =
      node === null ? `/trees/${tree}/activity` : `/trees/${tree}/nodes/${encodeURIComponent(node)}/activity`;
    this.#path = (more) => `${base}?${new URLSearchParams({ limit: PAGE, ...(user !== null && { user }), ...more })}`;
  }

  /** Read the next page backwards. Rejects with RequestFailed. */
  more() {
    this.#reading ??= this.#readMore().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #readMore() {
    if (!this.hasMore) return;
    const page = await this.#request("GET", this.#path(this.#next === null ? {} : { before: this.#next }));
    this.#next = page.next;
    this.hasMore = page.next !== null;
    this.#take(page.entries);
  }

  /** Read what has come since. Answers how many entries are new. */
  async renew() {
    if (this.#next === null && this.hasMore) return void (await this.more());
    const { entries } = await this.#request("GET", this.#path({}));
    const known = new Set(this.entries.map((one) => one.id));
    const fresh = entries.filter((one) => !known.has(one.id)).length;
    // more than a page has come: what lies between would be missing
    if (entries.length && fresh === entries.length && this.entries.length) return this.#again();
    this.#take(entries);
    return fresh;
  }

  async #again() {
    while (this.#reading) await this.#reading.catch(() => {}); // a page behind what is forgotten now
    this.entries = [];
    this.#next = null;
    this.hasMore = true;
    await this.more();
    return this.entries.length;
  }

  #take(entries) {
    const all = new Map(this.entries.map((one) => [one.id, one]));
    for (const entry of entries) all.set(entry.id, entry);
    this.entries = [...all.values()].sort((one, other) => Date.parse(other.at) - Date.parse(one.at));
  }
}
