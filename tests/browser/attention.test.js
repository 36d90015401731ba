// What a person looks at is reported once, with the time they were there.

import { Attention } from "/page/attention.js";
import { made } from "/page/dom.js";
import { equal, test } from "/tests/testing.js";

let now = 0;
performance.now = () => now;
document.body.append(made("div", { id: "cards" }));

function hide(isHidden) {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}

test("a page that is left is told once, however often the browser says that it is", () => {
  const told = [];
  const interactions = { add: (kind, { duration_ms }) => told.push([kind, duration_ms]), keep: () => {} };
  const desk = Object.assign(new EventTarget(), { selection: "a", tree: { interactions } });
  new Attention(desk);
  now += 30_000;
  dispatchEvent(new Event("pagehide"));
  hide(true);
  equal(told.splice(0), [
    ["node_viewed", 30_000],
    ["tree_viewed", 30_000],
  ]);
  now += 50_000; // in another tab
  hide(false);
  now += 2_000;
  hide(true);
  dispatchEvent(new Event("pagehide"));
  equal(told, [
    ["node_viewed", 2_000],
    ["tree_viewed", 2_000],
  ]);
});
