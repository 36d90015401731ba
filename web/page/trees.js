// The name of the tree, which can be typed, and the list of all trees this person may open.

import { byId, made, say } from "./dom.js";
import { ago, failureInWords, plural } from "./words.js";

const VISIBILITY = {
  private: "Only people you invite",
  tenant_view: "Everyone in the company may read",
  tenant_edit: "Everyone in the company may edit",
};

export class Trees {
  #desk;
  #open;
  #dialog = byId("trees");
  #list = byId("tree-list");
  #name = byId("tree-name");

  /** @param {(number: number) => void} open leaves this tree for another */
  constructor(desk, edits, open) {
    this.#desk = desk;
    this.#open = open;
    this.#name.onchange = () => this.#rename(edits);
    this.#name.onkeydown = (event) => {
      if (event.key === "Enter") this.#name.blur();
      if (event.key === "Escape") ((this.#name.value = desk.view.details.name), this.#name.blur());
    };
    byId("show-trees").onclick = () => this.#show();
    byId("new-tree").onsubmit = (event) => this.#make(event);
    byId("new-tree-visibility").replaceChildren(
      ...Object.entries(VISIBILITY).map(([value, label]) =>
        made("option", { value, selected: value === "tenant_edit" }, label),
      ),
    );
    for (const name of ["scene", "status"]) desk.addEventListener(name, () => this.draw());
    this.draw();
  }

  draw() {
    const name = this.#desk.view.details.name || "Untitled tree";
    say(byId("heading"), name);
    document.title = `${name} · treesync`;
    this.#name.readOnly = !this.#desk.mayEdit;
    if (document.activeElement !== this.#name) this.#name.value = name;
    say(byId("tree-name-size"), this.#name.value);
  }

  #rename(edits) {
    const name = this.#name.value.trim();
    if (name && name !== this.#desk.view.details.name) edits.watch(this.#desk.tree.configure({ name }));
    else this.draw();
  }

  async #show() {
    this.#dialog.showModal();
    this.#list.replaceChildren(made("li", { className: "none" }, "Looking…"));
    try {
      const { trees } = await this.#desk.client.request("GET", "/trees");
      this.#list.replaceChildren(...trees.map((tree) => this.#row(tree)));
    } catch (error) {
      this.#list.replaceChildren(made("li", { className: "none" }, failureInWords(error)));
    }
  }

  #row({ id, name, node_count, updated_at, role }) {
    const here = id === this.#desk.tree.number;
    const about = `${plural(node_count, "node")} · changed ${ago(Date.parse(updated_at))}${role === "viewer" ? " · read only" : ""}`;
    const go = made(
      "button",
      {
        type: "button",
        className: "tree-row",
        "aria-current": here ? "true" : null,
        onclick: () => this.#leaveFor(id),
      },
      made("span", { className: "cut" }, name || "Untitled tree"),
      made("span", { className: "quiet" }, here ? `open now · ${about}` : about),
    );
    return made("li", { "data-tree": id }, go);
  }

  #leaveFor(id) {
    this.#dialog.close();
    if (id !== this.#desk.tree.number) this.#open(id);
  }

  async #make(event) {
    event.preventDefault();
    const name = byId("new-tree-name").value.trim();
    if (!name) return;
    try {
      const body = { name, visibility: byId("new-tree-visibility").value, nodes: [], connections: [] };
      const made_ = await this.#desk.client.request("POST", "/trees", body);
      this.#leaveFor(made_.id);
    } catch (error) {
      this.#desk.say(failureInWords(error), "refused");
    }
  }
}
