import { assert, equal, json, test, throws } from "/tests/testing.js";
import { keyBetween } from "/order.js";

const { keys } = await json("/vectors/order_keys.json");

test("keys are those of the published algorithm", () => {
  assert(keys.length > 700);
  for (const [low, high, key] of keys) equal(keyBetween(low, high), key, `between ${low} and ${high}`);
});

test("what is no key, or stands in the wrong order, is refused", async () => {
  for (const key of ["", `A${"0".repeat(26)}`, "a", "a0 ", "a00", "0a", "é0", "b0", "a0!", "a1V0", "-1"]) {
    await throws(() => keyBetween(key, null), /no order key/);
    await throws(() => keyBetween(null, key), /no order key/);
  }
  for (const [low, high] of [["a1", "a0"], ["a0", "a0"]]) await throws(() => keyBetween(low, high), /does not stand before/);
});

test("any run of inserts stays strictly sorted", () => {
  const made = [];
  for (let step = 0; step < 500; step += 1) {
    const place = (step * 7919) % (made.length + 1);
    made.splice(place, 0, keyBetween(made[place - 1] ?? null, made[place] ?? null));
  }
  equal(made, [...new Set(made)].sort((a, b) => (a < b ? -1 : 1)));
});
