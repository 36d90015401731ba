// Naming a version, or the moment that is looked at: a form in place of what was pressed.

import { made, say } from "./dom.js";
import { failureInWords } from "./words.js";

export class Naming {
  #desk;
  #versions;
  #form = null;
  #opener = null;

  constructor(desk, versions) {
    this.#desk = desk;
    this.#versions = versions;
  }

  /** Whether a name is typed inside this element. */
  isIn(element) {
    return this.#form !== null && element.contains(this.#form);
  }

  /**
   * @param {(form: HTMLElement) => void} put where the form is to stand
   * @param {HTMLElement} opener what gets the focus back
   * @param {Partial<import("../treesync.js").Version>} version with a number: that one gets another name
   * @param {import("../treesync.js").Moment} [of] else the moment that gets one; none: now
   */
  open(put, opener, version, of) {
    this.close();
    const name = made("input", {
      type: "text",
      maxLength: 200,
      required: true,
      value: version.name ?? "",
      placeholder: "Name, such as “Before the workshop”",
      "aria-label": "Name of the version",
      autocomplete: "off",
    });
    const about = made("textarea", {
      rows: 2,
      maxLength: 2000,
      value: version.description ?? "",
      placeholder: "What is special about it",
      "aria-label": "Description of the version",
    });
    const trouble = made("p", { className: "trouble", role: "status" });
    const button = (onclick, text) => made("button", { type: "button", className: "button", onclick }, text);
    const save = made("button", { className: "button primary" }, "Save");
    const cancel = button(() => this.close(), "Cancel");
    const unname = version.name && button(() => this.#unname(version, trouble), "Take the name away");
    const form = made(
      "form",
      { className: "name-form" },
      name,
      about,
      trouble,
      made("div", { className: "row" }, save, cancel, unname),
    );
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#save(version, { name: name.value.trim(), description: about.value.trim(), of }, trouble);
    };
    form.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    };
    [this.#form, this.#opener] = [form, opener];
    put(form);
    name.focus();
    name.select();
  }

  close() {
    const hadFocus = this.#form?.contains(document.activeElement);
    this.#form?.remove();
    this.#form = null;
    if (hadFocus && this.#opener?.isConnected) this.#opener.focus();
  }

  async #save({ number }, { name, description, of }, trouble) {
    if (!name) return;
    const work = number ? this.#versions.rename(number, name, description) : this.#versions.keep(name, description, of);
    await this.#done(work, `Kept as “${name}”.`, trouble);
  }

  #unname({ number }, trouble) {
    return this.#done(this.#versions.unname(number), "It has no name any more.", trouble);
  }

  async #done(work, said, trouble) {
    const form = this.#form;
    say(trouble, "");
    try {
      await work;
      if (this.#form === form) this.close();
      this.#desk.say(said, "note");
      this.#versions.dispatchEvent(new Event("versions")); // what was held back while a name was typed is drawn
    } catch (error) {
      const isNamed = error.code === "exists";
      say(trouble, isNamed ? "This moment has a name already: rename its version below." : failureInWords(error));
      form.querySelector("input").focus();
    }
  }
}
