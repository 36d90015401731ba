// The side panel: everything about the selected node, or about the tree where none is selected.

import { typeSign } from "./cards.js";
import { made, iconButton, icon, say } from "./dom.js";
import { bindText, grow, templateField } from "./fields.js";
import { Filled } from "./filled.js";
import { TYPES } from "./node_types.js";
import { ConnectionList } from "./connection_list.js";
import { NodeHistory } from "./node_history.js";
import { ago, changeInWords, listed } from "./words.js";

const SHOWN_CHANGES = 6;

export class Panel {
  #desk;
  #edits;
  #commands;
  #past;
  #element;
  #made = null; // what is shown: { id, type, role, show, stop }

  /**
   * @param {HTMLElement} element
   * @param {import("./commands.js").Commands} commands
   * @param {import("./history_panel.js").HistoryPanel} past
   */
  constructor(desk, edits, commands, past, element) {
    this.#desk = desk;
    this.#edits = edits;
    this.#commands = commands;
    this.#past = past;
    this.#element = element;
    desk.addEventListener("people", () => this.#made.people?.());
    desk.templates.addEventListener("change", () => this.draw(true));
    for (const name of ["scene", "selection", "status"]) desk.addEventListener(name, () => this.draw());
    setInterval(() => this.#made?.ages?.(), 30_000); // “2 minutes ago” grows old
    this.draw();
  }

  /** `anew`: though the same node is shown, its form is another. */
  draw(anew = false) {
    const node = this.#desk.selected;
    const same =
      !anew &&
      this.#made &&
      this.#made.id === (node?.id ?? null) &&
      this.#made.type === node?.type &&
      this.#made.role === this.#desk.tree.role &&
      this.#made.mayEdit === this.#desk.mayEdit;
    if (!same) this.#rebuild(node);
    this.#made.show();
  }

  #rebuild(node) {
    const {
      id: focused,
      selectionStart,
      selectionEnd,
    } = this.#element.contains(document.activeElement) ? document.activeElement : {};
    this.#made?.stop();
    const parts = node ? this.#forNode(node) : this.#forTree();
    this.#made = {
      id: node?.id ?? null,
      type: node?.type,
      role: this.#desk.tree.role,
      mayEdit: this.#desk.mayEdit,
      ...parts,
    };
    this.#element.replaceChildren(...parts.elements);
    const again = focused && document.getElementById(focused);
    again?.focus({ preventScroll: true });
    if (again?.type === "textarea") again.setSelectionRange(selectionStart, selectionEnd);
    for (const area of this.#element.querySelectorAll("textarea")) grow(area);
  }

  #forNode(node) {
    const bindings = [];
    const title = this.#area("panel-title", "Title", node.id, "title", bindings);
    title.classList.add("panel-title");
    title.onkeydown = (event) => event.key === "Enter" && !event.isComposing && (event.preventDefault(), title.blur());
    const description = this.#area("panel-description", "Description", node.id, "description", bindings);
    description.placeholder = this.#desk.mayEdit
      ? "Describe it. Others see each letter as you type."
      : "No description.";
    const others = made("p", { className: "typing-here", "aria-live": "off" });
    const fields = TYPES[node.type].fields.map((spec) => templateField(this.#desk, this.#edits, node.id, spec));
    const form = new Map(TYPES[node.type].fields.map(({ key }, at) => [key, fields[at].element]));
    const filled = new Filled(this.#desk, node.id, form);
    const connections = new ConnectionList(this.#desk, this.#edits, this.#commands, node.id);
    const history = made("ol", { className: "history" });
    const elements = [
      this.#head(node),
      title,
      section("Description", description, others),
      section(
        TYPES[node.type].label,
        made("p", { className: "help lead" }, TYPES[node.type].meaning),
        filled.element,
        ...fields.map((one) => one.element),
      ),
      section("Connections", connections.element),
      section("Changes", history, this.#wholeHistory(history, node.id)),
    ];
    const ages = () => this.#history(history, node.id);
    const people = () => say(others, this.#typingHere(node.id));
    const show = () => {
      for (const one of [...bindings, ...fields, filled]) one.show();
      connections.draw();
      ages();
      people();
    };
    return {
      elements,
      show,
      ages,
      people,
      stop: () => [...bindings, ...fields, filled, connections].forEach((one) => one.stop()),
    };
  }

  #head(node) {
    const options = Object.entries(TYPES).map(([value, { label }]) =>
      made("option", { value, selected: value === node.type }, label),
    );
    const type = made(
      "select",
      { id: "panel-type", className: "type-choice", "aria-label": "Type", disabled: !this.#desk.mayEdit },
      ...options,
    );
    type.onchange = () => this.#edits.set(node.id, { type: type.value });
    const tools = made("div", { className: "panel-tools" });
    if (this.#desk.mayEdit) {
      tools.append(
        iconButton("go", "Move below another node…", () => this.#commands.moveBelow()),
        iconButton("trash", "Move to the trash", () => this.#commands.remove()),
      );
    }
    const close = iconButton("close", "Close the details", () => this.#commands.closeDetails(), {
      className: "icon-button sheet-close",
    });
    return made(
      "div",
      { className: "panel-head", "data-type": node.type },
      made("span", { className: "type-pick" }, typeSign(node.type), type, icon("chevron")),
      tools,
      close,
    );
  }

  #area(id, label, node, path, bindings) {
    const area = made("textarea", {
      id,
      rows: 1,
      "aria-label": label,
      readOnly: !this.#desk.mayEdit,
      spellcheck: true,
      "data-path": path,
    });
    bindings.push(
      bindText(this.#desk, this.#edits, area, node, path, { changed: () => area.isConnected && grow(area) }),
    );
    return area;
  }

  // What this page has seen is shown at once; the rest the server tells when it is asked for.
  #wholeHistory(seen, id) {
    const whole = () => {
      const history = new NodeHistory(this.#desk, this.#past, id);
      seen.hidden = true;
      ask.replaceWith(history.element);
      history.load();
    };
    const ask = made(
      "button",
      { type: "button", className: "button quiet-button", id: "whole-history", onclick: whole },
      icon("history"),
      "All changes of this card",
    );
    return ask;
  }

  #typingHere(id) {
    const here = [...this.#desk.tree.people.values()].filter(({ state }) => state.editing?.node === id);
    if (!here.length) return "";
    return `${listed(here.map((one) => one.name))} ${here.length > 1 ? "are" : "is"} typing here`;
  }

  #history(list, id) {
    const changes = this.#desk.changesOf(id).slice(0, SHOWN_CHANGES);
    const type = this.#desk.view.nodes.get(id)?.type;
    const items = changes.map((change) => {
      const name = change.user === this.#desk.client.user ? "You" : this.#desk.nameOf(change.user);
      const who = made("strong", {}, change.via ? `${name} (${change.via})` : name);
      const when = made(
        "time",
        { dateTime: new Date(change.at).toISOString(), title: new Date(change.at).toLocaleString() },
        ago(change.at),
      );
      return made("li", {}, who, ` ${changeInWords(change.op, type)} `, when);
    });
    list.replaceChildren(
      ...(items.length ? items : [made("li", { className: "help" }, "No changes since you opened this page.")]),
    );
  }

  #forTree() {
    const { view } = this.#desk;
    const name = made("h2", { className: "panel-title" });
    const about = made("p", { className: "panel-about" });
    const counts = made("ul", { className: "counts" });
    const hint = made(
      "p",
      { className: "help" },
      this.#desk.mayEdit
        ? "Select a card to see and change everything about it."
        : "You may read this tree, not change it.",
    );
    const root =
      this.#desk.mayEdit &&
      made(
        "button",
        { type: "button", className: "button", id: "add-root", onclick: () => this.#commands.addRoot() },
        icon("plus"),
        "Add a root",
      );
    const close = iconButton("close", "Close the details", () => this.#commands.closeDetails(), {
      className: "icon-button sheet-close",
    });
    const show = () => {
      say(name, this.#desk.view.details.name || "Untitled tree");
      say(about, this.#desk.view.details.description || "");
      const of = new Map();
      for (const node of this.#desk.view.nodes.values()) of.set(node.type, (of.get(node.type) ?? 0) + 1);
      counts.replaceChildren(
        ...Object.keys(TYPES)
          .filter((type) => of.get(type))
          .map((type) =>
            made(
              "li",
              { "data-type": type },
              typeSign(type),
              TYPES[type].label,
              made("span", {}, String(of.get(type))),
            ),
          ),
      );
    };
    return {
      elements: [
        made(
          "div",
          { className: "panel-head" },
          made("span", { className: "quiet" }, `Tree ${this.#desk.tree.number}`),
          close,
        ),
        name,
        about,
        section("Nodes", counts),
        hint,
        root || "",
      ],
      show,
      stop() {},
    };
  }
}

function section(title, ...children) {
  return made("section", { className: "panel-section" }, made("h2", {}, title), ...children);
}
