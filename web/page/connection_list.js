// The connections of one node in the panel: where they lead, what they are called, and the buttons to change them.

import { icon, iconButton, made } from "./dom.js";
import { typeSign } from "./cards.js";

export class ConnectionList {
  #desk;
  #edits;
  #id;
  #list = made("ul", { className: "connections" });
  #rows = new Map();

  constructor(desk, edits, commands, id) {
    this.#desk = desk;
    this.#edits = edits;
    this.#id = id;
    const add = made(
      "button",
      { type: "button", className: "button quiet-button", id: "connect-node", onclick: () => commands.connect() },
      icon("plus"),
      "Connect to…",
    );
    this.element = made("div", {}, this.#list, desk.mayEdit && add);
  }

  draw() {
    const { view } = this.#desk;
    const touching = [...view.connections.values()].filter(({ from, to }) => from === this.#id || to === this.#id);
    const left = new Set(this.#rows.keys());
    for (const connection of touching) {
      left.delete(connection.id);
      const row = this.#rows.get(connection.id) ?? this.#added(connection);
      this.#fill(row, connection);
    }
    for (const id of left) {
      this.#rows.get(id).item.remove();
      this.#rows.delete(id);
    }
  }

  stop() {}

  #added(connection) {
    const other = connection.from === this.#id ? connection.to : connection.from;
    const label = made("input", {
      type: "text",
      placeholder: "Label",
      autocomplete: "off",
      readOnly: !this.#desk.mayEdit,
    });
    label.onchange = () => this.#edits.watch(this.#desk.tree.relabel(connection.id, label.value));
    label.onkeydown = (event) => event.key === "Enter" && label.blur();
    const go = made("button", { type: "button", className: "connection-go", onclick: () => this.#desk.goTo(other) });
    const remove =
      this.#desk.mayEdit &&
      iconButton("close", "Remove this connection", () => this.#edits.watch(this.#desk.tree.unlink(connection.id)));
    const item = made("li", { "data-connection": connection.id }, go, label, remove);
    const row = { item, label, go, remove, other };
    this.#rows.set(connection.id, row);
    this.#list.append(item);
    return row;
  }

  #fill({ label, go, remove, other }, connection) {
    const node = this.#desk.view.nodes.get(other);
    const outward = connection.from === this.#id;
    const title = node?.title ?? "a node in the trash";
    if (document.activeElement !== label && label.value !== connection.label) label.value = connection.label;
    label.setAttribute("aria-label", `Label of the connection ${outward ? "to" : "from"} ${title}`);
    if (remove) remove.setAttribute("aria-label", `Remove the connection ${outward ? "to" : "from"} ${title}`);
    const key = `${outward}|${node?.type}|${title}`;
    if (go.dataset.shows === key) return;
    go.dataset.shows = key;
    go.dataset.type = node?.type ?? "";
    go.setAttribute("aria-label", `Go to ${title}`);
    go.replaceChildren(
      made("span", { className: "quiet" }, outward ? "to" : "from"),
      node ? typeSign(node.type) : "",
      made("span", { className: "cut" }, title),
    );
  }
}
