// The slider over the whole life of the tree, a step for each change, with a tick for each version.

import { iconButton, made } from "./dom.js";

const MOST_TICKS = 200; // more would be a bar

export class TimeSlider {
  element;
  #travel;
  #versions;
  #words;
  #input;
  #ticks = made("span", { className: "ticks", "aria-hidden": "true" });
  #before;
  #after;
  #key = "";

  /**
   * @param {import("./time_travel.js").TimeTravel} travel
   * @param {import("./versions.js").Versions} versions
   * @param {() => string} words the moment that is wished, in words
   */
  constructor(travel, versions, words) {
    this.#travel = travel;
    this.#versions = versions;
    this.#words = words;
    this.#input = made("input", {
      type: "range",
      id: "time",
      className: "bare",
      min: 1,
      step: 1,
      "aria-label": "Moment in the life of the tree",
    });
    this.#input.oninput = () => travel.look({ seq: this.#input.valueAsNumber });
    this.#before = iconButton("before", "Version before", () => this.#jump(-1));
    this.#after = iconButton("after", "Version after, or now", () => this.#jump(1));
    const track = made("span", { className: "track" }, this.#ticks, this.#input);
    this.element = made("div", { className: "time-slider" }, this.#before, track, this.#after);
  }

  draw() {
    const { seq, end, isPast } = this.#travel;
    this.#input.max = Math.max(end, 1);
    if (this.#input.valueAsNumber !== seq) this.#input.value = seq;
    this.#input.disabled = end <= 1;
    this.#input.setAttribute("aria-valuetext", this.#words());
    this.#before.disabled = !this.#neighbour(-1);
    this.#after.disabled = !isPast;
    this.#drawTicks(end);
  }

  #jump(direction) {
    const version = this.#neighbour(direction);
    if (version) this.#travel.look({ version: version.number, seq: version.seq });
    else if (direction > 0) this.#travel.back();
  }

  // The next version in that direction, of those with another seq than the one looked at.
  #neighbour(direction) {
    const { seq, end } = this.#travel;
    const there = this.#versions.list.filter((one) => one.seq <= end && (one.seq - seq) * direction > 0);
    const nearest = (best, one) => (best && Math.abs(best.seq - seq) <= Math.abs(one.seq - seq) ? best : one);
    return there.reduce(nearest, null);
  }

  #drawTicks(end) {
    const shown = this.#versions.list.filter((one) => one.seq <= end).slice(0, MOST_TICKS);
    const key = `${end} ${shown.map(({ seq, kind }) => `${seq}${kind}`)}`;
    if (key === this.#key) return;
    this.#key = key;
    this.#ticks.replaceChildren(
      ...shown.map(({ seq, kind }) => {
        const tick = made("i", { "data-kind": kind });
        tick.style.insetInlineStart = `${(100 * (seq - 1)) / Math.max(1, end - 1)}%`;
        return tick;
      }),
    );
  }
}
