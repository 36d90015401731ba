// What has changed since the moment that is looked at: of the selected card word by word, then all of it in sentences.

import { made, say } from "./dom.js";
import { pathLabel, shown } from "./node_types.js";
import { MARKS } from "./past.js";
import { failureInWords, plural } from "./words.js";

const SETTLED_MS = 250; // a moment that is passed over is not compared

export class SinceList {
  element;
  #desk;
  #travel;
  #told = null; // { seq, until, difference, sentences }
  #timer = 0;
  #card = made("section", { className: "since-card", "aria-label": "The selected card", hidden: true });
  #about = made("p", { className: "help", role: "status" });
  #list = made("ul", { className: "sentences" });

  constructor(desk, travel) {
    this.#desk = desk;
    this.#travel = travel;
    this.element = made("div", {}, this.#card, this.#about, this.#list);
    travel.addEventListener("moment", () => this.draw());
    desk.addEventListener("selection", () => this.#drawCard());
  }

  /** Show what is known; ask for what is not, once the moment stays. */
  draw() {
    const { shown: moment, isPast, trouble, loading } = this.#travel;
    const isTold = this.#told && moment && this.#told.seq === moment.seq && this.#told.until === moment.until;
    clearTimeout(this.#timer);
    if (!isPast)
      this.#say("This is the tree as it is now. Slide back, or choose a version, to see what has changed since.");
    else if (trouble) this.#say(trouble);
    else if (!isTold) {
      this.#say("Looking…");
      if (!loading && !this.element.parentElement.hidden) this.#timer = setTimeout(() => this.#ask(moment), SETTLED_MS);
    }
  }

  #say(text) {
    this.#told = null;
    say(this.#about, text);
    this.#list.replaceChildren();
    this.#drawCard();
  }

  async #ask(moment) {
    const from = moment.moment.version === undefined ? { seq: moment.seq } : { version: moment.moment.version };
    try {
      const { difference, sentences } = await this.#desk.tree.history.diff(from, { seq: moment.until });
      if (moment !== this.#travel.shown) return;
      this.#told = { seq: moment.seq, until: moment.until, difference, sentences };
      this.#drawAll();
    } catch (error) {
      if (moment === this.#travel.shown) this.#say(failureInWords(error));
    }
  }

  #drawAll() {
    const { difference, sentences } = this.#told;
    say(
      this.#about,
      sentences.length ? `${plural(sentences.length, "change")} since then:` : "Nothing has changed since then.",
    );
    const about = subjects(difference);
    this.#list.replaceChildren(...sentences.map((text, index) => this.#row(text, about[index] ?? {})));
    this.#drawCard();
  }

  #row(text, { node, mark = "changed" }) {
    const sign = made("span", { className: "sign", "data-since": mark, "aria-hidden": "true" }, MARKS[mark].sign);
    if (!node) return made("li", {}, made("span", { className: "sentence" }, sign, made("span", {}, text)));
    const go = () => this.#desk.goTo(node);
    return made(
      "li",
      {},
      made(
        "button",
        { type: "button", className: "sentence", onclick: go, "data-node": node },
        sign,
        made("span", {}, text),
      ),
    );
  }

  #drawCard() {
    const { past, selected } = this.#desk;
    const marks = past && selected ? past.marks.get(selected.id) : undefined;
    this.#card.hidden = !this.#told || !selected;
    if (this.#card.hidden) return;
    const signs = (marks ?? []).map((mark) =>
      made(
        "span",
        { className: "chip", "data-since": mark },
        made("span", { className: "sign", "aria-hidden": "true" }, MARKS[mark].sign),
        MARKS[mark].word,
      ),
    );
    const fields = this.#told.difference.changed.find(({ node }) => node === selected.id)?.fields ?? [];
    this.#card.replaceChildren(
      made("h3", {}, selected.title),
      signs.length ? made("p", { className: "signs" }, ...signs) : made("p", { className: "help" }, "As it is now."),
      ...fields.map((field) => fieldChange(field, selected.type)),
    );
  }
}

/** A field before and after: word by word where both are texts. */
export function fieldChange({ path, before, after, pieces }, type) {
  const parts = pieces
    ? pieces.map(({ kind, text }) => (kind === "same" ? text : made(kind === "added" ? "ins" : "del", {}, text)))
    : [
        before !== undefined && made("del", {}, shown(before)),
        " ",
        after !== undefined && made("ins", {}, shown(after)),
      ];
  return made(
    "div",
    { className: "field-change", "data-path": path },
    made("h4", {}, pathLabel(path, type)),
    made("p", {}, ...parts),
  );
}

// What each sentence is about, in the order of the sentences [HI9]: of what came or went together the top alone.
function subjects(difference) {
  const tops = (lines) => {
    const among = new Set(lines.map(({ node }) => node));
    return lines.filter(({ parent }) => !among.has(parent)).map(({ node }) => node);
  };
  const of = (mark, nodes) => nodes.map((node) => ({ node, mark }));
  return [
    ...difference.tree.map(() => ({ mark: "changed" })),
    ...of("added", tops(difference.added)),
    ...of("removed", tops(difference.removed)),
    ...of(
      "moved",
      difference.moved.map(({ node }) => node),
    ),
    ...of(
      "changed",
      difference.changed.flatMap(({ node, fields }) => fields.map(() => node)),
    ),
    ...of(
      "added",
      difference.connected.map(({ from }) => from),
    ),
    ...of(
      "removed",
      difference.disconnected.map(({ from }) => from),
    ),
    ...of(
      "changed",
      difference.relabelled.map(({ from }) => from),
    ),
  ];
}
