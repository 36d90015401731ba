// The list of versions in the history panel: by day, those with a name first of all to be seen, and naming them.

import { iconButton, made, say } from "./dom.js";
import { face } from "./people.js";
import { clock, dayInWords, failureInWords, plural } from "./words.js";

const KINDS = { automatic: "Kept by itself", before_delete: "Before a large delete" };

export class VersionList {
  element;
  #desk;
  #travel;
  #versions;
  #name;
  #form = null; // what is typed: { number } of a version, or { of } of a moment
  #list = made("div", { className: "versions" });
  #more;
  #onlyNamed = made("input", { type: "checkbox", id: "only-named", className: "bare" });
  #trouble = made("p", { className: "help trouble", role: "status" });

  constructor(desk, travel, versions) {
    this.#desk = desk;
    this.#travel = travel;
    this.#versions = versions;
    const button = (className, onclick, text) => made("button", { type: "button", className, onclick }, text);
    this.#name = button("button", () => this.#ask(this.#name, {}), "Name this moment…");
    this.#name.id = "name-moment";
    this.#more = button("button", () => this.load(), "Older versions");
    this.#onlyNamed.onchange = () => this.draw();
    const only = made("label", { className: "only-named" }, this.#onlyNamed, "Named only");
    this.element = made("div", {}, made("div", { className: "version-tools" }, this.#name, only), this.#trouble, this.#list, this.#more);
    versions.addEventListener("versions", () => this.draw());
    travel.addEventListener("moment", () => this.#markShown());
    desk.addEventListener("people", () => this.draw());
    desk.addEventListener("status", () => this.draw());
  }

  /** Ask for a page of versions. */
  async load() {
    this.#more.disabled = true;
    say(this.#trouble, "");
    try {
      await this.#versions.load();
    } catch (error) {
      say(this.#trouble, failureInWords(error));
    }
    this.#more.disabled = false;
    this.draw();
  }

  draw() {
    this.#name.hidden = !this.#desk.isEditor;
    this.#more.hidden = !this.#versions.more;
    if (this.#form && this.#list.contains(this.#form)) return; // what is typed stays
    const days = Map.groupBy(this.#shown(), ({ at }) => dayInWords(at));
    const groups = [...days].map(([day, versions]) =>
      made("section", {}, made("h3", {}, day), made("ol", {}, ...versions.map((one) => this.#row(one)))),
    );
    const none = this.#onlyNamed.checked ? "No version has a name yet." : "No version yet: one is kept every 200 changes or 10 minutes, and whenever you name one.";
    this.#list.replaceChildren(...(groups.length ? groups : [made("p", { className: "help" }, this.#versions.more ? "Looking…" : none)]));
    this.#markShown();
  }

  #shown() {
    return this.#versions.list.filter((one) => !this.#onlyNamed.checked || one.kind === "named");
  }

  #row(version) {
    const { number, seq, kind, name, description, user, at, nodes } = version;
    const title = name || KINDS[kind] || "Version";
    const by = user ? this.#desk.nameOf(user) : "";
    const about = [clock(at), plural(nodes, "node"), by].filter(Boolean).join(" · ");
    const look = made(
      "button",
      { type: "button", className: "version", onclick: () => this.#travel.look({ version: number, seq }) },
      user ? face(user, this.#desk.nameOf(user, { own: false })) : made("span", { className: "tick", "aria-hidden": "true" }),
      made("span", { className: "version-text" }, made("span", { className: "cut" }, title), made("span", { className: "quiet cut" }, about), description && made("span", { className: "quiet" }, description)),
    );
    const row = made("li", { className: "version-row", "data-kind": kind, "data-version": number }, look);
    if (this.#desk.isEditor) {
      const label = name ? `Rename ${name}` : `Name the version of ${clock(at)}`;
      row.append(iconButton("rename", label, () => this.#ask(row, version)));
    }
    return row;
  }

  #markShown() {
    const { shown, isPast } = this.#travel;
    for (const row of this.#list.querySelectorAll(".version-row")) {
      const one = this.#versions.list.find(({ number }) => number === Number(row.dataset.version));
      const isShown = isPast && shown !== null && (shown.moment.version ? shown.moment.version === one.number : shown.seq === one.seq);
      row.firstChild.setAttribute("aria-pressed", String(isShown));
    }
    say(this.#name, isPast ? "Name this moment…" : "Name the tree as it is…");
  }

  // A form in place of what was pressed: a name for a version, or for the moment that is looked at.
  #ask(place, version) {
    this.#close();
    const { shown } = this.#travel;
    const of = version.number ? undefined : shown?.moment.version ? { version: shown.moment.version } : shown ? { seq: shown.seq } : undefined;
    const name = made("input", { type: "text", maxLength: 200, required: true, value: version.name ?? "", placeholder: "Name, such as “Before the workshop”", "aria-label": "Name of the version", autocomplete: "off" });
    const about = made("textarea", { rows: 2, maxLength: 2000, value: version.description ?? "", placeholder: "What is special about it", "aria-label": "Description of the version" });
    const form = made("form", { className: "name-form" }, name, about, made("div", { className: "row" }, made("button", { className: "button primary" }, "Save"), made("button", { type: "button", className: "button", onclick: () => this.#close(place) }, "Cancel")));
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#save(form, version, name.value.trim(), about.value.trim(), of);
    };
    form.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#close(place);
    };
    this.#form = form;
    place.after(form);
    name.focus();
    name.select();
  }

  async #save(form, version, name, description, of) {
    if (!name) return;
    const buttons = form.querySelectorAll("button");
    for (const one of buttons) one.disabled = true;
    say(this.#trouble, "");
    try {
      if (version.number) await this.#versions.rename(version.number, name, description);
      else await this.#versions.keep(name, description, of);
      this.#close();
      this.#desk.say(`Kept as “${name}”.`, "note");
      this.draw();
    } catch (error) {
      for (const one of buttons) one.disabled = false;
      say(this.#trouble, error.code === "exists" ? "This moment has a name already: rename its version below." : failureInWords(error));
    }
  }

  #close(place) {
    this.#form?.remove();
    this.#form = null;
    const again = place?.isConnected ? (place.matches("button") ? place : place.querySelector(".icon-button")) : null;
    again?.focus();
  }
}
