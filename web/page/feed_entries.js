// Entries of the activity feed as rows: a face, a sentence, a time; a heading before each day.

import { made } from "./dom.js";
import { colourOf, initials } from "./people.js";
import { ago } from "./words.js";

const DAY_MS = 86_400_000;

/** “Today”, “Yesterday” or the date. */
export function dayInWords(at, now = new Date()) {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (at >= midnight) return "Today";
  if (at >= midnight - DAY_MS) return "Yesterday";
  return new Date(at).toLocaleDateString("en", { weekday: "long", day: "numeric", month: "long" });
}

/** A row of the feed. `there`: its node can be gone to. */
export function entryRow(entry, { there, go }) {
  const at = Date.parse(entry.at);
  const face = made("span", { className: "face", "aria-hidden": "true" }, initials(entry.name || entry.user || "?"));
  face.style.backgroundColor = colourOf(entry.user ?? "");
  const when = made("time", { dateTime: entry.at, title: new Date(at).toLocaleString() }, ago(at));
  const row = made(
    "button",
    { type: "button", className: "entry", "data-kind": entry.kind, "data-type": entry.type || null, onclick: go },
    face,
    made("span", { className: "entry-text" }, ...sentence(entry), " ", when),
  );
  row.classList.toggle("is-gone", !there);
  return made("li", { "data-entry": entry.id }, row);
}

// The name, then what was done: the server's sentence begins with the name.
function sentence({ name, sentence: said, via }) {
  const rest = name && said.startsWith(name) ? said.slice(name.length) : ` ${said}`;
  const own = name && said.startsWith(name) ? name : "";
  return [own && made("strong", {}, own), via && own ? ` (${via})` : "", rest.replace(/\.$/, "")].filter(Boolean);
}

/** Rows with the headings of their days. */
export function withDays(entries, rowOf) {
  let day = null;
  return entries.flatMap((entry) => {
    const said = dayInWords(Date.parse(entry.at));
    const heading = said === day ? [] : [made("li", { className: "feed-day" }, made("h3", {}, said))];
    day = said;
    return [...heading, rowOf(entry)];
  });
}
