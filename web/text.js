// Text that merges: the twin of sync/text.py, which has the theory. Both answer alike for tests/vectors/text.json.
//
// A delta walks its text from the left: n keeps n code points, text is inserted, -n deletes n; what is left is kept.
// The wire counts Unicode code points, JavaScript's strings count UTF-16 units: `code-points.js` has the difference.

import { Refused, UNSTORABLE, advanced, isHigh, isInsidePair, isLow, reached, size, storable } from "./code-points.js";

export { Refused, size, storable, toCodePoints, toUnits } from "./code-points.js";

/** @typedef {(number | string)[]} Delta in normal form, see `checked` */

/**
 * The delta in normal form: like parts joined, an insert before a delete at one place, no keep at the end.
 * Throws Refused for a part that is neither text nor a number, and for what counts or inserts nothing.
 * @param {unknown[]} delta
 * @returns {Delta}
 */
export function checked(delta) {
  const out = [];
  for (const part of delta) {
    if (typeof part === "string") {
      if (part === "") throw new Refused("a delta may not insert an empty text");
      if (UNSTORABLE.test(part)) {
        throw new Refused("a delta may insert neither U+0000 nor half of a surrogate pair");
      }
    } else if (typeof part !== "number") {
      throw new Refused("a delta is made of numbers and texts");
    } else if (!Number.isSafeInteger(part) || part === 0) {
      throw new Refused(`a delta may not count ${part} code points`);
    }
    add(out, part);
  }
  return ended(out);
}

/**
 * How many code points a delta walks over; its text must have at least as many.
 * @param {Delta} delta
 */
export function span(delta) {
  return delta.reduce((sum, part) => (typeof part === "string" ? sum : sum + Math.abs(part)), 0);
}

/**
 * The text after the delta. Throws Refused where the delta is longer than the text.
 * @param {string} text
 * @param {Delta} delta
 * @returns {string}
 */
export function applied(text, delta) {
  let out = "";
  let at = 0;
  for (const part of delta) {
    if (typeof part === "string") out += part;
    else {
      const end = advanced(text, at, Math.abs(part));
      if (part > 0) out += text.slice(at, end);
      at = end;
    }
  }
  return out + text.slice(at);
}

/**
 * One delta that does what `first` and then `second` do.
 * @param {Delta} first
 * @param {Delta} second
 * @returns {Delta}
 */
export function composed(first, second) {
  const out = [];
  const made = new Made(first);
  for (const part of second) {
    if (typeof part === "string") {
      add(out, part);
      continue;
    }
    for (const piece of made.taken(Math.abs(part))) {
      if (part > 0 || (typeof piece === "number" && piece < 0)) add(out, piece);
      else if (typeof piece === "number") add(out, -piece);
    }
  }
  for (const piece of made.rest()) add(out, piece);
  return ended(out);
}

// The text a delta has made, read from the left in pieces: inserted text, code points kept, deletes between.
class Made {
  #delta;
  #part = 0;
  #offset = 0; // in the part: UTF-16 units of a text, code points of a count

  constructor(delta) {
    this.#delta = delta;
  }

