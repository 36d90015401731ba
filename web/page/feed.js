// The activity feed: who did what in this tree, as sentences, newest first; live while it is open.

import { byId, made, say } from "./dom.js";
import { entryRow, withDays } from "./feed_entries.js";
import { FeedPages } from "./feed_pages.js";
import { ago, failureInWords, plural } from "./words.js";

const SETTLE_MS = 500; // after a change before the feed is read again: someone who types makes ten a second
const AT_MOST_MS = 2_000; // and while changes do not end
const AGES_MS = 30_000;
const AHEAD = 200; // pixels below what is in sight: there the next page is asked for
const TOP = 60; // pixels: who has scrolled further down is told of news, and not moved

export class Feed {
  #desk;
  #panel = byId("feed");
  #button = byId("show-feed");
  #list = byId("feed-list");
  #note = byId("feed-note");
  #news = byId("feed-news");
  #person = byId("feed-person");
  #node = byId("feed-node");
  #end = byId("feed-end");
  #pages = null;
  #people = new Map();
  #timer = 0;
  #since = 0; // when the first change came that was not read yet
  #filteredBy = null; // a node's id

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    this.#button.onclick = () => this.toggle();
    this.#person.onchange = () => this.#restart();
    this.#node.onchange = () => this.#filterByNode();
    this.#news.onclick = () => this.#list.parentElement.scrollTo({ top: 0, behavior: "smooth" });
    byId("close-feed").onclick = () => this.toggle();
    this.#panel.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.toggle();
    };
    desk.tree.addEventListener("change", ({ detail }) => detail.ops.length && this.#soon());
    desk.client.addEventListener("state", () => this.isOpen && desk.client.state === "online" && this.#renew());
    desk.addEventListener("selection", () => this.#offerNode());
    new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.#more(), {
      root: this.#list.parentElement,
      rootMargin: `${AHEAD}px`,
    }).observe(this.#end);
    setInterval(() => this.isOpen && this.#grow(), AGES_MS);
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  toggle() {
    this.#panel.hidden = this.isOpen;
    this.#button.setAttribute("aria-expanded", String(this.isOpen));
    if (!this.isOpen) return this.#button.focus();
    this.#offerNode();
    this.#restart();
    this.#panel.focus();
  }

  // ---- which

  #restart() {
    const user = this.#person.value || null;
    this.#pages = new FeedPages((...asked) => this.#desk.client.request(...asked), {
      tree: this.#desk.tree.number,
      node: this.#filteredBy,
      user,
    });
    this.#list.replaceChildren(made("li", { className: "none" }, "Looking…"));
    this.#more();
  }

  #filterByNode() {
    this.#filteredBy = this.#node.checked ? this.#desk.selection : null;
    this.#offerNode();
    this.#restart();
  }

  // While the feed is of one card it stays that card's.
  #offerNode() {
    const id = this.#filteredBy ?? this.#desk.selection;
    const node = this.#desk.view.nodes.get(id);
    this.#node.disabled = !node && this.#filteredBy === null;
    say(byId("feed-node-name"), node ? `Only “${node.title}”` : "Only the selected card");
  }

  #offerPeople() {
    for (const { user, name } of this.#pages.entries) if (user) this.#people.set(user, name || user);
    const chosen = this.#person.value;
    const known = [...this.#people].sort(([, one], [, other]) => one.localeCompare(other));
    if (this.#person.options.length === known.length + 1) return;
    const options = [["", "Everyone"], ...known].map(([value, name]) =>
      made("option", { value, selected: value === chosen }, value === this.#desk.client.user ? `${name} (you)` : name),
    );
    this.#person.replaceChildren(...options);
  }

  // ---- reading

  async #more() {
    const pages = this.#pages;
    if (!this.isOpen || !pages?.hasMore) return;
    await this.#read(pages, () => pages.more());
    // where the end is in sight still, the observer has nothing new to tell
    if (pages === this.#pages && !this.#note.textContent && this.#isEndNear()) this.#more();
  }

  #isEndNear() {
    const { bottom } = this.#list.parentElement.getBoundingClientRect();
    return !this.#end.hidden && this.#end.getBoundingClientRect().top < bottom + AHEAD;
  }

  #soon() {
    if (!this.isOpen) return;
    this.#since ||= performance.now();
    clearTimeout(this.#timer);
    const left = AT_MOST_MS - (performance.now() - this.#since);
    this.#timer = setTimeout(() => this.#renew(), Math.max(0, Math.min(SETTLE_MS, left)));
  }

  async #renew() {
    const pages = this.#pages;
    this.#since = 0;
    if (!this.isOpen || !pages) return;
    await this.#read(pages, async () => this.#announce(await pages.renew()));
  }

  async #read(pages, ask) {
    try {
      await ask();
      say(this.#note, "");
    } catch (error) {
      if (pages === this.#pages) this.#fail(error);
    }
    if (pages === this.#pages) this.#draw();
  }

  #fail(error) {
    const shown = this.#pages.entries.length > 0;
    say(this.#note, error.status === 0 && shown ? "Offline: this is how it was." : failureInWords(error));
  }

  #announce(fresh) {
    const scrolled = this.#list.parentElement.scrollTop > TOP;
    if (!fresh || !scrolled) return;
    this.#news.hidden = false;
    say(this.#news, `${plural(fresh, "new entry", "new entries")} ↑`);
  }

  // ---- drawing

  #draw() {
    const { entries, hasMore } = this.#pages;
    this.#offerPeople();
    const frame = this.#list.parentElement;
    if (frame.scrollTop <= TOP) this.#news.hidden = true;
    const old = new Map([...this.#list.querySelectorAll("[data-entry]")].map((row) => [row.dataset.entry, row]));
    const focused = document.activeElement?.closest("[data-entry]")?.dataset.entry;
    const rows = withDays(entries, (entry) => this.#row(entry, old));
    const height = frame.scrollHeight;
    this.#list.replaceChildren(...(rows.length ? rows : [made("li", { className: "none" }, this.#nothing())]));
    if (frame.scrollTop > TOP) frame.scrollTop += frame.scrollHeight - height;
    if (focused)
      this.#list.querySelector(`[data-entry="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
    this.#end.hidden = !hasMore;
  }

  // The row that is there, unless the entry has grown.
  #row(entry, old) {
    const there = !entry.node || this.#desk.view.nodes.has(entry.node);
    const key = `${entry.sentence} ${entry.at} ${there}`;
    const known = old.get(entry.id);
    if (known?.dataset.key === key) return known;
    const row = entryRow(entry, { there, go: () => this.#go(entry) });
    row.dataset.key = key;
    if (old.size && !known && Date.now() - Date.parse(entry.at) < AGES_MS) row.classList.add("is-new");
    return row;
  }

  #nothing() {
    if (this.#note.textContent) return "";
    return this.#person.value || this.#filteredBy ? "Nothing yet that fits." : "Nothing yet.";
  }

  #grow() {
    for (const when of this.#list.querySelectorAll("time")) say(when, ago(Date.parse(when.dateTime)));
  }

  #go({ node, title }) {
    if (this.#desk.view.nodes.has(node)) this.#desk.goTo(node);
    else if (node) this.#desk.say(`“${title || node}” is not in the tree any more; the trash may have it.`);
  }
}
