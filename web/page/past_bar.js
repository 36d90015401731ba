// Over the canvas while one looks back: which moment it is, what is different now, the slider, and the ways out.

import { icon, made, say } from "./dom.js";
import { MARKS } from "./past.js";
import { TimeSlider } from "./time_slider.js";
import { momentInWords, plural } from "./words.js";

export class PastBar {
  #desk;
  #travel;
  #element;
  #slider;
  #words = made("p", { id: "past-words" });
  #legend = made("ul", { className: "legend", "aria-label": "What is different now" });
  #goingBack;
  #restore;
  #undo;
  #said = null; // the moment that was told last
  #back;
  #at = -1; // of the cards that the legend steps through

  /**
   * @param {HTMLElement} element
   * @param {{ restore: () => void }} commands
   * @param {import("./going_back.js").GoingBack} goingBack
   */
  constructor(desk, travel, versions, element, { restore }, goingBack) {
    this.#desk = desk;
    this.#travel = travel;
    this.#element = element;
    this.#goingBack = goingBack;
    this.#slider = new TimeSlider(travel, versions, () => this.inWords());
    const button = (id, className, onclick, ...inside) =>
      made("button", { type: "button", id, className, onclick }, ...inside);
    this.#restore = button("restore-moment", "button", restore, icon("restore"), "Restore…");
    this.#undo = button(
      "undo-going-back",
      "button",
      () => goingBack.undo(),
      icon("undo"),
      "Undo what was brought back",
    );
    this.#back = button("back-to-now", "button primary", () => this.#return(), "Back to now");
    const line = made("div", { className: "past-line" }, this.#words, this.#undo, this.#restore, this.#back);
    element.replaceChildren(line, this.#slider.element, this.#legend);
    travel.addEventListener("moment", () => this.draw());
    versions.addEventListener("versions", () => this.draw());
    desk.addEventListener("status", () => this.draw());
    element.onkeydown = (event) => {
      if (event.key !== "Escape" || !travel.isPast) return;
      event.preventDefault();
      this.#return();
    };
  }

  /** The moment that is shown, in a few words. */
  get when() {
    const { at, seq } = this.#travel.shown;
    return at ? momentInWords(at) : `change ${seq}`;
  }

  /** The moment that is wished, as a sentence without its full stop. */
  inWords() {
    const { seq, end, shown, isPast } = this.#travel;
    if (!isPast) return `Now, after ${plural(end, "change")}`;
    const place = `change ${seq} of ${end}`;
    if (!shown || shown.seq !== seq || !shown.at) return `You are looking at ${place}`;
    const by = shown.user ? `, by ${this.#desk.nameOf(shown.user)}${shown.via ? ` (${shown.via})` : ""}` : "";
    return `You are looking at ${momentInWords(shown.at)} · ${place}${by}`;
  }

  draw() {
    if (this.#element.hidden) return;
    const { isPast, trouble, loading } = this.#travel;
    this.#element.classList.toggle("is-past", isPast);
    this.#element.setAttribute("aria-busy", String(loading));
    say(
      this.#words,
      trouble
        ? `${this.inWords()}. ${trouble}`
        : isPast
          ? this.inWords()
          : `${this.inWords()}. Slide back to see the tree as it was.`,
    );
    this.#words.classList.toggle("trouble", trouble !== "");
    this.#restore.hidden = !isPast || !this.#desk.isEditor;
    this.#restore.disabled = loading || !!trouble;
    this.#back.hidden = !isPast;
    this.#undo.hidden = isPast || !this.#goingBack.undo || !this.#desk.isEditor;
    this.#tell();
    this.#drawLegend();
    this.#slider.draw();
  }

  // The slider tells its own moments; those that are chosen elsewhere are told here.
  #tell() {
    const { shown } = this.#travel;
    if (shown === this.#said) return;
    this.#said = shown;
    if (document.activeElement?.id !== "time") this.#desk.say(`${this.inWords()}.`, "quiet");
  }

  #drawLegend() {
    const marks = this.#desk.past?.marks ?? new Map();
    const counts = new Map();
    for (const all of marks.values()) for (const mark of all) counts.set(mark, (counts.get(mark) ?? 0) + 1);
    const key = JSON.stringify([...counts]);
    if (this.#legend.dataset.key === key && this.#legend.hidden === !this.#desk.past) return;
    this.#legend.dataset.key = key;
    this.#legend.hidden = !this.#desk.past;
    const chips = Object.entries(MARKS)
      .filter(([mark]) => counts.get(mark))
      .map(([mark, { word, sign }]) => this.#chip(mark, word, sign, counts.get(mark)));
    this.#legend.replaceChildren(...(chips.length ? chips : [made("li", { className: "quiet" }, "as it is now")]));
  }

  #chip(mark, word, sign, count) {
    const label = `${count} ${word} since: show the next`;
    const face = [made("span", { className: "sign", "aria-hidden": "true" }, sign), `${count} ${word}`];
    const next = () => this.#next(mark);
    return made(
      "li",
      {},
      made(
        "button",
        { type: "button", className: "chip", "data-since": mark, title: label, "aria-label": label, onclick: next },
        ...face,
      ),
    );
  }

  #next(mark) {
    const ids = [...this.#desk.past.marks].filter(([, all]) => all.includes(mark)).map(([id]) => id);
    this.#at = (this.#at + 1) % ids.length;
    this.#desk.goTo(ids[this.#at]);
  }

  #return() {
    this.#travel.back();
    this.#slider.element.querySelector("input").focus();
  }
}
