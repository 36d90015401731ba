// The page's words, differences, fields and colours.

import { differences } from "/page/differences.js";
import { TYPES, pathLabel, shown } from "/page/node_types.js";
import { colourOf } from "/page/people.js";
import { cardHeight } from "/page/scene.js";
import { ago, changeInWords, opInWords, reportInWords } from "/page/words.js";
import { assert, equal, test } from "/tests/testing.js";

const parts = (list) => list.map((part) => (typeof part === "string" ? part : [part.textContent]));

test("what differs between two texts is marked word by word", () => {
  const [mine, theirs] = differences("cook three boxes in five weeks", "cook three good boxes in a month");
  equal(parts(mine), ["cook three boxes in ", ["five"], " ", ["weeks"]]);
  equal(parts(theirs), ["cook three ", ["good "], "boxes in ", ["a"], " ", ["month"]]);
  equal(differences("", "new").map(parts), [["(empty)"], [["new"]]]);
  equal(differences("same", "same").map(parts), [["same"], ["same"]]);
});

test("the marked parts of a text make the whole text, also where it is too long for a table", () => {
  const long = Array.from({ length: 900 }, (_, number) => `word${number}`).join(" ");
  const other = long.replaceAll("7", "seven");
  for (const [one, two] of [
    [long, other],
    ["a\nb  c", "a b c"],
    ["<b>x</b>", "x"],
  ]) {
    const whole = differences(one, two).map((list) => list.map((part) => part.textContent ?? part).join(""));
    equal(whole, [one, two]);
  }
});

test("an op of the queue is a sentence", () => {
  const nodes = new Map([
    ["n1", { id: "n1", type: "outcome", title: "Cook" }],
    ["n2", { id: "n2", type: "metric", title: "Boxes" }],
  ]);
  const view = { nodes };
  equal(opInWords({ op: "insert", node: "n9", type: "solution", title: "Skip" }, view), "Add solution “Skip”");
  equal(
    opInWords({ op: "text", node: "n1", path: "template_data.core_why", delta: ["a"] }, view),
    "Type in Why it matters of “Cook”",
  );
  equal(opInWords({ op: "update", node: "n2", set: { "template_data.unit": "%" } }, view), "Change Unit of “Boxes”");
  equal(opInWords({ op: "move", node: "n2", parent: "n1" }, view), "Move “Boxes” below “Cook”");
  equal(opInWords({ op: "connect", from: "n1", to: "n2" }, view), "Connect “Cook” to “Boxes”");
  for (const op of ["delete", "restore", "disconnect", "configure"])
    assert(opInWords({ op, node: "n1" }, view).length > 5, op);
  equal(changeInWords({ op: "update", set: { is_collapsed: true } }), "collapsed it");
});

test("a report counts what became of everything", () => {
  const report = { total: 6, applied: 2, merged: 1, unchanged: 0, superseded: 1, conflict: [{}], rejected: [{}] };
  equal(
    reportInWords(report),
    "6 changes from while you were away: 2 landed, 1 merged with what others wrote, 1 gave way to later moves, " +
      "1 waits for your decision, 1 could not be applied.",
  );
});

test("times grow old", () => {
  const now = 1_000_000_000_000;
  equal(
    [5_000, 120_000, 7_200_000, 86_400_000].map((passed) => ago(now - passed, now)),
    ["just now", "2 minutes ago", "2 hours ago", "yesterday"],
  );
  equal(ago(now + 5_000, now), "just now"); // a clock that is ahead
});

test("every type has fields with names of their own, and what may stand below it", () => {
  equal(Object.keys(TYPES).length, 7);
  for (const [type, { label, below, fields }] of Object.entries(TYPES)) {
    assert(label && TYPES[below], type);
    assert(new Set(fields.map((one) => one.key)).size === fields.length, type);
    assert(
      fields.every((one) => one.label && (one.help || one.choices) && /^[a-z_]{1,64}$/.test(one.key)),
      type,
    );
    assert(
      fields.some((one) => one.key === "completion_status"),
      type,
    );
  }
  equal(pathLabel("template_data.made_up", "metric"), "made up");
  equal([null, "", "in_progress", 0, { a: 1 }].map(shown), ["(empty)", "(empty)", "In progress", "0", '{"a":1}']);
});

test("cards are as high as their titles, up to three lines", () => {
  const [one, two, three, many] = ["Grow", "word ".repeat(8), "word ".repeat(13), "word ".repeat(90)].map(cardHeight);
  assert(one < two && two < three, [one, two, three].join());
  equal(three, many);
  equal(cardHeight("x".repeat(300)), many);
});

test("the colours of types and people can be read in light and dark", async () => {
  const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/page.css" });
  await new Promise(
    (resolve, reject) => (Object.assign(sheet, { onload: resolve, onerror: reject }), document.head.append(sheet)),
  );
  const probe = document.body.appendChild(document.createElement("p"));
  const resolved = (colour) => ((probe.style.color = colour), getComputedStyle(probe).color);
  const poor = [];
  const check = (name, ink, ground) => contrast(resolved(ink), resolved(ground)) < 4.5 && poor.push(name);
  for (const theme of ["light", "dark"]) {
    document.documentElement.dataset.theme = theme;
    for (const ground of ["var(--surface)", "var(--canvas)"]) {
      for (const ink of ["var(--ink)", "var(--quiet)", "var(--accent)", "var(--bad)", "var(--wait)"])
        check(`${theme} ${ink} on ${ground}`, ink, ground);
      for (const type of Object.keys(TYPES)) {
        probe.dataset.type = type;
        check(`${theme} ${type} on ${ground}`, "var(--type)", ground);
      }
    }
    check(`${theme} banner`, "var(--ink)", "var(--wait-wash)");
    check(`${theme} refusal`, "var(--bad)", "var(--bad-wash)");
    check(`${theme} button`, "var(--on-accent)", "var(--accent)");
  }
  for (const user of Array.from({ length: 60 }, (_, number) => `user${number}`)) check(user, "#ffffff", colourOf(user));
  sheet.remove();
  equal(poor, []);
});

// WCAG 2.2, relative luminance and contrast ratio.
function contrast(one, other) {
  const luminance = (colour) => {
    const [red, green, blue] = colour
      .match(/[\d.]+/g)
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}
