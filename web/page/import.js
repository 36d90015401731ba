// A tree out of a file: dropped anywhere on the page, or chosen. What it would become is shown first; then it is made, and
// opened.

import { byId, made } from "./dom.js";
import { typeSign } from "./cards.js";
import { ACCEPTED, HOLDS, fileOf, nameOf, recognised, sizeInWords } from "./import_files.js";
import { TYPES } from "./node_types.js";
import { failureInWords, plural } from "./words.js";

const MOST_BYTES = 8 * 1024 * 1024; // limits.edit_bytes where the server has not said it
const NAMELESS = "Imported"; // what the server calls a tree whose file has no name
// what is said where no answer came: the server may have made the tree before the network went, or the dialog was closed
const MAYBE = "It may have been made all the same: look among all trees before you try again.";

export class Importer {
  #desk;
  #open;
  #dialog = byId("import");
  #body = byId("import-body");
  #zone = byId("drop-zone");
  #picker = made("input", { type: "file", accept: ACCEPTED, hidden: true });
  #depth = 0; // of elements that a file is dragged over
  #going = null; // AbortController of what is on its way

  /** @param {(tree: number) => void} open leaves this tree for the new one */
  constructor(desk, open) {
    this.#desk = desk;
    this.#open = open;
    this.#dialog.addEventListener("close", () => this.#going?.abort());
    this.#picker.onchange = () => {
      const [file] = this.#picker.files;
      this.#picker.value = ""; // the same file may be chosen again, mended
      if (file) this.take(file);
    };
    document.body.append(this.#picker);
    this.#listen();
  }

  /** Let the person choose a file. */
  choose() {
    this.#picker.click();
  }

  /** Show what a file would become. @param {File} file */
  take(file) {
    if (!this.#dialog.open) this.#dialog.showModal();
    const { format, why } = recognised(file, this.#desk.client.limits.edit_bytes ?? MOST_BYTES);
    if (why) this.#refuse(why);
    else this.#preview(file, format);
  }

  #listen() {
    const holdsFile = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
    const over = (by) => (event) => {
      if (!holdsFile(event)) return;
      this.#depth = Math.max(0, this.#depth + by);
      this.#zone.hidden = this.#depth === 0;
    };
    addEventListener("dragenter", over(1));
    addEventListener("dragleave", over(-1));
    addEventListener("dragover", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault(); // else the browser opens the file in place of the page
      event.dataTransfer.dropEffect = "copy";
    });
    addEventListener("drop", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      this.#depth = 0;
      this.#zone.hidden = true;
      this.#dropped(fileOf(event.dataTransfer));
    });
  }

  #dropped({ file, why }) {
    if (document.querySelector("dialog[open]:not(#import)")) return; // whatever is open there comes first
    if (file) return this.take(file);
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#refuse(why);
  }

  async #preview(file, format) {
    const told = await this.#sent(file, `/trees/import/preview?format=${format}`, "Reading");
    if (told) this.#show(file, format, told);
  }

  #show(file, format, told) {
    const name = made("input", {
      id: "import-name",
      type: "text",
      maxLength: 500,
      required: true,
      autocomplete: "off",
      value: told.name === NAMELESS ? nameOf(file) : told.name,
    });
    const form = made(
      "form",
      { method: "dialog" },
      made("label", { for: "import-name" }, "Name of the new tree"),
      name,
      contents(told),
      ...warnings(format, told).map((text) => made("p", { className: "help" }, text)),
      made(
        "div",
        { className: "actions" },
        made("button", { className: "button primary" }, "Make this tree"),
        this.#another("Another file…"),
      ),
    );
    form.onsubmit = (event) => {
      event.preventDefault();
      if (name.value.trim()) this.#make(file, format, name.value.trim());
    };
    this.#body.replaceChildren(this.#about(file), form);
    name.focus();
    name.select();
  }

  async #make(file, format, name) {
    const asked = new URLSearchParams({ format, name });
    const tree = await this.#sent(file, `/trees/import?${asked}`, "Making the tree of", `“${name}”: ${MAYBE}`);
    if (tree) this.#open(tree.id);
  }

  // What the server answers to the file; null where it is refused, which is said, or given up. `unanswered`: what is said
  // where it is not known what became of it.
  async #sent(file, path, doing, unanswered = "") {
    this.#going?.abort();
    const going = (this.#going = new AbortController());
    const bar = made("progress", { max: 1, value: 0, "aria-label": "Sent" });
    const line = made("p", { role: "status" }, `${doing} “${file.name}”, ${sizeInWords(file.size)}…`);
    this.#body.replaceChildren(line, bar);
    let isThere = false; // all of it: the server acts on it, whether its answer is heard or not
    const told = (part) => {
      isThere = part >= 1;
      if (part < 1) bar.value = part;
      else bar.removeAttribute("value"); // it is all there, and is read now
    };
    try {
      return await this.#desk.client.upload(path, file, told, going.signal);
    } catch (error) {
      const doubt = isThere && error.status === 0 ? unanswered : "";
      if (error.code !== "aborted") this.#refuse([failureInWords(error), doubt], file);
      else if (doubt) this.#desk.say(doubt, "refused");
      return null;
    }
  }

  #refuse(reasons, file = null) {
    const why = [reasons].flat().filter(Boolean).join(" ");
    const mend = file && /^line \d+/.test(why);
    const parts = [
      file && this.#about(file),
      made("p", { className: "import-refused", role: "alert" }, why),
      mend && made("p", { className: "help" }, "Nothing was made. Mend that line and drop the file again."),
      made("div", { className: "actions" }, this.#another("Choose a file…")),
    ];
    this.#body.replaceChildren(...parts.filter(Boolean));
  }

  #about(file) {
    return made("p", { className: "quiet cut" }, `${file.name} · ${sizeInWords(file.size)}`);
  }

  #another(label) {
    return made("button", { type: "button", className: "button", onclick: () => this.choose() }, label);
  }
}

function warnings(format, { nodes }) {
  const held = nodes ? HOLDS[format] : "The file names no node: the tree will be empty.";
  return [held, "Only you will see it, until you share it."].filter(Boolean);
}

function contents({ nodes, connections, levels, types, description }) {
  const counts = Object.keys(TYPES)
    .filter((type) => types[type])
    .map((type) =>
      made("li", { "data-type": type }, typeSign(type), TYPES[type].label, made("span", {}, String(types[type]))),
    );
  const about = `${plural(nodes, "node")} on ${plural(levels, "level")}${connections ? `, ${plural(connections, "connection")}` : ""}`;
  return made(
    "section",
    { className: "import-contents", "aria-label": "What it will be" },
    made("p", { id: "import-count" }, about),
    description && made("p", { className: "quiet cut" }, description),
    made("ul", { className: "counts" }, ...counts),
  );
}
