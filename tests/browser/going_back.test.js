// Going back on the page: what was agreed to is done while others type elsewhere, and nothing else is done or forgotten.

import { isAgreed } from "/page/agreed.js";
import { made } from "/page/dom.js";
import { GoingBack } from "/page/going_back.js";
import { equal, eventually, test } from "/tests/testing.js";

const refused = (code, status) => Object.assign(new Error(code), { code, status });
const dryRun = (seq, title = "Then", collisions = []) => ({
  seq,
  count: 1,
  ops: [{ n: 1, base: seq, op: "update", node: "a", set: { title } }],
  collisions,
});

// A page whose server answers from `answers`, one after the other: a value, an error, or a promise.
function page(...answers) {
  document.querySelector("#going-back")?.remove();
  const parts = ["h2", "div", "div"].map((tag, at) => made(tag, { id: `going-back-${["title", "body", "actions"][at]}` }));
  const dialog = made("dialog", { id: "going-back" }, ...parts);
  document.body.append(dialog);
  const [asked, said, set] = [[], [], []];
  const answer = async (kind, { dry_run = false, seq, request }) => {
    asked.push({ kind, dry_run, seq, request });
    const next = await answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const history = { restore: (_, more) => answer("restore", more), revert: (more) => answer("revert", more) };
  const view = { nodes: new Map([["a", { id: "a", type: "solution", title: "Now" }]]), children: () => [] };
  const desk = { tree: { history, view }, view, selected: null, nameOf: (user) => user, goTo: () => {} };
  desk.say = (text, tone) => said.push([tone, text]);
  const travel = Object.assign(new EventTarget(), { shown: { moment: { seq: 2 }, seq: 2 }, back: () => {} });
  const going = new GoingBack(desk, travel, { set: (...what) => set.push(what) });
  const click = async (name) => {
    const button = () => [...dialog.querySelectorAll("button")].find((one) => one.textContent.startsWith(name));
    (await eventually(button, name)).click();
  };
  return { going, dialog, asked, said, set, click };
}

const exactly = (asked) => asked.map(({ dry_run, seq }) => (dry_run ? "look" : (seq ?? "whenever")));

test("what somebody types elsewhere does not keep a restore from being done", async () => {
  const stale = () => refused("stale", 409);
  const { going, dialog, asked, said, click } = page(
    dryRun(10),
    stale(),
    dryRun(11),
    stale(),
    dryRun(12),
    { count: 1, undo: null },
  );
  going.restore("then");
  await click("Restore: 1 change");
  await eventually(() => said.length);
  equal(said, [["undo", "The tree is as it was then. 1 change made."]]);
  equal(exactly(asked), ["look", 10, "look", 11, "look", "whenever"]);
  const requests = asked.filter(({ dry_run }) => !dry_run).map(({ request }) => request);
  equal(new Set(requests).size, 1, "the same request");
  equal(dialog.open, false);
});

test("what would now be another thing is shown again, and done once that is agreed to", async () => {
  const met = [{ node: "a", path: "title", by: "bo", seq: 11 }];
  const { going, dialog, asked, said, click } = page(dryRun(10), refused("stale", 409), dryRun(11, "Then", met), {
    count: 1,
  });
  going.restore("then");
  await click("Restore: 1 change");
  await eventually(() => dialog.textContent.includes("Look again"));
  equal(dialog.querySelectorAll('[data-list="met"] li').length, 1);
  equal([exactly(asked), said], [["look", 10, "look"], []]);
  await click("Restore: 1 change");
  await eventually(() => said.length);
  equal(asked.at(-1).seq, 11);
});

test("who turns away while it is looked at again has nothing done", async () => {
  const late = Promise.withResolvers();
  const { going, dialog, asked, click } = page(dryRun(10), refused("stale", 409), late.promise);
  going.restore("then");
  await click("Restore: 1 change");
  await eventually(() => asked.length === 3);
  dialog.close();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  late.resolve(dryRun(11));
  await new Promise((done) => setTimeout(done));
  equal(exactly(asked), ["look", 10, "look"]);
});

test("an answer that comes late puts no button below another preview", async () => {
  const late = Promise.withResolvers();
  const { going, dialog, set, click } = page(late.promise);
  going.restore("then");
  dialog.close();
  going.bringBack("a", "title", "Then");
  late.resolve(dryRun(10));
  await new Promise((done) => setTimeout(done));
  equal(
    [...dialog.querySelectorAll("button")].map((one) => one.textContent),
    ["Bring it back", "Cancel"],
  );
  await click("Bring it back");
  equal(set, [["a", { title: "Then" }]]);
});

test("what fails after it was turned away from is said, and offers nothing in the dialog that is open then", async () => {
  const late = Promise.withResolvers();
  const { going, dialog, asked, said, click } = page(dryRun(10), late.promise);
  going.restore("then");
  await click("Restore: 1 change");
  await eventually(() => asked.length === 2);
  dialog.close();
  going.bringBack("a", "title", "Then");
  late.resolve(refused("unavailable", 503));
  await eventually(() => said.length);
  equal(said, [["refused", "unavailable"]]);
  equal(
    [...dialog.querySelectorAll("button")].map((one) => one.textContent),
    ["Bring it back", "Cancel"],
  );
});

test("an undo that did not get through can be asked for again, as the same request", async () => {
  const undo = { undo: "restore:r", user: "ada" };
  const { going, asked, said, click } = page(
    dryRun(10),
    { count: 1, undo },
    refused(undefined, 0),
    refused("unavailable", 503),
    { count: 1 },
  );
  going.restore("then");
  await click("Restore: 1 change");
  await eventually(() => going.undo);
  for (let times = 0; times < 2; times += 1) {
    await going.undo();
    equal([said.at(-1)[0], typeof going.undo], ["refused", "function"]);
  }
  await going.undo();
  equal([said.at(-1), going.undo], [["note", "Undone: 1 change."], null]);
  equal(new Set(asked.slice(2).map(({ request }) => request)).size, 1);
});

test("an undo that is refused for good is gone", async () => {
  const { going, click } = page(dryRun(10), { count: 1, undo: { undo: "restore:r" } }, refused("not_found", 404));
  going.restore("then");
  await click("Restore: 1 change");
  await eventually(() => going.undo);
  await going.undo();
  equal(going.undo, null);
});

test("two dry runs are one where ops and collisions are, wherever the log has come to", () => {
  const met = [{ node: "a" }, { node: "b" }];
  equal(isAgreed(dryRun(1, "x", met), dryRun(9, "x", met.toReversed())), true);
  equal(isAgreed(dryRun(1, "x"), dryRun(1, "y")), false);
  equal(isAgreed(dryRun(1, "x"), dryRun(1, "x", met)), false);
  const [once, again] = [11, 14].map((seq) => dryRun(seq, "x", [{ node: "a", path: "title", by: "bo", seq }]));
  equal(isAgreed(once, again), true, "bo types on in what is listed");
  const [here, there] = [["x"], [3, "x"]].map((delta) => ({ ops: [{ op: "text", node: "a", delta }], collisions: [] }));
  equal(isAgreed(here, there), true, "and in the text that is taken back");
  const turned = { ...dryRun(1), ops: dryRun(1).ops.map((op) => Object.fromEntries(Object.entries(op).toReversed())) };
  equal(isAgreed(dryRun(1), turned), true, "the order of keys");
});
