// The open tree as a file on this computer.

import { made } from "./dom.js";
import { failureInWords, plural } from "./words.js";

/** What a tree can be written as, and who reads that. */
export const FORMATS = [
  { format: "json", label: "JSON", about: "all of it" },
  { format: "markdown", label: "Markdown", about: "an outline" },
  { format: "opml", label: "OPML", about: "for outliners" },
  { format: "csv", label: "CSV", about: "for spreadsheets" },
];

/** @param {import("./desk.js").Desk} desk */
export async function exportTree(desk, format) {
  const { tree, client } = desk;
  try {
    const { content, name } = await client.download(`/trees/${tree.number}/export?format=${format}`);
    const waiting = tree.queue.length;
    save(content, name ?? `tree-${tree.number}.${format}`);
    const without = waiting
      ? ` ${plural(waiting, "change")} that the server does not have yet ${waiting === 1 ? "is" : "are"} not in it.`
      : "";
    desk.say(`Exported as ${name ?? format}.${without}`);
  } catch (error) {
    desk.say(`Not exported. ${failureInWords(error)}`, "refused");
  }
}

function save(content, name) {
  const address = URL.createObjectURL(content);
  made("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000); // the browser has begun to read it by then
}
