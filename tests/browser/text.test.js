import { assert, equal, json, test, throws } from "/tests/testing.js";
import {
  applied,
  caretAfter,
  checked,
  composed,
  difference,
  inverted,
  ladder,
  size,
  span,
  spliced,
  storable,
  toCodePoints,
  toUnits,
  transformed,
} from "/text.js";

const vectors = await json("/vectors/text.json");

function each(name, check) {
  assert(vectors[name].length, `no vectors called ${name}`);
  for (const vector of vectors[name]) check(...vector);
}

test("normal form is the server's", () => {
  each("checked", (delta, normal) => equal(checked(delta), normal, JSON.stringify(delta)));
});

test("what is no delta is refused", async () => {
  for (const delta of vectors.refused) await throws(() => checked(delta), /Refused invalid a delta/);
});

test("deltas are applied in code points", async () => {
  each("applied", (text, delta, after) => equal(applied(text, delta), after));
  for (const [text, delta] of vectors.beyond) await throws(() => applied(text, delta), /Refused invalid .*beyond the end/);
});

test("two deltas in a row are composed as the server does", () => {
  each("composed", (first, second, both) => equal(composed(first, second), both));
});

test("concurrent deltas are transformed as the server does", () => {
  each("transformed", (earlier, later, overLater, overEarlier) => {
    equal(transformed(earlier, later), [overLater, overEarlier], JSON.stringify([earlier, later]));
  });
  each("ladder", (delta, concurrent, over, rungs) => equal(ladder(delta, concurrent), [over, rungs]));
});

test("nothing that is handed in is changed", () => {
  const [earlier, later] = [["x", -3, 2, "y"], [1, "z", -2]].map(Object.freeze);
  transformed(earlier, later);
  composed(earlier, later);
  ladder(earlier, Object.freeze([later]));
  equal(span(later), 3);
});

test("a delta is taken back", () => {
  each("inverted", (text, delta, back) => {
    equal(inverted(text, delta), back);
    equal(applied(applied(text, delta), back), text);
  });
});

test("differences are the server's, and split no surrogate pair", () => {
  each("difference", (old, changed, delta) => {
    equal(difference(old, changed), delta, JSON.stringify([old, changed]));
    equal(checked(delta), delta);
  });
});

test("offsets go to code points and back", async () => {
  each("offsets", (text, unit, point) => {
    equal(toCodePoints(text, unit), point);
    equal(toUnits(text, point), unit);
  });
  equal(toCodePoints("a😀", 2), 1, "inside a pair");
  equal(size("a😀e\u0301"), 4);
  await throws(() => toUnits("😀", 2), /Refused/);
});

test("an editor's input becomes a delta", () => {
  equal(spliced("a😀b", 3, 1, "c"), [2, "c", -1]);
  equal(spliced("abc", 1, 0, "x"), [1, "x"]);
  equal(spliced("abc", 0, 3, ""), [-3]);
  equal(spliced("abc", 3, 0, ""), []);
  equal(spliced("שלום", 4, 0, "!"), [4, "!"]);
});

test("an input that the wire cannot carry is mended", () => {
  equal(spliced("😀", 1, 1, ""), ["\ufffd", -1], "half a pair taken away");
  equal(spliced("ab", 1, 0, "x\ud83dy\0"), [1, "x\ufffdy"]);
  equal(storable("\0a\ude00😀"), "a\ufffd😀");
});

test("a caret stays where its person sees it", () => {
  equal(caretAfter("abcdef", [2, "😀"], 4), 6, "inserted before");
  equal(caretAfter("abcdef", [4, "x"], 4), 4, "inserted right there");
  equal(caretAfter("abcdef", [5, "x"], 4), 4, "inserted behind");
  equal(caretAfter("😀bcdef", [-2], 4), 1, "deleted before: three units");
  equal(caretAfter("abcdef", [2, -4], 4), 2, "deleted around");
  equal(caretAfter("abcdef", [3, "xy", -3], 4), 5, "replaced around");
});

test("a small delta on a large text is quick", () => {
  const text = "👍x".repeat(50_000);
  const start = performance.now();
  for (let round = 0; round < 20; round += 1) applied(text, [50_000, "typed", -3]);
  const took = (performance.now() - start) / 20;
  assert(took < 10, `${took} ms; 0.5 ms was measured`);
});
