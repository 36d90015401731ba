// The conflict inbox: both values side by side, what changed marked, and a decision per record.

import { byId, made, say } from "./dom.js";
import { pathLabel, shown } from "./node_types.js";
import { colourOf } from "./people.js";
import { ago, opInWords, plural, quoted } from "./words.js";
import { differences } from "./differences.js";

const DONE = { mine: "Your value was set.", theirs: "Their value stays.", value: "Your new value was set." };

// Text that people wrote, rather than one of a few choices.
const isProse = (value) => typeof value === "string" && shown(value) === value;

export class ConflictInbox {
  #desk;
  #dialog = byId("conflicts");
  #list = byId("conflict-list");
  #rows = new Map();

  constructor(desk) {
    this.#desk = desk;
    for (const name of ["conflict", "status"]) desk.addEventListener(name, () => this.draw());
    this.draw();
  }

  open() {
    this.draw();
    this.#dialog.showModal();
  }

  draw() {
    const { conflicts } = this.#desk.tree;
    const count = conflicts.length;
    const badge = byId("conflict-count");
    say(badge, count ? String(count) : "");
    badge.hidden = !count;
    byId("show-conflicts").setAttribute("aria-label", count ? `Conflicts, ${count} open` : "Conflicts, none open");
    byId("no-conflicts").hidden = count > 0;
    say(
      byId("conflict-summary"),
      count
        ? `${plural(count, "value was", "values were")} changed by two people at once. Nothing is lost: choose what stays.`
        : "",
    );
    this.#drawRows(conflicts);
  }

