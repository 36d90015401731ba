// The finder: type part of a title, choose with arrows. Used to go somewhere, to connect and to move. Where it is to go
// somewhere, what the server finds in texts and other trees stands below.

import { made, say } from "./dom.js";
import { typeSign } from "./cards.js";

const MOST = 50; // shown; more is a reason to type another letter

export class Finder {
  #desk;
  #dialog;
  #input;
  #list;
  #title;
  #note = made("p", { className: "none", id: "found-note", role: "status" });
  #choose = () => {};
  #fits = () => true;
  #elsewhere;
  #isWide = false; // whether texts and other trees are searched too
  #found = []; // { element, take }: what can be chosen, in the order in which it stands
  #at = 0;

  /** @param {HTMLDialogElement} dialog @param {import("./search.js").Search} elsewhere */
  constructor(desk, dialog, elsewhere) {
    this.#desk = desk;
    this.#elsewhere = elsewhere;
    elsewhere.addEventListener("change", () => this.#isWide && this.#show());
    dialog.addEventListener("close", () => elsewhere.stop());
    this.#dialog = dialog;
    this.#title = made("h2", { className: "visually-hidden", id: "finder-title" });
    this.#list = made("ul", { id: "found", role: "listbox", "aria-labelledby": "finder-title" });
    this.#input = made("input", {
      id: "find",
      type: "text",
      role: "combobox",
      autocomplete: "off",
      spellcheck: false,
      "aria-controls": "found",
      "aria-expanded": "true",
      "aria-labelledby": "finder-title",
    });
    dialog.replaceChildren(this.#title, this.#input, this.#list, this.#note);
    this.#input.oninput = () => this.#search();
    this.#input.onkeydown = (event) => this.#key(event);
    this.#list.onclick = ({ target }) => {
      const row = target.closest("li");
      this.#take(this.#found.find(({ element }) => element === row));
    };
  }

  /**
   * @param {string} title what is chosen here
   * @param {(id: string) => void} choose
   * @param {{ fits?: (node: object) => boolean, wide?: boolean }} [how] `wide`: in texts and other trees too
   */
  open(title, choose, { fits = () => true, wide = false } = {}) {
    this.#choose = choose;
    this.#fits = fits;
    this.#isWide = wide;
    this.#title.textContent = title;
    this.#input.placeholder = title;
    this.#input.value = "";
    this.#search();
    this.#dialog.showModal();
    this.#input.focus();
  }

  #search() {
    if (this.#isWide) this.#elsewhere.ask(this.#input.value);
    this.#at = 0;
    this.#show();
  }

  // Nodes of the open tree by their titles: known here, so at once and without network.
  #here() {
    const asked = folded(this.#input.value).split(/\s+/).filter(Boolean);
    const scored = [];
    for (const node of this.#desk.view.nodes.values()) {
      if (!this.#fits(node)) continue;
      const title = folded(node.title);
      if (asked.every((word) => title.includes(word))) scored.push([title.startsWith(asked[0] ?? "") ? 0 : 1, node]);
    }
    return scored
      .sort((a, b) => a[0] - b[0])
      .slice(0, MOST)
      .map(([, node]) => node);
  }

  #show() {
    const nodes = this.#here();
    const here = nodes.map((node) => ({ element: this.#row(node), take: () => this.#choose(node.id) }));
    const known = new Set(nodes.map((node) => node.id));
    const wide = this.#isWide ? this.#elsewhere.rows(known) : { found: [], element: "", note: "" };
    this.#found = [...here, ...wide.found];
    this.#list.replaceChildren(...here.map(({ element }) => element), wide.element);
    say(this.#note, [this.#found.length ? "" : "No title has these words.", wide.note].filter(Boolean).join(" "));
    for (const [index, { element }] of this.#found.entries()) element.id = `found-${index}`;
    this.#mark();
  }

  #row(node) {
    const above = this.#desk.view.nodes.get(node.parent)?.title ?? "";
    return made(
      "li",
      { role: "option", "data-node": node.id, "data-type": node.type },
      typeSign(node.type),
      made("span", { className: "cut" }, node.title),
      made("span", { className: "cut quiet" }, above),
    );
  }

  #mark() {
    this.#at = Math.min(this.#at, Math.max(0, this.#found.length - 1));
    for (const [index, { element }] of this.#found.entries())
      element.setAttribute("aria-selected", String(index === this.#at));
    if (this.#found.length) this.#input.setAttribute("aria-activedescendant", `found-${this.#at}`);
    else this.#input.removeAttribute("aria-activedescendant");
    this.#found[this.#at]?.element.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && this.#found.length) {
      event.preventDefault();
      this.#at = (this.#at + by + this.#found.length) % this.#found.length;
      this.#mark();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      this.#take(this.#found[this.#at]);
    }
  }

  #take(found) {
    if (!found) return;
    if (!found.stays) this.#dialog.close();
    found.take();
  }
}

// Without case and accents: "cafe" finds "Café".
const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
