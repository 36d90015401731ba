// How much of a node's form is filled, what is missing, and how far its branch is: a line above the form.

import { made } from "./dom.js";
import { inWords } from "./progress.js";
import { fillRing, ring } from "./rings.js";
import { countedFields, missingOf } from "./templates.js";
import { plural } from "./words.js";

export class Filled {
  element = made("p", { className: "filled" });
  #desk;
  #id;
  #ring = ring();
  #text = made("span", {});
  #form;
  #key = "";

  /** @param {import("./desk.js").Desk} desk @param {Map<string, HTMLElement>} form the fields' elements by key */
  constructor(desk, id, form) {
    this.#desk = desk;
    this.#id = id;
    this.#form = form;
    this.element.append(this.#ring, this.#text);
    desk.progress.addEventListener("change", this.show);
  }

  show = () => {
    const { view, progress } = this.#desk;
    const node = view.nodes.get(this.#id);
    if (!node) return;
    this.#showBranch(progress.of(this.#id), view.children(this.#id).length);
    const missing = missingOf(node);
    const key = missing.map((field) => field.key).join();
    if (this.#key === `${node.type} ${key}`) return;
    this.#key = `${node.type} ${key}`;
    const total = countedFields(node.type).length;
    const names = missing.flatMap((field, index) => [index ? ", " : " Missing: ", this.#link(field)]);
    this.#text.replaceChildren(`${total - missing.length} of ${plural(total, "field")} filled.`, ...names);
    for (const [field, element] of this.#form) element.classList.toggle("missing", key.split(",").includes(field));
  };

  stop() {
    this.#desk.progress.removeEventListener("change", this.show);
  }

  #showBranch(said, children) {
    if (!said) return;
    const { branch_complete: complete, branch_nodes: nodes, branch_completion: branch, completion } = said;
    const about = children ? `, its branch ${inWords(branch)} (${complete} of ${plural(nodes, "card")})` : "";
    fillRing(this.#ring, completion, { label: `This card ${inWords(completion)}${about}` });
  }

  #link({ key, label }) {
    const go = () => this.#form.get(key)?.querySelector("input, textarea, select")?.focus();
    return made("button", { type: "button", className: "link-button", onclick: go }, label);
  }
}