  #drawRows(conflicts) {
    const left = new Set(this.#rows.keys());
    conflicts.forEach((conflict, index) => {
      left.delete(conflict.id);
      const key = JSON.stringify([conflict.paths, conflict.ops]);
      let row = this.#rows.get(conflict.id);
      const typing = row?.element.contains(document.activeElement) && document.activeElement.tagName === "TEXTAREA";
      if (!row || (row.key !== key && !typing)) {
        const element = this.#row(conflict);
        row?.element.replaceWith(element);
        this.#rows.set(conflict.id, (row = { key, element }));
      }
      if (this.#list.children[index] !== row.element)
        this.#list.insertBefore(row.element, this.#list.children[index] ?? null);
    });
    for (const id of left) {
      this.#rows.get(id).element.remove();
      this.#rows.delete(id);
    }
  }

  #row(conflict) {
    const { view } = this.#desk;
    const node = view.nodes.get(conflict.node);
    const connection = view.connections.get(conflict.connection);
    const paths = Object.entries(conflict.paths ?? {});
    const isDeleted = conflict.code === "deleted";
    const lost = conflict.paths?.[conflict.node]?.mine ?? paths[0]?.[1].mine; // of a deleted branch each path is a node
    const title =
      node?.title ??
      (connection
        ? `Connection ${quoted(connection.label)}`
        : isDeleted && lost
          ? lost
          : conflict.node
            ? "A node that is in the trash"
            : "The tree itself");
    const go =
      node &&
      made(
        "button",
        { type: "button", className: "link-button", onclick: () => this.#goTo(conflict.node) },
        "Show in the tree",
      );
    const when =
      conflict.at &&
      made(
        "time",
        { dateTime: conflict.at, title: new Date(conflict.at).toLocaleString() },
        ago(Date.parse(conflict.at)),
      );
    const why = made("p", { className: "quiet" }, this.#why(conflict), when ? " · " : "", when);
    const heading = made("div", { className: "conflict-head" }, made("h3", {}, title), go);
    const body = isDeleted
      ? [this.#deleted(paths)]
      : paths.length
        ? paths.map(([path, values]) => this.#values(conflict, path, values, node?.type))
        : [this.#asked(conflict)];
    return made(
      "li",
      { className: "conflict", "data-conflict": conflict.id },
      heading,
      why,
      ...body,
      this.#actions(conflict, paths),
    );
  }

  #why({ kind, code, user }) {
    if (code === "deleted") return "It was moved to the trash while you changed it";
    const whose = user === this.#desk.client.user ? "your" : `${this.#desk.nameOf(user)}’s`;
    if (kind === "overwritten") return `A later change replaced ${whose} value`;
    const reasons = {
      cycle: "the move would have made a circle",
      node_missing: "the node is gone",
      parent_missing: "the parent is gone",
      exists: "it exists already",
    };
    return `${whose[0].toUpperCase()}${whose.slice(1)} change was set aside${reasons[code] ? `: ${reasons[code]}` : " because the same was changed meanwhile"}`;
  }

  // What was changed and then deleted with its branch, by whom.
  #deleted(paths) {
    const rows = paths.map(([, { mine, by }]) =>
      made(
        "li",
        {},
        made("span", { className: "cut" }, shown(mine)),
        made("time", {}, `deleted by ${this.#desk.nameOf(by)}`),
      ),
    );
    return made("ul", { className: "queue" }, ...rows);
  }

  #values({ user }, path, { base, mine, theirs, by }, type) {
    const placement = path === "placement";
    const read = (value) => (placement ? this.#placeInWords(value) : shown(value));
    const [left, right] =
      isProse(mine) && isProse(theirs) && !placement ? differences(mine, theirs) : [[read(mine)], [read(theirs)]];
    const before =
      base !== undefined &&
      made("p", { className: "base" }, made("span", { className: "quiet" }, "Before: "), read(base));
    const columns = made(
      "div",
      { className: "sides" },
      this.#side(user, left, "mine"),
      this.#side(by, right, "theirs"),
    );
    return made(
      "div",
      { className: "values", "data-path": path },
      made("h4", {}, pathLabel(path, type)),
      columns,
      before,
    );
  }

  #side(user, parts, side) {
    const dot = made("span", { className: "dot", "aria-hidden": "true" });
    dot.style.backgroundColor = colourOf(user ?? "");
    const own = user === this.#desk.client.user;
    const name =
      side === "mine"
        ? own
          ? "Yours"
          : `${this.#desk.nameOf(user)} (not in the tree)`
        : `${own ? "Yours" : this.#desk.nameOf(user)} (in the tree now)`;
    return made(
      "div",
      { className: "side", "data-side": side },
      made("p", { className: "side-name" }, dot, name),
      made("p", { className: "side-value" }, ...parts),
    );
  }

  #placeInWords(value) {
    if (value === null || value === undefined) return "at the root";
    const parent = typeof value === "object" ? value.parent : value;
    if (parent === undefined) return shown(value);
    return parent === null ? "at the root" : `below ${quoted(this.#desk.view.nodes.get(parent)?.title ?? parent)}`;
  }

  #asked({ ops = [] }) {
    return made("ul", { className: "queue" }, ...ops.map((op) => made("li", {}, opInWords(op, this.#desk.view))));
  }

  #actions(conflict, paths) {
    const may = this.#desk.mayEdit;
    const button = (choice, label, className) =>
      made(
        "button",
        {
          type: "button",
          className,
          "data-choice": choice,
          disabled: !may,
          onclick: () => this.#resolve(conflict.id, choice),
        },
        label,
      );
    const own = conflict.user === this.#desk.client.user;
    const isDeleted = conflict.code === "deleted";
    const keep = isDeleted ? "Bring it back" : own ? "Keep mine" : `Take ${this.#desk.nameOf(conflict.user)}’s`;
    const leave = isDeleted ? "Leave it in the trash" : own ? "Keep theirs" : "Keep what stands";
    const buttons = made(
      "div",
      { className: "actions" },
      button("mine", keep, "button primary"),
      button("theirs", leave, "button"),
    );
    const [only] = paths;
    if (
      paths.length === 1 &&
      only[0] !== "placement" &&
      !isDeleted &&
      typeof (only[1].mine ?? only[1].theirs) === "string"
    ) {
      const edit = made(
        "button",
        { type: "button", className: "button", "data-choice": "value", disabled: !may, "aria-expanded": "false" },
        "Edit a value…",
      );
      edit.onclick = () => this.#edit(conflict, only[1], buttons, edit);
      buttons.append(edit);
    }
    return buttons;
  }

  #edit(conflict, { mine, theirs }, buttons, edit) {
    if (edit.getAttribute("aria-expanded") === "true") return;
    edit.setAttribute("aria-expanded", "true");
    const area = made("textarea", {
      className: "merged-value",
      rows: 3,
      "aria-label": "The value to set",
      value: String(mine ?? theirs ?? ""),
    });
    const set = made(
      "button",
      {
        type: "button",
        className: "button primary",
        "data-choice": "set",
        onclick: () => this.#resolve(conflict.id, "value", area.value),
      },
      "Set this value",
    );
    buttons.after(made("div", { className: "edit-value" }, area, set));
    area.focus();
  }

  async #resolve(id, choice, value) {
    const element = this.#rows.get(id)?.element;
    for (const one of element?.querySelectorAll("button") ?? []) one.disabled = true;
    try {
      const closed = await this.#desk.tree.resolve(id, choice, value);
      this.#desk.say(closed && closed.choice !== choice ? "This was decided already." : DONE[choice], "note");
    } catch (error) {
      this.#desk.say(error.why ?? error.message, "refused");
      for (const one of element?.querySelectorAll("button") ?? []) one.disabled = false;
    }
    this.draw();
  }

  #goTo(id) {
    this.#dialog.close();
    this.#desk.goTo(id);
  }
}
