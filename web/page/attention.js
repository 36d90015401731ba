// What this person looks at, and for how long: reported for their own numbers, nobody else sees it. Where the browser says
// that its user does not want that (Global Privacy Control), nothing is.

const IDLE_MS = 60_000; // who has touched nothing for so long looks elsewhere
const LEAST_MS = 1_000; // shorter is passing by
const INPUTS = ["pointermove", "pointerdown", "keydown", "wheel"];

/** Reports `tree_viewed`, `node_viewed` with the time, and `node_clicked`. */
export class Attention {
  #desk;
  #tree = new Watch();
  #node = new Watch();
  #seen = null; // the node that is looked at

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    if (navigator.globalPrivacyControl) return;
    for (const name of INPUTS) addEventListener(name, () => this.#touched(), { passive: true, capture: true });
    desk.addEventListener("selection", ({ detail }) => detail.changed && this.#lookAt(desk.selection));
    document.querySelector("#cards").addEventListener("click", ({ target }) => {
      const node = target.closest(".card")?.dataset.node;
      if (node) desk.tree.interactions.add("node_clicked", { node });
    });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#leave() : this.#enter()));
    addEventListener("pagehide", () => this.#leave());
    this.#enter();
  }

  #enter() {
    this.#tree.start();
    this.#lookAt(this.#desk.selection);
  }

  #leave() {
    this.#lookAt(null);
    const duration_ms = this.#tree.stop();
    if (duration_ms >= LEAST_MS) this.#desk.tree.interactions.add("tree_viewed", { duration_ms });
    this.#desk.tree.interactions.keep();
  }

  #lookAt(node) {
    const duration_ms = this.#node.stop();
    if (this.#seen && duration_ms >= LEAST_MS) {
      this.#desk.tree.interactions.add("node_viewed", { node: this.#seen, duration_ms });
    }
    this.#seen = node;
    if (node) this.#node.start();
  }

  #touched() {
    this.#tree.touch();
    this.#node.touch();
  }
}

// Time in which somebody was there, as far as can be told.
class Watch {
  #passed = 0;
  #last = null;

  start() {
    this.#passed = 0;
    this.#last = performance.now();
  }

  touch() {
    if (this.#last === null) return;
    const now = performance.now();
    this.#passed += Math.min(now - this.#last, IDLE_MS);
    this.#last = now;
  }

  stop() {
    this.touch();
    const passed = this.#passed;
    [this.#passed, this.#last] = [0, null]; // a page that is closed is hidden too: told once
    return passed;
  }
}
