// The whole tree's ring in the header, and behind it what it is made of: cards by status, and the domains.

import { byId, made, say } from "./dom.js";
import { attach } from "./popover.js";
import { inWords, percent } from "./progress.js";
import { fillRing, ring } from "./rings.js";
import { plural } from "./words.js";

const WIDTH = 328; // of the breakdown, as in progress.css
const MOST_DOMAINS = 30; // shown; more is what the canvas is for
const STATUSES = { complete: "Complete", in_progress: "In progress", not_started: "Not started" };
const MATURITY = {
  initial: "at its beginning",
  emerging: "emerging",
  developing: "developing",
  established: "established",
  mature: "mature",
};

export class TreeProgress {
  #desk;
  #progress;
  #button = byId("tree-progress");
  #ring = ring();
  #percent = made("span", {});
  #breakdown = byId("breakdown");

  /** @param {import("./desk.js").Desk} desk @param {import("./progress.js").Progress} progress */
  constructor(desk, progress) {
    this.#desk = desk;
    this.#progress = progress;
    this.#button.append(this.#ring, this.#percent);
    attach(this.#button, this.#breakdown, { width: WIDTH, opens: () => this.#show() });
    progress.addEventListener("change", () => this.draw());
    desk.client.addEventListener("state", () => this.draw());
  }

  draw() {
    const { summary } = this.#progress;
    if (!summary) return;
    const { completion_rate: rate, complete, total_nodes: total } = summary;
    const away = this.#desk.client.state !== "online";
    const label = `Tree ${inWords(rate)}, ${complete} of ${plural(total, "card")}${away ? "; as it was before the network went" : ""}`;
    this.#button.hidden = false;
    this.#button.dataset.stale = String(away);
    this.#button.setAttribute("aria-label", label);
    this.#button.title = label;
    fillRing(this.#ring, rate);
    this.#ring.removeAttribute("title"); // the button has it
    say(this.#percent, `${percent(rate)}%`);
    if (this.#breakdown.matches(":popover-open")) this.#show();
  }

  #show() {
    const { summary, domains, mine } = this.#progress;
    const focused = document.activeElement?.dataset.node;
    this.#breakdown.replaceChildren(
      this.#head(summary),
      ...shares(summary),
      this.#domains([...domains.values()]),
      allMine(mine),
    );
    if (focused) this.#breakdown.querySelector(`[data-node="${CSS.escape(focused)}"]`)?.focus();
  }

  #head({ completion_rate: rate, fill_rate: fill, score }) {
    const whole = ring();
    fillRing(whole, rate);
    const about = `${percent(fill)} % of fields filled · score ${Math.round(score)}`;
    return made(
      "div",
      { className: "breakdown-head" },
      whole,
      made("div", {}, made("h2", {}, `Tree ${inWords(rate)}`), made("p", { className: "quiet" }, about)),
    );
  }

  #domains(domains) {
    const { view } = this.#desk;
    const there = domains.filter(({ node }) => view.nodes.has(node));
    if (!there.length) return "";
    return made(
      "div",
      { className: "domains" },
      made("h3", {}, there.length > MOST_DOMAINS ? `The first ${MOST_DOMAINS} branches` : "Branches"),
      ...there.slice(0, MOST_DOMAINS).map((domain) => this.#domain(domain, view.nodes.get(domain.node))),
    );
  }

  #domain({ node, completion_rate: rate, maturity }, { title, type }) {
    const share = ring();
    fillRing(share, rate);
    const go = () => {
      this.#breakdown.hidePopover();
      this.#desk.goTo(node);
    };
    return made(
      "button",
      { type: "button", className: "domain", "data-node": node, "data-type": type, onclick: go },
      share,
      made("span", { className: "cut" }, title),
      made("span", { className: "quiet" }, `${percent(rate)} % · ${MATURITY[maturity] ?? maturity}`),
    );
  }
}

function allMine(mine) {
  if (!mine || mine.trees < 2) return "";
  const text = `Your ${mine.trees} trees are ${percent(mine.completion_rate)} % complete, on average.`;
  return made("p", { className: "quiet all-mine" }, text);
}

function shares(summary) {
  const counted = Object.keys(STATUSES).filter((status) => summary[status] > 0);
  const parts = counted.map((status) => {
    const part = made("span", { "data-status": status });
    part.style.flex = String(summary[status]);
    return part;
  });
  const names = counted.map((status) =>
    made(
      "li",
      { "data-status": status },
      made("i", { "aria-hidden": "true" }),
      made("span", {}, STATUSES[status]),
      made("span", {}, String(summary[status])),
    ),
  );
  return [
    made("div", { className: "shares", "aria-hidden": "true" }, ...parts),
    made("ul", { className: "share-names" }, ...names),
  ];
}
