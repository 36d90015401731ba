// What others do to the tree: said in the live region, several changes in one sentence, and shown as a short glow.

import { colourOf } from "./people.js";
import { changeInWords, plural, quoted } from "./words.js";

const TELL_MS = 4000; // changes of so long are one sentence; faster nobody could listen
const GLOW_MS = 1400;
const WORTH_TELLING = new Set(["insert", "delete", "restore", "move", "update", "text"]);

export class News {
  #desk;
  #canvas;
  #heard = new Map(); // user to { changes, last }
  #timer = 0;

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk, canvas) {
    this.#desk = desk;
    this.#canvas = canvas;
    desk.tree.addEventListener("change", (event) => this.#hear(event.detail.ops));
  }

  #hear(ops) {
    for (const op of ops) {
      if (op.own || !op.node || !WORTH_TELLING.has(op.op)) continue;
      const heard = this.#heard.get(op.user) ?? { changes: new Map() };
      heard.changes.set(op.node, op);
      this.#heard.set(op.user, heard);
      if (!this.#desk.past) this.#glow(op);
    }
    if (this.#heard.size) this.#timer ||= setTimeout(() => this.#tell(), TELL_MS);
  }

  #tell() {
    this.#timer = 0;
    const sentences = [...this.#heard].map(([user, { changes }]) => this.#sentence(user, [...changes.values()]));
    this.#heard.clear();
    this.#desk.say(sentences.join(" "), "quiet");
  }

  #sentence(user, ops) {
    const name = this.#desk.nameOf(user);
    if (ops.length > 1) return `${name} changed ${plural(ops.length, "node")}.`;
    const [op] = ops;
    const node = this.#desk.tree.view.nodes.get(op.node);
    return `${name} ${changeInWords(op, node?.type)}${node ? `: ${quoted(node.title)}` : ""}.`;
  }

  // Once it is drawn; nothing moves, so it is no motion to be reduced.
  #glow({ node, user }) {
    requestAnimationFrame(() => {
      const card = this.#canvas.cards.element(node);
      if (!card) return;
      card.style.setProperty("--by", colourOf(user));
      card.classList.add("changed");
      setTimeout(() => card.classList.remove("changed"), GLOW_MS);
    });
  }
}
