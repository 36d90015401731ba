// Charts over time, drawn by uPlot in the page's colours, each with its numbers as a table for who does not see it.

import uPlot from "../vendor/uplot.js";
import { made } from "./dom.js";

const HEIGHT = 190;
const FONT = "11px Inter, ui-sans-serif, system-ui, sans-serif";
const DAY_S = 86_400;
const LEAST_AXIS = 4; // the scale of a chart in which little happened: one edit is no mountain

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} colour a custom property of page.css
 * @property {(number | null)[]} values
 * @property {boolean} [bars] bars in place of a line with its area
 */

/**
 * A chart that is as wide as its place. `dates`: of the buckets, as `2026-11-21`; `say`: a value in words; `unit`: behind
 * the numbers of the axis.
 */
export class Chart {
  element = made("figure", { className: "chart" });
  #place = made("div", { className: "chart-place", "aria-hidden": "true" });
  #given;
  #plot = null;
  #observer = new ResizeObserver(() => this.#fit());

  /** @param {{ title: string, dates: string[], lines: Line[], say?: (value: number) => string, unit?: string }} given */
  constructor(given) {
    this.#given = { say: (value) => value.toLocaleString("en"), unit: "", ...given };
    this.element.append(made("figcaption", {}, given.title), this.#place, table(this.#given));
    this.#observer.observe(this.#place);
  }

  /** Draw anew, in the colours that are in force now. */
  draw() {
    this.#plot?.destroy();
    this.#plot = null;
    const width = this.#place.clientWidth;
    if (!width) return;
    const { dates, lines } = this.#given;
    const days = dates.map((date) => Date.parse(`${date}T00:00:00`) / 1000);
    this.#plot = new uPlot(
      this.#options(width),
      [days, ...lines.map(({ values, bars }) => (bars ? values.map((one) => one || null) : values))],
      this.#place,
    );
  }

  stop() {
    this.#observer.disconnect();
    this.#plot?.destroy();
  }

  #fit() {
    const width = this.#place.clientWidth;
    if (!this.#plot) this.draw();
    else if (width && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  #options(width) {
    const { lines, say, unit, dates } = this.#given;
    const colour = resolver(this.#place);
    const axis = {
      stroke: colour("--quiet"),
      font: FONT,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width,
      height: HEIGHT,
      padding: [12, 8, 0, 0],
      scales: {
        x: { range: (_plot, first, last) => [first - edge(dates), last + edge(dates)] },
        y: { range: (_plot, _least, most) => [0, Math.max(LEAST_AXIS, most * 1.1)] },
      },
      axes: [
        { ...axis, grid: { show: false }, space: 70, size: 34, values: (_plot, ticks) => ticks.map(dayInWords) },
        {
          ...axis,
          size: 40,
          values: (_plot, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? `${tick}${unit}` : "")),
        },
      ],
      cursor: { y: false, points: { size: 7 } },
      legend: { live: true },
      series: [
        { label: "Day", value: (_plot, day) => (day === null ? "all" : dayInWords(day)) },
        ...lines.map((line) => seriesOf(line, colour, say)),
      ],
    };
  }
}

// Where the pointer is on no day, the legend has the sum of all.
function seriesOf({ label, colour: name, bars, values }, colour, say) {
  const stroke = colour(name);
  const sum = values.reduce((all, one) => all + one, 0);
  const value = (_plot, _value, _series, index) => say(values[index] ?? sum);
  if (bars) {
    const paths = uPlot.paths.bars({ size: [0.6, 28], radius: 0.2, align: 0 });
    return { label, stroke, fill: stroke, value, paths, points: { show: false } };
  }
  return { label, stroke, fill: faint(stroke), width: 1.75, value, points: { show: values.length < 3, size: 5 } };
}

// Half a bucket in seconds: so that the first and the last bar are whole.
const edge = ([one, two]) => (two ? (Date.parse(two) - Date.parse(one)) / 2000 : DAY_S / 2);

// A custom property as a colour that a canvas takes: light-dark() is resolved by the place it stands in.
function resolver(place) {
  return (name) => {
    const probe = place.appendChild(made("i", {}));
    probe.style.color = `var(${name})`;
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
}

const faint = (colour) => colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.12)");

const dayInWords = (seconds) => new Date(seconds * 1000).toLocaleDateString("en", { day: "numeric", month: "short" });

function table({ title, dates, lines, say }) {
  const head = made("tr", {}, made("th", {}, "Day"), ...lines.map(({ label }) => made("th", {}, label)));
  const rows = dates.map((date, at) =>
    made("tr", {}, made("th", {}, date), ...lines.map(({ values }) => made("td", {}, say(values[at] ?? 0)))),
  );
  return made(
    "table",
    { className: "visually-hidden" },
    made("caption", {}, title),
    made("thead", {}, head),
    made("tbody", {}, ...rows),
  );
}
