// What the server finds in the texts of all trees: asked while the person types, shown below the titles of the open tree.

import { made } from "./dom.js";
import { typeSign } from "./cards.js";
import { pathLabel } from "./node_types.js";
import { failureInWords, plural } from "./words.js";

const SETTLE_MS = 160; // between two letters
const TITLE = "In texts and other trees";
const PAGE = 15;
const LEAST_LETTERS = 2; // of a word that is searched for by its beginning
const OF_PAIRS = // one character alone is searched for where words are not divided [SE3]
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;

/** Event: `change` (other rows than before). */
export class Search extends EventTarget {
  #desk;
  #leaveFor;
  #words = "";
  #hits = [];
  #next = null;
  #note = "";
  #timer = 0;
  #turn = 0; // of the newest question: answers to older ones are late

  /** @param {(tree: number, node: string | null) => void} leaveFor */
  constructor(desk, leaveFor) {
    super();
    this.#desk = desk;
    this.#leaveFor = leaveFor;
  }

  /** Look for these words, when they have stood for a moment. */
  ask(text) {
    const words = text.trim();
    if (words === this.#words) return;
    if (words.length < LEAST_LETTERS && !OF_PAIRS.test(words)) return this.stop();
    clearTimeout(this.#timer);
    this.#turn++;
    this.#words = words;
    this.#next = null;
    if (!this.#hits.length) this.#note = "Looking in texts and other trees…"; // else what was found stays until then
    this.#timer = setTimeout(() => this.#read(), SETTLE_MS);
  }

  /** Forget it; an answer that is on its way comes too late. */
  stop() {
    clearTimeout(this.#timer);
    this.#turn++;
    [this.#words, this.#hits, this.#next, this.#note] = ["", [], null, ""];
  }

  /**
   * What was found, but for nodes of the open tree that are shown already.
   * @param {Set<string>} known
   * @returns {{ found: { element: HTMLElement, take: () => void, stays?: boolean }[], element: HTMLElement | "", note: string }}
   */
  rows(known) {
    const { number } = this.#desk.tree;
    const fresh = this.#hits.filter((hit) => hit.tree !== number || !known.has(hit.node));
    const found = fresh.map((hit) => ({ element: hitRow(hit, hit.tree === number), take: () => this.#go(hit) }));
    if (this.#next !== null) found.push({ element: moreRow(), take: () => this.#read(this.#next), stays: true });
    return { found, element: found.length ? groupOf(found.map(({ element }) => element)) : "", note: this.#note };
  }

  async #read(after = null) {
    const turn = ++this.#turn;
    const asked = new URLSearchParams({ q: this.#words, limit: PAGE, ...(after !== null && { after }) });
    try {
      const { hits, next, complete, behind } = await this.#desk.client.request("GET", `/search?${asked}`);
      if (turn !== this.#turn) return;
      this.#hits = after === null ? hits : [...this.#hits, ...hits];
      this.#next = next;
      this.#note = noteOf(this.#hits, { complete, behind });
    } catch (error) {
      if (turn !== this.#turn) return;
      if (after === null) this.#hits = [];
      this.#note =
        error.status === 0 ? "Texts and other trees can be searched when the network is back." : failureInWords(error);
    }
    this.dispatchEvent(new Event("change"));
  }

  #go({ tree, node, title }) {
    if (tree !== this.#desk.tree.number) this.#leaveFor(tree, node);
    else if (node === null) this.#desk.say("These words are in the name or description of the tree that is open.");
    else if (this.#desk.view.nodes.has(node)) this.#desk.goTo(node);
    else this.#desk.say(`“${title}” is not in the tree as it is shown here.`);
  }
}

function noteOf(hits, { complete, behind }) {
  const late = behind ? ` The newest edits of ${plural(behind, "tree")} can be found in a moment.` : "";
  if (!hits.length) return `No text has these words.${late}`;
  return (complete ? "" : "Very many trees have these words: this is of the best ones.") + late;
}

function groupOf(rows) {
  const title = made("li", { className: "found-title", "aria-hidden": "true" }, TITLE);
  return made("li", { role: "presentation" }, made("ul", { role: "group", "aria-label": TITLE }, title, ...rows));
}

function hitRow({ tree, tree_name: treeName, node, type, title, path, field, snippet }, isHere) {
  const place = [...(isHere ? [] : [treeName || "Untitled tree"]), ...path.map((above) => above.title)].join(" › ");
  const inTitle = field === "title" || field === "name";
  const name = inTitle ? marked(snippet) : [title || treeName || "Untitled tree"];
  return made(
    "li",
    { role: "option", className: "hit", "data-node": node, "data-tree": tree, "data-type": type },
    type ? typeSign(type) : made("span", { className: "tree-sign", "aria-hidden": "true" }),
    made("span", { className: "cut" }, ...name),
    made("span", { className: "cut quiet" }, place),
    !inTitle && made("span", { className: "snippet quiet" }, `${pathLabel(field, type)}: `, ...marked(snippet)),
  );
}

const marked = (snippet) => snippet.map(({ text, hit }) => (hit ? made("mark", {}, text) : text));

const moreRow = () => made("li", { role: "option", className: "hit more" }, made("span", {}, "More…"));
