// A person's dashboard: what they did over time, their trees and how far those are. A view of its own, in the address too.

import { goToView, leaveFor, onView } from "./address.js";
import { RANGES, askAnalytics, askMetrics, askProgress, askTrees, spent, timeInWords } from "./dashboard_data.js";
import { byId, made, say } from "./dom.js";
import { TYPES } from "./node_types.js";
import { inWords, percent } from "./progress.js";
import { fillRing, ring } from "./rings.js";
import { typeSign } from "./cards.js";
import { ago, failureInWords, plural } from "./words.js";

const HOUR_MS = 3_600_000;
const BEHIND = ["#header", "#banner", "main"];

export class Dashboard {
  #desk;
  #view = byId("dashboard");
  #body = byId("dashboard-body");
  #range = byId("dashboard-range");
  #charts = [];
  #turn = 0; // of what was asked for last: answers to what was asked before it are late
  #focus = null; // where it was opened from

  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    this.#range.replaceChildren(
      ...RANGES.map((days) =>
        made("option", { value: days, selected: days === 30 }, days === 365 ? "A year" : `${days} days`),
      ),
    );
    this.#range.onchange = () => this.#load();
    byId("close-dashboard").onclick = () => goToView(null);
    this.#view.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      goToView(null);
    });
    const repaint = () => this.#charts.forEach((chart) => chart.draw());
    new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    desk.client.addEventListener("state", () => this.#isStale && desk.client.state === "online" && this.#load());
    onView((name) => this.#show(name === "dashboard"));
  }

  #isStale = false; // it could not be read, and would be now

  #show(isOpen) {
    if (isOpen === !this.#view.hidden) return;
    this.#view.hidden = !isOpen;
    for (const part of BEHIND) document.querySelector(part).inert = isOpen; // it is not to be reached meanwhile
    if (!isOpen) {
      this.#stop();
      this.#focus?.focus();
      return;
    }
    this.#focus = document.activeElement;
    this.#view.focus();
    this.#load();
  }

  #stop() {
    this.#turn++;
    this.#isStale = false;
    for (const chart of this.#charts) chart.stop();
    this.#charts = [];
  }

  async #load() {
    this.#stop();
    const turn = this.#turn;
    const { client } = this.#desk;
    this.#body.replaceChildren(made("p", { className: "none" }, "Looking…"));
    try {
      const [metrics, analytics, trees, { Chart }] = await Promise.all([
        askMetrics(client, Number(this.#range.value)),
        askAnalytics(client),
        askTrees(client),
        import("./charts.js"),
      ]);
      if (turn === this.#turn) this.#fill(metrics, analytics, trees, Chart);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#isStale = true;
      const why =
        error.name === "RequestFailed" ? failureInWords(error) : "This needs the network; try again when it is back.";
      this.#body.replaceChildren(made("p", { className: "none", role: "status" }, why));
    }
  }

  #fill(metrics, analytics, trees, Chart) {
    const { series, totals } = metrics;
    const dates = series.map(({ date }) => date);
    const values = (name) => series.map((bucket) => bucket[name]);
    this.#charts = [
      new Chart({
        title: "Edits and new nodes",
        dates,
        lines: [
          { label: "Edits", colour: "--accent", values: values("edits") },
          { label: "Nodes created", colour: "--good", values: values("nodes_created"), bars: true },
        ],
      }),
      new Chart({
        title: "Time spent",
        dates,
        lines: [
          { label: "Hours", colour: "--accent", values: series.map((bucket) => spent(bucket) / HOUR_MS), bars: true },
        ],
        say: (hours) => timeInWords(hours * HOUR_MS),
        unit: " h",
      }),
    ];
    const rows = new Map(trees.map((tree) => [tree.id, this.#tree(tree)]));
    this.#body.replaceChildren(
      tiles(totals, analytics),
      made("div", { className: "charts" }, ...this.#charts.map((chart) => chart.element)),
      made(
        "div",
        { className: "dashboard-columns" },
        part(
          "Trees",
          rows.size
            ? made("ul", { className: "dashboard-trees" }, ...[...rows.values()].map(({ row }) => row))
            : none("No trees yet."),
        ),
        part("Kinds of nodes in your trees", types(analytics.node_type_distribution)),
      ),
    );
    for (const chart of this.#charts) chart.draw();
    askProgress(this.#desk.client, trees, ({ id }, summary) => rows.get(id).fill(summary));
  }

  #tree({ id, name, node_count: nodes, updated_at: at, owner }) {
    const share = ring();
    const rate = made("span", { className: "rate" });
    const own = owner === this.#desk.client.user;
    const about = `${own ? "" : `${this.#desk.nameOf(owner)}’s · `}${plural(nodes, "node")} · changed ${ago(Date.parse(at))}`;
    const row = made(
      "button",
      { type: "button", className: "dashboard-tree", onclick: () => this.#open(id) },
      share,
      made("span", { className: "cut" }, name || "Untitled tree"),
      made("span", { className: "quiet cut" }, about),
      rate,
    );
    const fill = ({ completion_rate: part }) => {
      fillRing(share, part, { label: inWords(part) });
      say(rate, `${percent(part)} %`);
    };
    return { row: made("li", { "data-tree": id }, row), fill };
  }

  #open(id) {
    if (id === this.#desk.tree.number) goToView(null);
    else leaveFor(id);
  }
}

function tiles(totals, analytics) {
  const shown = [
    [totals.edits.toLocaleString("en"), "edits"],
    [totals.nodes_created.toLocaleString("en"), "nodes created"],
    [timeInWords(spent(totals)), "spent"],
    [String(analytics.total_trees), analytics.total_trees === 1 ? "tree of yours" : "trees of yours"],
    [analytics.average_nodes_per_tree.toLocaleString("en", { maximumFractionDigits: 1 }), "nodes a tree"],
  ];
  const items = shown.map(([value, label]) =>
    made("div", { className: "tile" }, made("dt", {}, label), made("dd", {}, value)),
  );
  return made("dl", { className: "tiles" }, ...items);
}

function types(distribution) {
  const present = Object.keys(TYPES).filter((type) => distribution[type]);
  const total = present.reduce((sum, type) => sum + distribution[type], 0);
  if (!total) return none("No nodes yet.");
  const bar = made("div", { className: "shares types-bar", "aria-hidden": "true" });
  for (const type of present) {
    const share = made("span", { "data-type": type });
    share.style.flex = String(distribution[type]);
    bar.append(share);
  }
  const rows = present.map((type) =>
    made(
      "li",
      { "data-type": type },
      typeSign(type),
      TYPES[type].label,
      made("span", {}, `${distribution[type]} · ${percent(distribution[type] / total)} %`),
    ),
  );
  return made("div", {}, bar, made("ul", { className: "counts" }, ...rows));
}

const none = (text) => made("p", { className: "quiet" }, text);
const part = (title, content) => made("section", { className: "dashboard-part" }, made("h3", {}, title), content);
