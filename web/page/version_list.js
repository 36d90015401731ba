// The list of versions in the history panel: by day, those with a name first of all to be seen, and naming them.

import { iconButton, made, say } from "./dom.js";
import { Naming } from "./naming.js";
import { face } from "./people.js";
import { clock, dayInWords, failureInWords, listed, plural } from "./words.js";

const MOST_FACES = 3; // of one version; the names are beside them
const KINDS = { automatic: "Kept by itself", before_delete: "Before a large delete" };

export class VersionList {
  element;
  #desk;
  #travel;
  #versions;
  #name;
  #naming;
  #key = "";
  #list = made("div", { className: "versions" });
  #more;
  #onlyNamed = made("input", { type: "checkbox", id: "only-named", className: "bare" });
  #trouble = made("p", { className: "help trouble", role: "status" });

  constructor(desk, travel, versions) {
    this.#desk = desk;
    this.#travel = travel;
    this.#versions = versions;
    this.#naming = new Naming(desk, versions);
    const button = (className, onclick, text) => made("button", { type: "button", className, onclick }, text);
    this.#name = button("button", () => this.#ask(this.#name, {}), "Name this moment…");
    this.#name.id = "name-moment";
    this.#more = button("button", () => this.load(), "Older versions");
    this.#onlyNamed.onchange = () => this.draw();
    const only = made("label", { className: "only-named" }, this.#onlyNamed, "Named only");
    this.element = made(
      "div",
      {},
      made("div", { className: "version-tools" }, this.#name, only),
      this.#trouble,
      this.#list,
      this.#more,
    );
    versions.addEventListener("versions", () => this.draw());
    travel.addEventListener("moment", () => this.#markShown());
    desk.addEventListener("people", () => this.draw());
    desk.addEventListener("status", () => this.draw());
  }

  /** Ask for a page of versions. Answers whether it came. */
  async load() {
    let hasCome = true;
    this.#more.disabled = true;
    say(this.#trouble, "");
    try {
      await this.#versions.load();
    } catch (error) {
      hasCome = false;
      say(this.#trouble, failureInWords(error));
    }
    this.#more.disabled = false;
    this.draw();
    return hasCome;
  }

  draw() {
    this.#name.hidden = !this.#desk.isEditor;
    this.#more.hidden = !this.#versions.more;
    const key = JSON.stringify([this.#shown(), [...this.#desk.names], this.#desk.isEditor, this.#versions.more]);
    if (key === this.#key || this.#naming.isIn(this.#list)) return this.#markShown(); // a name that is typed stays
    this.#key = key;
    const focused =
      this.#list.contains(document.activeElement) && document.activeElement.closest("li")?.dataset.version;
    const days = Map.groupBy(this.#shown(), ({ at }) => dayInWords(at));
    const groups = [...days].map(([day, versions]) =>
      made("section", {}, made("h3", {}, day), made("ol", {}, ...versions.map((one) => this.#row(one)))),
    );
    const none = this.#onlyNamed.checked
      ? "No version has a name yet."
      : "No version yet: one is kept every 200 changes or 10 minutes, and whenever you name one.";
    this.#list.replaceChildren(
      ...(groups.length ? groups : [made("p", { className: "help" }, this.#versions.more ? "Looking…" : none)]),
    );
    this.#markShown();
    if (focused) this.#list.querySelector(`[data-version="${focused}"] button`)?.focus();
  }

  #shown() {
    return this.#versions.list.filter((one) => !this.#onlyNamed.checked || one.kind === "named");
  }

  #row(version) {
    const { number, seq, kind, name, description, user, at, nodes } = version;
    const title = name || KINDS[kind] || "Version";
    const people = peopleOf(version);
    const names = listed(people.map((one) => this.#desk.nameOf(one)));
    const faces = people.slice(0, MOST_FACES).map((one) => face(one, this.#desk.names.get(one) ?? one));
    const about = [clock(at), plural(nodes, "node"), names].filter(Boolean).join(" · ");
    const look = made(
      "button",
      {
        type: "button",
        className: "version",
        title: user ? `Named by ${this.#desk.nameOf(user)}` : undefined,
        onclick: () => this.#travel.look({ version: number, seq }),
      },
      made("span", { className: "faces" }, ...(faces.length ? faces : [made("span", { className: "tick" })])),
      made(
        "span",
        { className: "version-text" },
        made("span", { className: "cut" }, title),
        made("span", { className: "quiet cut", title: about }, about),
        description && made("span", { className: "quiet" }, description),
      ),
    );
    const row = made("li", { className: "version-row", "data-kind": kind, "data-version": number }, look);
    if (this.#desk.isEditor) {
      const label = name ? `Rename ${name}` : `Name the version of ${clock(at)}`;
      const rename = iconButton("rename", label, () => this.#ask(rename, version));
      row.append(rename);
    }
    return row;
  }

  #markShown() {
    const { shown, isPast } = this.#travel;
    for (const row of this.#list.querySelectorAll(".version-row")) {
      const one = this.#versions.list.find(({ number }) => number === Number(row.dataset.version));
      const isShown =
        isPast &&
        shown !== null &&
        (shown.moment.version ? shown.moment.version === one.number : shown.seq === one.seq);
      row.firstChild.setAttribute("aria-pressed", String(isShown));
    }
    say(this.#name, isPast ? "Name this moment…" : "Name the tree as it is…");
  }

  #ask(opener, version) {
    const row = opener.closest("li");
    const put = (form) => (row ? row.append(form) : opener.parentElement.after(form));
    this.#naming.open(put, opener, version, version.number ? undefined : this.#moment());
  }

  #moment() {
    const { shown } = this.#travel;
    if (!shown) return undefined;
    return shown.moment.version === undefined ? { seq: shown.seq } : { version: shown.moment.version };
  }
}

// Those who have edited since the version before; of one that tells nobody, who named it.
const peopleOf = ({ authors = [], user }) => (authors.length ? authors : user ? [user] : []);
