// The tree as it was, as the page puts it together: what is different now, and what has come since.

import { Past, marksBetween, rising } from "/page/past.js";
import { dayInWords, momentInWords } from "/page/words.js";
import { Replica } from "/sync/replica.js";
import { equal, test } from "/tests/testing.js";

const node = (id, parent, order, more = {}) => ({
  id,
  parent,
  order,
  type: "solution",
  title: id.toUpperCase(),
  description: "",
  position: { x: 0, y: 0 },
  is_collapsed: false,
  template_data: {},
  metadata: {},
  ...more,
});
const state = (...nodes) => ({ name: "T", nodes, connections: [] });
const copied = (value) => JSON.parse(JSON.stringify(value));
const THEN = state(node("a", null, "a0"), node("b", "a", "a0"), node("c", "a", "a1"), node("d", "a", "a2"));

function compared(...now) {
  const past = new Past(copied(THEN), new Replica([state(...now)]), new Map());
  return { past, marks: Object.fromEntries(past.marks) };
}

test("what stays the same has no mark, wherever it stands on the canvas", () => {
  const [a, ...rest] = THEN.nodes;
  equal(compared({ ...a, position: { x: 9, y: 9 }, is_collapsed: true, seq: 9 }, ...rest).marks, {});
});

test("a node is removed, changed, moved, or both", () => {
  const [a, b] = THEN.nodes;
  const { marks } = compared(
    a,
    { ...b, template_data: { effort: "2 weeks" } },
    node("c", "b", "a0", { title: "Other" }),
  );
  equal(marks, { b: ["changed"], c: ["changed", "moved"], d: ["removed"] });
});

test("of siblings in another order only those that must have moved have", () => {
  const [a, b, c, d] = THEN.nodes;
  equal(compared(a, { ...b, order: "a3" }, c, d).marks, { b: ["moved"] });
  equal(compared(a, { ...b, order: "b0" }, { ...c, order: "b1" }, { ...d, order: "b2" }).marks, {}, "respaced");
  equal([...rising([3, 0, 1, 2])].sort(), [1, 2, 3]);
  equal([...rising([])], []);
});

test("what has come since stands below what it was added to, in the tree of then", () => {
  const { past, marks } = compared(...THEN.nodes, node("e", "b", "a0"), node("f", "e", "a0"), node("g", null, "a1"));
  equal(marks, { e: ["added"], f: ["added"], g: ["added"] });
  equal(
    past.view.children("b").map(({ id }) => id),
    ["e"],
  );
  equal(
    past.view.children(null).map(({ id }) => id),
    ["a", "g"],
  );
});

test("a branch below what was moved since stands where that stood", () => {
  const [a, b, c, d] = THEN.nodes;
  const { past } = compared(a, { ...b, parent: "d" }, c, d, node("e", "b", "a0"));
  equal([past.view.nodes.get("b").parent, past.view.nodes.get("e").parent], ["a", "b"]);
});

test("a connection was there, is called otherwise, or has come since with the node it leads to", () => {
  const [a, b, c, d] = THEN.nodes;
  const line = (id, from, to, label = "") => ({ id, from, to, label });
  const then = { ...copied(THEN), connections: [line("x", "a", "b"), line("y", "b", "c"), line("z", "c", "d", "as")] };
  const now = { ...state(a, b, c, d, node("e", "b", "a0")) };
  now.connections = [line("y", "b", "c", "so"), line("z", "c", "d", "as"), line("w", "a", "e")];
  const past = new Past(then, new Replica([now]), new Map());
  equal(Object.fromEntries(past.lines), { x: "removed", y: "changed", w: "added" });
  equal([...past.view.connections.keys()].sort(), ["w", "x", "y", "z"]);
  equal(past.view.connections.get("y").label, "", "as it was");
});

test("nodes that are the same now are the same objects, and kept once", () => {
  const now = new Replica([state({ ...node("a", null, "a0"), seq: 3 }, { ...node("b", "a", "a0"), seq: 4 })]);
  const then = state({ ...node("a", null, "a0"), seq: 3 }, { ...node("b", "a", "a0"), seq: 2, title: "Older" });
  const past = new Past(then, now, new Map());
  equal([past.view.nodes.get("a") === now.nodes.get("a"), then.nodes[0] === now.nodes.get("a")], [true, true]);
  equal([past.view.nodes.get("b").title, past.marks.get("b")], ["Older", ["changed"]]);
});

test("folding the past is remembered from moment to moment, and nowhere else", () => {
  const folds = new Map();
  const now = new Replica([copied(THEN)]);
  const first = new Past(copied(THEN), now, folds);
  first.fold("a");
  equal([first.view.nodes.get("a").is_collapsed, now.nodes.get("a").is_collapsed], [true, false]);
  equal(new Past(copied(THEN), now, folds).view.nodes.get("a").is_collapsed, true);
  first.fold("nowhere");
  equal(folds.size, 1);
});

test("a node that is called as a word of the language is a node", () => {
  const then = state(node("__proto__", null, "a0"), node("constructor", null, "a1"));
  const marks = marksBetween(new Replica([copied(then)]), new Replica([state()]));
  equal([...marks.keys()], ["__proto__", "constructor"]);
});

test("days are said as people say them", () => {
  const now = new Date(2026, 2, 12, 9, 30).getTime();
  const at = (...parts) => new Date(...parts).toISOString();
  equal(dayInWords(at(2026, 2, 12, 0, 1), now), "Today");
  equal(dayInWords(at(2026, 2, 11, 23, 59), now), "Yesterday");
  equal(dayInWords(at(2026, 0, 2), now), "2 January");
  equal(dayInWords(at(2025, 11, 31), now), "31 December 2025");
  equal(momentInWords(at(2026, 2, 12, 14, 2), now), "today, 14:02");
});
