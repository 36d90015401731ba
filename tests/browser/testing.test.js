import { assert, equal, eventually, json, test, throws } from "/tests/testing.js";

test("equal looks inside and not at the order of keys", async () => {
  equal({ a: [1, { b: 2, c: undefined }], m: new Map([["x", 1]]) }, { m: new Map([["x", 1]]), a: [1, { c: undefined, b: 2 }] });
  for (const [one, other] of [[[1], [2]], [null, undefined], [{ a: 1 }, {}], [new Set([1]), new Set([2])], ["1", 1]]) {
    await throws(() => equal(one, other), /should/);
  }
});

test("throws needs the error that was meant", async () => {
  await throws(() => assert(false, "meant"), /meant/);
  await throws(async () => assert(false, "meant"), /meant/);
  await throws(() => throws(() => assert(false, "another"), /meant/), /does not match/);
  await throws(() => throws(() => {}), /did not throw/);
});

test("eventually waits", async () => {
  const start = performance.now();
  equal(await eventually(() => performance.now() > start + 12 && "late"), "late");
});

test("vectors are served, and inline code is not run", async () => {
  assert(Object.keys(await json("/vectors/order_keys.json")).length > 0);
  const forbidden = new Promise((resolve) => {
    document.addEventListener("securitypolicyviolation", resolve, { once: true });
  });
  document.addEventListener("securitypolicyviolation", (event) => event.stopPropagation(), { once: true }); // it is meant
  await throws(() => new Function("return 1"), /EvalError/);
  equal((await forbidden).violatedDirective, "script-src");
});