  *taken(count) {
    while (count) {
      const part = this.#part < this.#delta.length ? this.#delta[this.#part] : Infinity;
      if (typeof part === "string") {
        const [end, passed] = reached(part, this.#offset, count);
        yield part.slice(this.#offset, end);
        count -= passed;
        this.#advance(end, part.length);
      } else if (part < 0) {
        this.#part += 1;
        yield part;
      } else {
        const end = Math.min(this.#offset + count, part);
        yield end - this.#offset;
        count -= end - this.#offset;
        this.#advance(end, part);
      }
    }
  }

  *rest() {
    for (; this.#part < this.#delta.length; this.#advance(0, 0)) {
      const part = this.#delta[this.#part];
      yield typeof part === "string" ? part.slice(this.#offset) : part - this.#offset;
    }
  }

  #advance(end, size) {
    this.#offset = end === size ? 0 : end;
    if (end === size) this.#part += 1;
  }
}

/**
 * Two deltas on one text, each over the other: [earlier to apply behind later, later to apply behind earlier].
 * Inserts at one place: the earlier one, which has the lower seq, stands left.
 * @param {Delta} earlier
 * @param {Delta} later
 * @returns {[Delta, Delta]}
 */
export function transformed(earlier, later) {
  const first = earlier.toReversed(); // read from their ends; what is left of a part goes back
  const second = later.toReversed();
  const overLater = [];
  const overEarlier = [];
  while (first.length && second.length) {
    const one = first.pop();
    if (typeof one === "string") {
      add(overLater, one);
      add(overEarlier, size(one));
      continue;
    }
    const other = second.pop();
    if (typeof other === "string") {
      first.push(one);
      add(overLater, size(other));
      add(overEarlier, other);
      continue;
    }
    const shared = Math.min(Math.abs(one), Math.abs(other));
    if (Math.abs(one) > shared) first.push(one > 0 ? one - shared : one + shared);
    else if (Math.abs(other) > shared) second.push(other > 0 ? other - shared : other + shared);
    // what both delete is gone already
    if (other > 0) add(overLater, one > 0 ? shared : -shared);
    if (one > 0) add(overEarlier, other > 0 ? shared : -shared);
  }
  for (const part of first.reverse()) add(overLater, part);
  for (const part of second.reverse()) add(overEarlier, part);
  return [ended(overLater), ended(overEarlier)];
}

/**
 * The delta that takes `applied(text, delta)` back to text.
 * @param {string} text
 * @param {Delta} delta
 * @returns {Delta}
 */
export function inverted(text, delta) {
  const out = [];
  let at = 0;
  for (const part of delta) {
    if (typeof part === "string") add(out, -size(part));
    else {
      const end = advanced(text, at, Math.abs(part));
      add(out, part > 0 ? part : text.slice(at, end));
      at = end;
    }
  }
  return ended(out);
}

/**
 * The delta between two texts that replaces what lies between their common beginning and end.
 * @param {string} old
 * @param {string} changed
 * @returns {Delta}
 */
export function difference(old, changed) {
  const shorter = Math.min(old.length, changed.length);
  let before = 0;
  while (before < shorter && old.charCodeAt(before) === changed.charCodeAt(before)) before += 1;
  if (before && isHigh(old.charCodeAt(before - 1))) before -= 1; // two pairs that begin alike
  let after = 0;
  const [last, lastChanged] = [old.length - 1, changed.length - 1];
  while (after < shorter - before && old.charCodeAt(last - after) === changed.charCodeAt(lastChanged - after)) after += 1;
  if (after && isLow(old.charCodeAt(old.length - after))) after -= 1; // two pairs that end alike
  const out = [];
  if (before) out.push(size(old.slice(0, before)));
  if (changed.length > before + after) out.push(changed.slice(before, changed.length - after));
  if (old.length > before + after) out.push(-size(old.slice(before, old.length - after)));
  return ended(out);
}

/**
 * The delta over each of the concurrent ones, which are earlier and follow one another; each of them over it.
 * @param {Delta} delta
 * @param {Delta[]} concurrent
 * @returns {[Delta, Delta[]]}
 */
export function ladder(delta, concurrent) {
  const over = concurrent.map((earlier) => {
    const [rung, next] = transformed(earlier, delta);
    delta = next;
    return rung;
  });
  return [delta, over];
}

// ---- between editors and the wire

/**
 * The delta of an editor's input: `insert` in place of `remove` UTF-16 units at `at`. What the wire cannot carry is
 * replaced as `storable` does.
 * @param {string} text
 * @param {number} at
 * @param {number} remove
 * @param {string} insert
 * @returns {Delta}
 */
export function spliced(text, at, remove, insert) {
  const splits = isInsidePair(text, at) || isInsidePair(text, at + remove) || UNSTORABLE.test(insert);
  if (splits) return difference(text, storable(text.slice(0, at) + insert + text.slice(at + remove)));
  const out = [];
  if (at) out.push(size(text.slice(0, at)));
  if (insert) out.push(insert);
  if (remove && at < text.length) out.push(-size(text.slice(at, at + remove)));
  return ended(out);
}

/**
 * Where a caret at UTF-16 offset `at` of text stands after the delta: it stays before what is inserted right there.
 * @param {string} text
 * @param {Delta} delta
 * @param {number} at
 * @returns {number} UTF-16 offset
 */
export function caretAfter(text, delta, at) {
  let [old, caret] = [0, at];
  for (const part of delta) {
    if (typeof part === "string") {
      if (old >= at) break;
      caret += part.length;
    } else {
      const end = advanced(text, old, Math.abs(part));
      if (part < 0) caret -= Math.max(0, Math.min(end, at) - old);
      old = end;
    }
  }
  return caret;
}

// ---- normal form

function add(out, part) {
  const last = out.at(-1) ?? 0;
  if (typeof part === "string") {
    if (typeof last === "string") out[out.length - 1] = last + part;
    else if (last >= 0) out.push(part);
    else if (typeof out.at(-2) === "string") out[out.length - 2] += part;
    else out.splice(-1, 0, part);
  } else if (typeof last === "number" && last !== 0 && last > 0 === part > 0) out[out.length - 1] = last + part;
  else out.push(part);
}

function ended(out) {
  const last = out.at(-1);
  if (typeof last === "number" && last > 0) out.pop(); // "7" > 0 too
  return out;
}
