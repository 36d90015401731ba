// What happened to one node since it was made: who did what when, and the way back to each text that it has had.

import { made } from "./dom.js";
import { pathLabel, shown } from "./node_types.js";
import { fieldChange } from "./since_list.js";
import { differences } from "./differences.js";
import { ago, failureInWords, listed, quoted } from "./words.js";

const MOST_EMPTY = 20; // pages without a line that are passed over before one is asked whether to go on

export class NodeHistory {
  element;
  #desk;
  #past;
  #id;
  #list = made("ol", { className: "history node-history" });
  #more;
  #next = null;

  /**
   * @param {import("./history_panel.js").HistoryPanel} past
   * @param {string} id of the node
   */
  constructor(desk, past, id) {
    this.#desk = desk;
    this.#past = past;
    this.#id = id;
    this.#more = made("button", { type: "button", className: "button", onclick: () => this.load() }, "Earlier");
    this.element = made("div", {}, this.#list, this.#more);
  }

  /** Ask for the newest lines, or for those before the ones that are here. */
  async load() {
    this.#more.disabled = true;
    this.#list.querySelector(".trouble")?.remove();
    try {
      const events = await this.#page();
      this.#list.append(...events.map((event) => this.#row(event)));
    } catch (error) {
      this.#list.append(made("li", { className: "trouble", role: "status" }, failureInWords(error)));
      this.#next ??= undefined;
    }
    this.#more.disabled = false;
    this.#more.hidden = this.#next === null;
  }

  async #page() {
    for (let pages = 0; ; pages++) {
      const { events, next } = await this.#desk.tree.history.of(this.#id, { before: this.#next ?? null });
      this.#next = next;
      if (events.length || next === null || pages === MOST_EMPTY) return events;
    }
  }

  #row(event) {
    const type = this.#desk.tree.view.nodes.get(this.#id)?.type;
    const name = event.user === this.#desk.client.user ? "You" : this.#desk.nameOf(event.user);
    const at = Date.parse(event.at);
    const when = made("time", { dateTime: event.at, title: new Date(at).toLocaleString() }, ago(at));
    const line = made(
      "p",
      {},
      made("strong", {}, event.via ? `${name} (${event.via})` : name),
      ` ${this.#inWords(event, type)} `,
      when,
    );
    return made("li", { "data-seq": event.seq }, line, ...this.#detail(event, type), this.#tools(event));
  }

  #inWords(event, type) {
    const at = (parent) =>
      parent ? `below ${quoted(this.#desk.tree.view.nodes.get(parent)?.title ?? "a node that is gone")}` : "to the top";
    switch (event.what) {
      case "made":
        return `made it: ${quoted(event.title)}`;
      case "changed":
        return `changed ${listed((event.fields ?? []).map(({ path }) => pathLabel(path, type)))}`;
      case "typed":
        return `typed in ${pathLabel(event.path, type)}`;
      case "moved":
        return event.parent === event.before
          ? "moved it among its siblings, or on the canvas"
          : `moved it ${at(event.parent)}`;
      default:
        return (
          { deleted: "moved it to the trash", restored: "brought it back", purged: "deleted it for good" }[event.what] +
          (event.along_with ? " with what stands above it" : "")
        );
    }
  }

  #detail(event, type) {
    if (event.what === "typed") return [made("p", { className: "typed" }, ...typed(event.delta ?? []))];
    return (event.fields ?? []).filter(({ path }) => path !== "is_collapsed").map((field) => this.#field(field, type));
  }

  // Two texts one below the other, what is not in both marked in each.
  #field(field, type) {
    const { path, before, after } = field;
    if (![before, after].every((one) => typeof one === "string" && one && shown(one) === one))
      return fieldChange(field, type);
    const [old, now] = differences(before, after);
    const line = (parts, tag) =>
      made("p", {}, ...parts.map((part) => (typeof part === "string" ? part : made(tag, {}, part.textContent))));
    return made(
      "div",
      { className: "field-change", "data-path": path },
      made("h4", {}, pathLabel(path, type)),
      line(old, "del"),
      line(now, "ins"),
    );
  }

  #tools(event) {
    const tools = made("p", { className: "node-tools" });
    const link = (text, onclick) =>
      tools.append(made("button", { type: "button", className: "link-button", onclick }, text));
    link("Look", () => this.#past.lookAt(event.seq));
    const path = textOf(event);
    if (this.#desk.mayEdit && this.#desk.tree.view.nodes.has(this.#id)) {
      if (path) link("Bring back this text", () => this.#bringBack(event, path));
      if (event.first === event.seq || event.first === undefined)
        link("Take this back…", () => this.#past.goingBack.revert({ op: event.seq }, "Take this change back"));
    }
    return tools;
  }

  // What was typed is told as a delta: the text is read from the tree as it was behind it.
  async #bringBack(event, path) {
    const field = event.fields?.find((one) => one.path === path);
    try {
      const text = field ? field.after : await this.#textAt(event.seq, path);
      if (typeof text === "string") this.#past.goingBack.bringBack(this.#id, path, text);
      else this.#desk.say("There was no text then.", "note");
    } catch (error) {
      this.#desk.say(failureInWords(error), "refused");
    }
  }

  async #textAt(seq, path) {
    const { state } = await this.#desk.tree.history.at({ seq });
    const node = state.nodes.find(({ id }) => id === this.#id);
    const [field, key] = path.split(".");
    return key === undefined ? node?.[field] : node?.[field]?.[key];
  }
}

// The one text that an event left behind.
function textOf({ what, path, fields = [] }) {
  if (what === "typed") return path;
  const [only] = fields;
  return what === "changed" && fields.length === 1 && typeof only.after === "string" && shown(only.after) === only.after
    ? only.path
    : null;
}

const LONGEST = 240; // letters of what was typed in one go that are shown

// What was put in, and how much was taken away: a delta does not say what that read.
function typed(delta) {
  const parts = [];
  for (const step of delta) {
    if (typeof step === "string")
      parts.push(made("ins", {}, step.length > LONGEST ? `${step.slice(0, LONGEST)}…` : step));
    else if (step < 0) parts.push(made("del", {}, `−${-step}`));
    else if (parts.length) parts.push(" … ");
  }
  return parts;
}
