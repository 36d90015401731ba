// Taking back what one person did, or what was done in some time; all else stays.

import { made, say } from "./dom.js";
import { momentInWords } from "./words.js";

const LOOKED_AT = 100; // entries of the tree's feed, to know who edits here

export class TakeBack {
  element;
  #desk;
  #travel;
  #versions;
  #goingBack;
  #who = made("select", { id: "take-back-who" });
  #since = made("input", { type: "datetime-local", id: "take-back-since", step: 1 });
  #until = made("input", { type: "datetime-local", id: "take-back-until", step: 1 });
  #moment = made("input", {
    type: "radio",
    name: "take-back-when",
    value: "moment",
    id: "take-back-moment",
    className: "bare",
  });
  #momentText = made("span", {});
  #times = made("div", { className: "times", hidden: true });
  #trouble = made("p", { className: "help trouble", role: "status" });
  #form;
  #met = new Set();

  constructor(desk, travel, versions, goingBack) {
    this.#desk = desk;
    this.#travel = travel;
    this.#versions = versions;
    this.#goingBack = goingBack;
    const when = (value, text, checked = false) =>
      made(
        "label",
        {},
        made("input", { type: "radio", name: "take-back-when", value, checked, className: "bare" }),
        text,
      );
    const field = (label, control) =>
      made("div", { className: "field" }, made("label", { for: control.id }, label), control);
    this.#times.append(field("From", this.#since), field("Until", this.#until));
    this.#form = made(
      "form",
      { className: "take-back" },
      made(
        "p",
        { className: "help" },
        "What one person did, or what was done in some time, is taken back. Everything else stays, and so does what others have built on it. You see it before it is done.",
      ),
      field("Whose changes", this.#who),
      made(
        "fieldset",
        { className: "choices" },
        made("legend", {}, "When"),
        when("ever", "From the beginning", true),
        made("label", {}, this.#moment, this.#momentText),
        when("times", "In a time…"),
      ),
      this.#times,
      this.#trouble,
      made("button", { className: "button" }, "Show what would change…"),
    );
    this.element = made("div", {}, this.#form);
    this.#form.onchange = () => this.draw();
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#ask();
    };
    const isShown = () => this.element.parentElement?.hidden === false;
    for (const [target, name] of [
      [travel, "moment"],
      [desk, "people"],
      [desk, "status"],
    ])
      target.addEventListener(name, () => isShown() && this.draw());
  }

  /** Ask who has edited lately; who is here, or was seen otherwise, is known without. Answers whether the server told. */
  async load() {
    let isTold = true;
    try {
      const { entries } = await this.#desk.client.request(
        "GET",
        `/trees/${this.#desk.tree.number}/activity?limit=${LOOKED_AT}`,
      );
      for (const { user, name } of entries) {
        this.#met.add(user);
        if (name && !this.#desk.names.has(user)) this.#desk.names.set(user, name);
      }
    } catch {
      isTold = false; // the list is shorter then
    }
    this.draw();
    return isTold;
  }

  draw() {
    const { shown } = this.#travel;
    this.#moment.disabled = !shown;
    say(
      this.#momentText,
      shown
        ? `Since the moment you look at${shown.at ? ` (${momentInWords(shown.at)})` : ""}`
        : "Since the moment you look at",
    );
    if (!shown && this.#moment.checked) this.#form.elements["take-back-when"].value = "ever";
    this.#times.hidden = this.#when !== "times";
    this.#drawPeople();
  }

  get #when() {
    return this.#form.elements["take-back-when"].value;
  }

  #drawPeople() {
    const { client, tree, names } = this.#desk;
    const here = [...tree.people.values()].map(({ user }) => user);
    const authors = this.#versions.list.flatMap((version) => version.authors ?? []);
    const users = new Set([client.user, ...here, ...names.keys(), ...authors, ...this.#met, ...this.#travel.met]);
    users.delete("");
    const key = JSON.stringify([...users].map((user) => [user, names.get(user)]));
    if (this.#who.dataset.key === key) return;
    const { value } = this.#who;
    this.#who.dataset.key = key;
    const options = [...users].map((user) =>
      made("option", { value: user }, user === client.user ? "Mine" : this.#desk.nameOf(user)),
    );
    this.#who.replaceChildren(made("option", { value: "" }, "Everybody’s"), ...options);
    this.#who.value = users.has(value) ? value : "";
  }

  #ask() {
    say(this.#trouble, "");
    const which = { ...(this.#who.value && { user: this.#who.value }), ...this.#span() };
    const whose = this.#who.value
      ? this.#who.value === this.#desk.client.user
        ? "your changes"
        : `${this.#desk.nameOf(this.#who.value)}’s changes`
      : "all changes";
    if (!Object.keys(which).length) return say(this.#trouble, "Choose a person, or a time, or both.");
    if (which.since?.at && which.until?.at && which.since.at >= which.until.at)
      return say(this.#trouble, "The time ends before it begins.");
    this.#goingBack.revert(which, `Take back ${whose}`);
  }

  #span() {
    if (this.#when === "moment") return { since: { seq: this.#travel.shown.seq } };
    if (this.#when !== "times") return {};
    const at = ({ value }) => value && { at: new Date(value).toISOString() };
    const [since, until] = [at(this.#since), at(this.#until)];
    return { ...(since && { since }), ...(until && { until }) };
  }
}
