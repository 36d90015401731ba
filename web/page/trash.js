// The trash: what was deleted, by whom and when, and the way back.

import { byId, icon, made } from "./dom.js";
import { typeSign } from "./cards.js";
import { ago, failureInWords, plural } from "./words.js";

export class Trash {
  #desk;
  #edits;
  #dialog = byId("trash");
  #list = byId("trash-list");

  constructor(desk, edits) {
    this.#desk = desk;
    this.#edits = edits;
  }

  async open() {
    this.#dialog.showModal();
    await this.#load();
  }

  async #load() {
    this.#list.replaceChildren(made("li", { className: "none" }, "Looking…"));
    try {
      const entries = await this.#desk.tree.trash();
      const rows = entries.map((entry) => this.#row(entry));
      this.#list.replaceChildren(...(rows.length ? rows : [made("li", { className: "none" }, "The trash is empty.")]));
    } catch (error) {
      this.#list.replaceChildren(made("li", { className: "none" }, failureInWords(error)));
    }
  }

  #row(entry) {
    const { node, nodes, by, at } = entry;
    const restore = made(
      "button",
      {
        type: "button",
        className: "button",
        disabled: !this.#desk.mayEdit,
        "aria-label": `Restore ${node.title}`,
        onclick: () => this.#restore(entry, restore),
      },
      icon("restore"),
      "Restore",
    );
    const about = `${nodes > 1 ? `with ${plural(nodes - 1, "node")} below, ` : ""}by ${this.#desk.nameOf(by)} ${ago(Date.parse(at))}`;
    return made(
      "li",
      { "data-node": node.id, "data-type": node.type },
      typeSign(node.type),
      made(
        "div",
        { className: "trash-text" },
        made("span", { className: "cut" }, node.title),
        made("span", { className: "quiet" }, about),
      ),
      restore,
    );
  }

  async #restore({ node }, button) {
    button.disabled = true;
    const { tree, view } = this.#desk;
    // where its parent is gone too, it comes back below the nearest root
    const parent =
      node.parent === null || view.nodes.has(node.parent) ? undefined : (view.children(null)[0]?.id ?? null);
    const restoring = parent === undefined ? tree.restore(node.id) : tree.restore(node.id, parent);
    this.#edits.watch(restoring);
    await restoring.catch(() => {});
    await this.#load();
    if (this.#desk.view.nodes.has(node.id)) {
      this.#dialog.close();
      this.#desk.goTo(node.id);
      this.#desk.say(`“${node.title}” is back.`);
    }
  }
}
