// Which files can become trees, by name and kind; and why one can not, in words for whoever dropped it.

import { plural } from "./words.js";

const SUFFIXES = {
  json: "json",
  md: "markdown",
  markdown: "markdown",
  txt: "markdown",
  opml: "opml",
  xml: "opml",
  csv: "csv",
};
const KINDS = { "application/json": "json", "text/markdown": "markdown", "text/x-opml": "opml", "text/csv": "csv" };

/** What is kept of a tree in each kind of file, where that is not all of it. */
export const HOLDS = {
  json: "",
  opml: "An outline from another program: types follow from the depth where the file names none.",
  csv: "A table holds the nodes; connections between them are not in it.",
  markdown:
    "An outline holds titles, types, descriptions and hierarchy; types follow from the depth where it names none.",
};

const TAKEN = "JSON, Markdown, OPML or CSV";

/** For a file picker. */
export const ACCEPTED = Object.keys(SUFFIXES)
  .map((suffix) => `.${suffix}`)
  .join();

/** `{ format }`, or `{ why }` it can not be taken. @param {File} file @param {number} mostBytes */
export function recognised(file, mostBytes) {
  const suffix = /\.([^.]+)$/.exec(file.name)?.[1].toLowerCase();
  const format = SUFFIXES[suffix] ?? KINDS[file.type];
  if (!format)
    return { why: `“${file.name}” is not a kind of file that holds a tree. A tree can be made of ${TAKEN}.` };
  if (file.size === 0) return { why: `“${file.name}” is empty.` };
  if (file.size > mostBytes)
    return {
      why: `“${file.name}” has ${sizeInWords(file.size)}; a file of at most ${sizeInWords(mostBytes)} can be taken.`,
    };
  return { format };
}

/** The one file of a drop: `{ file }`, or `{ why }` there is none. @param {DataTransfer} dropped */
export function fileOf(dropped) {
  const entries = [...(dropped.items ?? [])].filter((item) => item.kind === "file");
  if (entries.some((item) => item.webkitGetAsEntry?.()?.isDirectory))
    return { why: `A folder can not become a tree. Drop one file: ${TAKEN}.` };
  const { files } = dropped;
  if (files.length > 1)
    return { why: `${plural(files.length, "file")} at once can not become a tree. Drop them one by one.` };
  return files.length ? { file: files[0] } : { why: `That is not a file. A tree can be made of ${TAKEN}.` };
}

/** “3.4 MB”; sizes below a kilobyte are rounded up to one. */
export function sizeInWords(bytes) {
  return bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1_000))} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** A name for the tree of a file that says none. */
export const nameOf = (file) => file.name.replace(/\.[^.]+$/, "").trim() || "Imported";
