// Code points, as the wire counts, in strings that count UTF-16 units.

/** Half of a surrogate pair, and U+0000, which PostgreSQL does not hold. */
export const UNSTORABLE = /\p{Surrogate}|\0/u;
const EACH_UNSTORABLE = /\p{Surrogate}|\0/gu;

/** A delta that cannot be, or cannot be applied. `code` is the server's word for it. */
export class Refused extends RangeError {
  name = "Refused";
  code = "invalid";
}

/**
 * A text as the server can hold it: half of a surrogate pair becomes U+FFFD, U+0000 goes.
 * @param {string} text
 */
export function storable(text) {
  return text.replace(EACH_UNSTORABLE, (found) => (found === "\0" ? "" : "\ufffd"));
}

/**
 * How many code points a text has.
 * @param {string} text
 */
export function size(text) {
  return reached(text, 0, Infinity)[1];
}

/**
 * A UTF-16 offset as code points; one inside a pair counts as before it.
 * @param {string} text
 * @param {number} unit
 */
export function toCodePoints(text, unit) {
  return size(text.slice(0, isInsidePair(text, unit) ? unit - 1 : unit));
}

/**
 * An offset in code points as UTF-16 units. Throws Refused beyond the end.
 * @param {string} text
 * @param {number} point
 */
export function toUnits(text, point) {
  return advanced(text, 0, point);
}

/** The UTF-16 offset that is `count` code points behind `at`. Throws Refused beyond the end. */
export function advanced(text, at, count) {
  const [end, passed] = reached(text, at, count);
  if (passed < count) throw new Refused(`the delta walks ${count - passed} code points beyond the end of its text`);
  return end;
}

/** [offset, code points passed] from `at`: at most `count` of them and at most to the end. */
export function reached(text, at, count) {
  let passed = 0;
  for (; passed < count && at < text.length; passed += 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return [at, passed];
}

export function isHigh(unit) {
  return unit >= 0xd800 && unit < 0xdc00;
}

export function isLow(unit) {
  return unit >= 0xdc00 && unit < 0xe000;
}

export function isInsidePair(text, unit) {
  return unit > 0 && isLow(text.charCodeAt(unit)) && isHigh(text.charCodeAt(unit - 1));
}
