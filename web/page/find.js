// The finder: type part of a title, choose with arrows. Used to go somewhere, to connect and to move.

import { made } from "./dom.js";
import { typeSign } from "./cards.js";

const MOST = 50; // shown; more is a reason to type another letter

export class Finder {
  #desk;
  #dialog;
  #input;
  #list;
  #title;
  #choose = () => {};
  #fits = () => true;
  #found = [];
  #at = 0;

  /** @param {HTMLDialogElement} dialog */
  constructor(desk, dialog) {
    this.#desk = desk;
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
    dialog.replaceChildren(this.#title, this.#input, this.#list);
    this.#input.oninput = () => this.#search();
    this.#input.onkeydown = (event) => this.#key(event);
    this.#list.onclick = (event) => this.#take(event.target.closest("li")?.dataset.node);
  }

  /**
   * @param {string} title what is chosen here
   * @param {(id: string) => void} choose
   * @param {(node: object) => boolean} [fits]
   */
  open(title, choose, fits = () => true) {
    this.#choose = choose;
    this.#fits = fits;
    this.#title.textContent = title;
    this.#input.placeholder = title;
    this.#input.value = "";
    this.#search();
    this.#dialog.showModal();
    this.#input.focus();
  }

  #search() {
    const asked = folded(this.#input.value).split(/\s+/).filter(Boolean);
    const scored = [];
    for (const node of this.#desk.view.nodes.values()) {
      if (!this.#fits(node)) continue;
      const title = folded(node.title);
      if (asked.every((word) => title.includes(word))) scored.push([title.startsWith(asked[0] ?? "") ? 0 : 1, node]);
    }
    this.#found = scored
      .sort((a, b) => a[0] - b[0])
      .slice(0, MOST)
      .map(([, node]) => node);
    this.#at = 0;
    this.#show();
  }

  #show() {
    const above = (node) => this.#desk.view.nodes.get(node.parent)?.title;
    const rows = this.#found.map((node, index) =>
      made(
        "li",
        {
          role: "option",
          id: `found-${index}`,
          "aria-selected": String(index === this.#at),
          "data-node": node.id,
          "data-type": node.type,
        },
        typeSign(node.type),
        made("span", { className: "cut" }, node.title),
        made("span", { className: "cut quiet" }, above(node) ?? ""),
      ),
    );
    this.#list.replaceChildren(
      ...(rows.length ? rows : [made("li", { className: "none" }, "No title has these words.")]),
    );
    if (rows.length) this.#input.setAttribute("aria-activedescendant", `found-${this.#at}`);
    else this.#input.removeAttribute("aria-activedescendant");
    rows[this.#at]?.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && this.#found.length) {
      event.preventDefault();
      this.#at = (this.#at + by + this.#found.length) % this.#found.length;
      this.#show();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      this.#take(this.#found[this.#at]?.id);
    }
  }

  #take(id) {
    if (!id) return;
    this.#dialog.close();
    this.#choose(id);
  }
}

// Without case and accents: "cafe" finds "Café".
const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
