// A title typed in its card, together with whoever else types there.

import { made } from "./dom.js";
import { bindText } from "./fields.js";

export class TitleEditor {
  #desk;
  #canvas;
  #edits;
  #open = null; // { id, field, bound }

  constructor(desk, canvas, edits) {
    this.#desk = desk;
    this.#canvas = canvas;
    this.#edits = edits;
    desk.addEventListener("scene", () => this.#show());
    canvas.addEventListener("draw", () => this.#stay());
  }

  /** True while a title is typed on the canvas. */
  get isOpen() {
    return this.#open !== null;
  }

  /** Type into the title of a node. `fresh` selects it all, so that the first key replaces it. */
  open(id, { fresh = true } = {}) {
    this.close();
    const card = this.#canvas.cards.element(id);
    const item = this.#desk.scene.items.get(id);
    if (!card || !this.#desk.mayEdit) return;
    const field = made("textarea", { className: "title-input", rows: 1, "aria-label": "Title", spellcheck: true });
    card.append(field);
    card.classList.add("typing");
    this.#open = { id, field, card, bound: bindText(this.#desk, this.#edits, field, id, "title") };
    field.onkeydown = (event) => this.#key(event);
    field.onblur = () => this.close({ focus: false });
    field.onpaste = (event) => pasteLine(event, field);
    this.#canvas.camera.approach(item);
    field.focus({ preventScroll: true });
    field.setSelectionRange(fresh ? 0 : field.value.length, field.value.length);
  }

  close({ focus = true } = {}) {
    if (!this.#open) return;
    const { field, card, bound, id } = this.#open;
    this.#open = null;
    bound.type();
    bound.stop();
    field.onblur = null;
    card.classList.remove("typing");
    this.#desk.edit(null);
    if (focus) this.#canvas.cards.element(id)?.focus({ preventScroll: true });
    field.remove();
  }

  #key(event) {
    event.stopPropagation(); // the keys of the canvas are letters here
    if (event.isComposing) return;
    const undo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (undo) return (event.preventDefault(), event.shiftKey ? this.#desk.tree.redo() : this.#desk.tree.undo());
    if (event.key === "Enter" || event.key === "Escape") return (event.preventDefault(), this.close());
    if (event.key !== "Tab") return;
    event.preventDefault();
    this.close();
    this.#canvas.frame.dispatchEvent(new CustomEvent("add-child"));
  }

  #show() {
    if (!this.#open) return;
    if (this.#desk.view.nodes.has(this.#open.id)) this.#open.bound.show();
    else this.close();
  }

  // The card was drawn anew, elsewhere in the document: the field goes with it.
  #stay() {
    const card = this.#open && this.#canvas.cards.element(this.#open.id);
    if (this.#open && card !== this.#open.card) this.close({ focus: false });
  }
}

// A title is one line.
function pasteLine(event, field) {
  const text = event.clipboardData?.getData("text/plain");
  if (!text?.includes("\n")) return;
  event.preventDefault();
  field.setRangeText(text.replace(/\s*\n\s*/g, " "), field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
}
