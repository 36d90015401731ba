// Order keys between siblings: the twin of sync/order.py, which names the algorithm. The keys made here hold until the
// server's come: clients send none, and make them anew at each rebase (SEMANTICS 19).

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LOWEST = `A${"0".repeat(26)}`;
const KEY = /^(?:[a-z]|[A-Z])[0-9A-Za-z]*$/;

/**
 * A key above `low` and below `high`; null: no bound. Throws RangeError unless low < high and both are keys.
 * @param {string | null} low
 * @param {string | null} high
 * @returns {string}
 */
export function keyBetween(low, high) {
  for (const key of [low, high]) if (key !== null) check(key);
  if (low !== null && high !== null && low >= high) throw new RangeError(`${low} does not stand before ${high}`);
  if (low === null) return high === null ? "a0" : before(high);
  return high === null ? after(low) : between(low, high);
}

function check(key) {
  const length = KEY.test(key) && key !== LOWEST ? integerLength(key[0]) : Infinity;
  if (key.length < length || (key.length > length && key.endsWith("0"))) throw new RangeError(`no order key: ${key}`);
}

// The first letter says how long the integer is: "a" and "Z" two characters, "b" and "Y" three, and so on.
function integerLength(head) {
  return head >= "a" ? head.charCodeAt(0) - "a".charCodeAt(0) + 2 : "Z".charCodeAt(0) - head.charCodeAt(0) + 2;
}

function split(key) {
  const length = integerLength(key[0]);
  return [key.slice(0, length), key.slice(length)];
}

function before(high) {
  const [integer, fraction] = split(high);
  if (integer === LOWEST) return integer + midpoint("", fraction);
  if (integer < high) return integer;
  const lower = decrement(integer);
  return lower === LOWEST ? lower + midpoint("", null) : lower;
}

function after(low) {
  const [integer, fraction] = split(low);
  return increment(integer) ?? integer + midpoint(fraction, null);
}

function between(low, high) {
  const [lowInteger, lowFraction] = split(low);
  const [highInteger, highFraction] = split(high);
  if (lowInteger === highInteger) return lowInteger + midpoint(lowFraction, highFraction);
  const higher = increment(lowInteger);
  return higher !== null && higher < high ? higher : lowInteger + midpoint(lowFraction, null);
}

// A fraction strictly between two; "" is zero and null is one. Neither may end in a zero.
function midpoint(low, high) {
  if (high !== null) {
    let prefix = 0;
    while (prefix < high.length && (low[prefix] ?? "0") === high[prefix]) prefix += 1;
    if (prefix) return high.slice(0, prefix) + midpoint(low.slice(prefix), high.slice(prefix));
  }
  const lowDigit = low ? DIGITS.indexOf(low[0]) : 0;
  const highDigit = high === null ? DIGITS.length : DIGITS.indexOf(high[0]);
  if (highDigit - lowDigit > 1) return DIGITS[Math.floor((lowDigit + highDigit + 1) / 2)];
  if (high !== null && high.length > 1) return high[0];
  return DIGITS[lowDigit] + midpoint(low.slice(1), null);
}

function increment(integer) {
  const [head, digits] = [integer[0], [...integer.slice(1)]];
  for (let place = digits.length - 1; place >= 0; place -= 1) {
    const following = DIGITS.indexOf(digits[place]) + 1;
    digits[place] = DIGITS[following] ?? "0";
    if (following < DIGITS.length) return head + digits.join("");
  }
  if (head === "Z") return "a0";
  if (head === "z") return null;
  const larger = String.fromCharCode(head.charCodeAt(0) + 1);
  return larger + "0".repeat(larger > "a" ? digits.length + 1 : digits.length - 1);
}

// The integer before; the lowest has none and is never asked about.
function decrement(integer) {
  const [head, digits] = [integer[0], [...integer.slice(1)]];
  for (let place = digits.length - 1; place >= 0; place -= 1) {
    const preceding = DIGITS.indexOf(digits[place]) - 1;
    digits[place] = DIGITS[preceding] ?? "z";
    if (preceding >= 0) return head + digits.join("");
  }
  if (head === "a") return "Zz";
  const smaller = String.fromCharCode(head.charCodeAt(0) - 1);
  return smaller + "z".repeat(smaller < "Z" ? digits.length + 1 : digits.length - 1);
}
