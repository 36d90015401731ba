// Times, ops and results as a person says them.

import { TYPES, pathLabel } from "./node_types.js";

const MINUTE = 60_000;
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** @param {number} at milliseconds since 1970 */
export function ago(at, now = Date.now()) {
  const passed = Math.max(0, now - at);
  if (passed < MINUTE) return "just now";
  if (passed < 60 * MINUTE) return relative.format(-Math.floor(passed / MINUTE), "minute");
  if (passed < 24 * 60 * MINUTE) return relative.format(-Math.floor(passed / (60 * MINUTE)), "hour");
  return relative.format(-Math.floor(passed / (24 * 60 * MINUTE)), "day");
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DAY = { day: "numeric", month: "long" };

/** The time of day: “14:02”. @param {string} at RFC 3339 */
export const clock = (at) => new Date(at).toLocaleTimeString("en-GB", CLOCK);

/** “Today”, “Yesterday”, “12 March”, and in other years “12 March 2025”. */
export function dayInWords(at, now = Date.now()) {
  const day = (time) => new Date(time).setHours(0, 0, 0, 0);
  const passed = Math.round((day(now) - day(at)) / (24 * 60 * MINUTE)); // a day of a change of clocks is not 24 hours
  if (passed === 0) return "Today";
  if (passed === 1) return "Yesterday";
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return new Date(at).toLocaleDateString("en-GB", sameYear ? DAY : { ...DAY, year: "numeric" });
}

/** A day and time inside a sentence: “today, 14:02”. */
export function momentInWords(at, now = Date.now()) {
  const day = dayInWords(at, now);
  return `${/^[TY]/.test(day) ? day.toLowerCase() : day}, ${clock(at)}`;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** What an op did, after a name: “Ada” + “moved it”. */
export function changeInWords(op, type) {
  if (op.op === "text") return `typed in ${pathLabel(op.path, type)}`;
  if (op.op === "update") return updateInWords(op, type);
  if (op.op === "move") return "moved it";
  return (
    { insert: "added it", delete: "moved it to the trash", restore: "brought it back", import: "brought it in" }[
      op.op
    ] ?? "changed it"
  );
}

function updateInWords({ set = {}, unset = [] }, type) {
  const paths = [...Object.keys(set), ...unset];
  if (paths.length === 1 && paths[0] === "is_collapsed") return set.is_collapsed ? "collapsed it" : "expanded it";
  return `changed ${paths.map((path) => pathLabel(path, type)).join(", ")}`;
}

/** An op of the queue as a sentence: what waits to be stored. */
export function opInWords(op, view) {
  const name = quoted(view.nodes.get(op.node)?.title ?? op.title ?? op.node);
  const type = view.nodes.get(op.node)?.type ?? op.type;
  const sentences = {
    insert: () => `Add ${TYPES[op.type]?.label.toLowerCase() ?? "node"} ${quoted(op.title)}`,
    update: () =>
      op.connection
        ? `Label a connection ${quoted(op.set?.label)}`
        : `${capital(
            updateInWords(op, type)
              .replace(
                /^(changed|collapsed|expanded)/,
                (word) => ({ changed: "change", collapsed: "collapse", expanded: "expand" })[word],
              )
              .replace(" it", ""),
          )} of ${name}`,
    text: () => `Type in ${pathLabel(op.path, type)} of ${name}`,
    move: () =>
      op.parent === undefined
        ? `Move ${name}`
        : `Move ${name} below ${quoted(view.nodes.get(op.parent)?.title ?? "no other")}`,
    delete: () => `Move ${name} to the trash`,
    restore: () => `Restore ${name}`,
    connect: () =>
      `Connect ${quoted(view.nodes.get(op.from)?.title ?? op.from)} to ${quoted(view.nodes.get(op.to)?.title ?? op.to)}`,
    disconnect: () => "Remove a connection",
    import: () => `Bring in ${plural(op.nodes?.length ?? 0, "node")}`,
    configure: () =>
      op.set?.name === undefined ? "Change the tree’s settings" : `Name the tree ${quoted(op.set.name)}`,
  };
  return sentences[op.op]?.() ?? op.op;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** Names in a sentence. */
export const listed = (names) => new Intl.ListFormat("en").format(names);

/** Why a request failed. Status 0: there was no network. */
export function failureInWords({ status, why, message }) {
  return status === 0 ? "This needs the network; try again when it is back." : why || message;
}

/** A text in quotation marks, cut where it is long. */
export function quoted(text) {
  const whole = String(text ?? "");
  return `“${whole.length > 48 ? `${whole.slice(0, 47).trimEnd()}…` : whole}”`;
}

/** The report after the queue was sent, in words. */
export function reportInWords({ total, applied, merged, unchanged, superseded, conflict, rejected }) {
  const parts = [];
  if (applied) parts.push(`${applied} landed`);
  if (merged) parts.push(`${merged} merged with what others wrote`);
  if (unchanged) parts.push(`${unchanged} made no difference`);
  if (superseded) parts.push(`${superseded} gave way to later moves`);
  if (conflict.length) parts.push(`${conflict.length} ${conflict.length === 1 ? "waits" : "wait"} for your decision`);
  if (rejected.length) parts.push(`${rejected.length} could not be applied`);
  return `${plural(total, "change")} from while you were away: ${parts.join(", ") || "nothing to do"}.`;
}
