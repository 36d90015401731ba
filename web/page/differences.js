// What differs between two texts, word by word, as parts to be shown: plain text, and <mark> around what the other lacks.

import { made } from "./dom.js";

const MOST_CELLS = 250_000; // of the table below: a millisecond or two; longer texts are marked whole between common ends

/** Both texts as lists of strings and marks. */
export function differences(one, other) {
  const [a, b] = [words(one), words(other)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const [left, right] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  const common = left.length * right.length > MOST_CELLS ? [] : longestCommon(left, right);
  const around = (middle) => [
    ...merged([
      ...a.slice(0, start).map((text) => [text, true]),
      ...middle,
      ...a.slice(a.length - end).map((text) => [text, true]),
    ]),
  ];
  return [
    around(
      flagged(
        left,
        common.map(([index]) => index),
      ),
    ),
    around(
      flagged(
        right,
        common.map(([, index]) => index),
      ),
    ),
  ];
}

const words = (text) => text.match(/\s+|[^\s]+/g) ?? [];

function flagged(list, kept) {
  const same = new Set(kept);
  return list.map((text, index) => [text, same.has(index)]);
}

function merged(parts) {
  const shown = [];
  let [run, same] = ["", true];
  const flush = () => run && shown.push(same ? run : made("mark", {}, run));
  for (const [text, isSame] of parts) {
    if (isSame !== same) [flush(), (run = ""), (same = isSame)];
    run += text;
  }
  flush();
  return shown.length ? shown : ["(empty)"];
}

// Pairs of indexes of a longest common subsequence.
function longestCommon(a, b) {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const at = i * width + j;
      lengths[at] = a[i] === b[j] ? lengths[at + width + 1] + 1 : Math.max(lengths[at + width], lengths[at + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) i++;
    else j++;
  }
  return pairs;
}
