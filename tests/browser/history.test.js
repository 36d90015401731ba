// What a client does when answers are refusals, histories are lost, and states come anew: PROTOCOL ED, RP.

import { OpenTree } from "/sync/core.js";
import { Entry } from "/sync/entry.js";
import { assert, equal, test } from "/tests/testing.js";

const LIMITS = { message_bytes: 65_536, edit_ops: 500, unanswered_ops: 2_000 };

function node(fields = {}) {
  return {
    id: "n",
    parent: null,
    order: "a0",
    type: "solution",
    title: "T",
    description: "start",
    position: { x: 0, y: 0 },
    is_collapsed: false,
    template_data: {},
    metadata: {},
    seq: 0,
    ...fields,
  };
}

function snapshot(seq, fields = {}) {
  const { description = "start", epoch = "e", ...rest } = fields;
  const state = { name: "", nodes: [node({ description, seq })], connections: [] };
  return {
    type: "snapshot",
    tree: 1,
    position: { epoch, seq, mark: `m${seq}` },
    role: "editor",
    last_n: 0,
    part: 1,
    parts: 1,
    state,
    you: "p",
    participants: [],
    ...rest,
  };
}

function opened({ role = "editor", messageBytes = 65_536 } = {}) {
  const said = [];
  const posted = [];
  const pauses = [];
  const core = new OpenTree(1, {
    say: (message) => said.push(JSON.parse(JSON.stringify(message))),
    post: (edit) => posted.push(JSON.parse(JSON.stringify(edit))),
    keep: async () => true,
    pause: (_, done) => pauses.push(done),
    tell() {},
    gone() {},
    settled() {},
    carried() {},
    replaced() {},
  });
  core.welcomed({ user: "ada", client: "c" }, LIMITS, messageBytes);
  core.hear(snapshot(5, { ref: said[0].ref, role }));
  const edit = (op, mode = "live") => {
    const entry = new Entry({
      op: { ...op, base: core.seq },
      mode,
      place: core.queue.nextPlace(),
      made: 0,
      at: core.seq,
    });
    core.edit(entry);
    return entry;
  };
  const text = (delta) => edit({ op: "text", node: "n", path: "description", delta });
  const title = (value, was = "T") => edit({ op: "update", node: "n", set: { title: value }, was: { title: was } });
  const sent = async () => {
    await null;
    await null;
    return said.splice(0);
  };
  const reopen = async (answer) => {
    core.lost();
    core.welcomed({ user: "ada", client: "c" }, LIMITS, messageBytes);
    const [open] = (await sent()).filter(({ type }) => type === "open");
    core.hear({ ...answer, ref: open.ref });
    return open;
  };
  said.splice(0);
  return { core, edit, text, title, sent, reopen, said, posted, pauses, shown: () => core.view.nodes.get("n") };
}

function resumed(seq, lastN) {
  return {
    type: "resumed",
    tree: 1,
    position: { epoch: "e", seq, mark: `m${seq}` },
    role: "editor",
    last_n: lastN,
    you: "p",
    participants: [],
  };
}

function outcome(ref, seq, results) {
  return { type: "outcome", tree: 1, ref, seq, results };
}

function frame(after, ops, fields = {}) {
  const authors = [
    { user: "bo", client: "b" },
    { user: "ada", client: "c" },
  ];
  return { type: "ops", tree: 1, after, seq: after + ops.length, mark: "x", at: "", authors, ops, ...fields };
}

test("[ED2 RP6] numbers have no gaps, and what is unanswered goes again, unchanged, in order, as replay", async () => {
  const { title, edit, sent, reopen, core } = opened();
  title("A");
  const [first] = await sent();
  equal(first.ops, [{ n: 1, op: "update", node: "n", set: { title: "A" }, was: { title: "T" }, base: 5 }]);
  edit({ op: "delete", node: "n" });
  equal(await sent(), [], "nothing goes while something is under way");
  await reopen(resumed(5, 0));
  const [again] = await sent();
  equal(
    [again.mode, again.ops.map(({ n, op }) => [n, op])],
    [
      "replay",
      [
        [1, "update"],
        [2, "delete"],
      ],
    ],
  );
  equal(again.ops[0], first.ops[0]);
  equal(core.queue.sentN, 2);
});

test("[RP3] an op leaves when its result is known and confirmed state has reached the outcome's seq", async () => {
  const { core, title, sent, shown } = opened();
  title("A");
  const [{ ref }] = await sent();
  core.hear(outcome(ref, 6, [{ n: 1, status: "applied", seq: 6 }]));
  equal([shown().title, core.queue.entries.length], ["A", 1], "still shown, nothing flickers");
  core.hear(frame(5, [{ by: 1, n: 1, op: "update", node: "n", set: { title: "A" } }]));
  equal([shown().title, core.queue.entries.length, core.confirmed.nodes.get("n").seq], ["A", 0, 6]);
});

test("[ED6] what was refused for now is sent again, in order, after a pause", async () => {
  const { core, title, edit, sent, pauses } = opened();
  title("A");
  edit({ op: "move", node: "n", after: null });
  const edits = await sent();
  core.hear(outcome(edits[0].ref, 5, [{ n: 1, status: "rejected", code: "unavailable", why: "" }]));
  equal([await sent(), pauses.length], [[], 1]);
  pauses.pop()();
  equal(
    (await sent())[0].ops.map(({ n }) => n),
    [1, 2],
  );
});

test("[ED15] what may not be written is held, visibly, until the right is back", async () => {
  const { core, title, sent } = opened();
  title("A");
  const [{ ref }] = await sent();
  core.hear(outcome(ref, 5, [{ n: 1, status: "rejected", code: "forbidden", why: "you may not" }]));
  equal(await sent(), []);
  assert(core.queue.unanswered[0].held);
  core.hear({ type: "role", tree: 1, role: "editor" });
  equal((await sent())[0].ops[0].n, 1);
});

test("[ED10 SEMANTICS 28] edits keep to the limits; an op over a message goes by HTTP, alone", async () => {
  const { core, edit, sent, posted } = opened({ messageBytes: 2_000 });
  const insert = (id, size) =>
    edit({ op: "insert", node: id, parent: null, type: "metric", title: "x", description: "é".repeat(size) });
  for (const id of ["a", "b", "c", "d"]) insert(id, 300);
  insert("big", 2_000);
  insert("e", 10);
  const first = await sent();
  equal(
    first.map(({ ops }) => ops.length),
    [1],
    "the first goes at once",
  );
  core.hear(outcome(first[0].ref, 5, [{ n: 1, status: "unchanged" }]));
  const next = await sent();
  equal(
    next.map(({ ops }) => ops.map(({ node: id }) => id)),
    [["b", "c"], ["d"]],
  );
  assert(next.every((one) => new TextEncoder().encode(JSON.stringify(one)).length <= 2_000));
  for (const { ref, ops } of next)
    core.hear(
      outcome(
        ref,
        5,
        ops.map(({ n }) => ({ n, status: "unchanged" })),
      ),
    );
  await sent();
  equal(
    posted.map(({ ops, client_id, epoch }) => [ops.map(({ node: id }) => id), client_id, epoch]),
    [[["big"], "c", "e"]],
  );
  core.hear({ type: "error", code: "unavailable", why: "", ref: posted[0].ref, tree: 1 });
  core.hear(outcome(posted[0].ref, 5, []));
});

test("[RP7] a last_n above any that was sent: the queue goes on under another client_id, from 1", async () => {
  const { core, title, sent, reopen } = opened();
  await reopen(resumed(5, 9));
  assert(core.queue.wornOut);
  title("A");
  equal(await sent(), [], "nothing gets a number now");
  assert(!core.queue.hasNumbered);
  core.lost();
  core.welcomed({ user: "ada", client: "c2" }, LIMITS, 65_536);
  const [open] = await sent();
  core.hear({ ...resumed(5, 0), ref: open.ref });
  equal((await sent())[0].ops[0].n, 1);
});

test("[RP7] asked for a number that is gone: what was not used goes from 1 under another client_id", async () => {
  const { core, title, edit, sent, reopen } = opened();
  title("A");
  const [{ ref }] = await sent();
  core.hear(outcome(ref, 6, [{ n: 1, status: "applied", seq: 6 }]));
  core.hear(frame(5, [{ by: 1, n: 1, op: "update", node: "n", set: { title: "A" } }]));
  edit({ op: "delete", node: "n" });
  await sent();
  await reopen(snapshot(3, { reason: "ahead", last_n: 0 })); // a restored database
  assert(core.queue.wornOut && !core.queue.hasNumbered);
  equal(
    core.queue.unanswered.map(({ op }) => [op.op, op.base]),
    [["delete", 0]],
  );
});

test("[SEMANTICS 11] over another history the rest is judged by what its author saw, deltas as full texts", async () => {
  const { core, title, text, sent, reopen, shown } = opened();
  title("A");
  const [{ ops }] = await sent();
  text([5, "ed"]);
  equal(shown().description, "started");
  await reopen(snapshot(50, { epoch: "other", reason: "epoch", last_n: 1, description: "another" }));
  const [again] = await sent();
  equal(again.ops[0], ops[0], "what was used is sent for its answer, unchanged");
  equal(again.ops[1], {
    n: 2,
    op: "update",
    node: "n",
    base: 0,
    set: { description: "started" },
    was: { description: "start" },
  });
  equal(core.view.nodes.get("n").title, "T", "and not shown over the new state");
});

test("a state that came anew in the same history: waiting text is carried over the difference", async () => {
  const { core, text, title, sent, shown } = opened();
  title("A");
  await sent();
  text([5, "!"]);
  core.hear(snapshot(9, { reason: "large", description: "re-start" }));
  equal(shown().description, "re-start!");
});

test("a snapshot older than what is here: a delta waits until the ops have come again", async () => {
  const { core, text, sent, reopen, shown } = opened();
  core.hear(frame(5, [{ by: 0, n: 1, op: "text", node: "n", path: "description", delta: ["re"] }]));
  core.lost();
  text([7, "!"]);
  equal(shown().description, "restart!");
  await reopen(snapshot(5));
  equal(await sent(), [], "a base before it would be refused for ever");
  core.hear(frame(5, [{ by: 0, n: 1, op: "text", node: "n", path: "description", delta: ["re"] }]));
  equal(shown().description, "restart!");
  const [{ ops }] = await sent();
  equal(ops, [{ n: 1, op: "text", node: "n", path: "description", delta: [7, "!"], base: 6 }]);
});

test("[OP6] a snapshot in parts is whole with the last of them", async () => {
  const { core, sent } = opened();
  core.ask("digest");
  const [{ ref }] = await sent();
  const part = (number, id) => ({
    ...snapshot(9, { ref }),
    part: number,
    parts: 2,
    state: { name: "Parts", nodes: [node({ id })], connections: [] },
  });
  core.hear(part(1, "n"));
  equal([core.seq, core.status], [5, "opening"]);
  core.hear(part(2, "m"));
  equal(
    [core.seq, core.status, [...core.view.nodes.keys()], core.view.details],
    [9, "open", ["n", "m"], { name: "Parts" }],
  );
});

test("[P9] a replica that differs asks for the whole state, with the reason", async () => {
  const { core, sent } = opened();
  core.hear(frame(5, [{ by: 0, n: 1, op: "update", node: "n", set: { title: "B" } }], { digest: "0".repeat(16) }));
  const [open] = await sent();
  equal([open.type, open.position, open.reason], ["open", undefined, "digest"]);
  core.hear({ ...snapshot(6), ref: open.ref });
  core.hear(frame(6, [{ by: 0, n: 2, op: "update", node: "n", set: { title: "C" } }], { digest: "0".repeat(16) }));
  equal(await sent(), [], "a server that is wrong each time is not asked without a pause");
});

test("[BR1] frames that do not follow: the log fills the gap", async () => {
  const { core, sent } = opened();
  core.hear(frame(8, [{ by: 0, n: 1, op: "delete", node: "n" }]));
  const [open] = await sent();
  equal([open.type, open.position.seq], ["open", 5]);
});

test("a delta that was refused as stale is made anew when its own change has come back", async () => {
  const { core, text, sent, pauses } = opened();
  text(["a"]);
  const [{ ref }] = await sent();
  core.hear(outcome(ref, 6, [{ n: 1, status: "rejected", code: "stale", why: "" }]));
  core.hear(frame(5, [{ by: 0, n: 4, op: "text", node: "n", path: "description", delta: ["b"] }]));
  for (const done of pauses.splice(0)) done();
  equal((await sent())[0].ops, [{ n: 1, op: "text", node: "n", path: "description", delta: [1, "a"], base: 6 }]);
});

test("a delta that is set aside is taken out of what was typed behind it", async () => {
  const { core, text, sent, shown } = opened();
  text(["one "]);
  const [{ ref }] = await sent();
  text([4, "two "]);
  equal(shown().description, "one two start");
  core.hear(outcome(ref, 5, [{ n: 1, status: "conflict", conflict: { id: 3 } }]));
  equal(shown().description, "two start");
  equal((await sent())[0].ops[0].delta, ["two "]);
});

test("what is confirmed and not answered is not shown twice after a reload", async () => {
  const first = opened();
  first.text([5, "ed"]);
  await first.sent();
  first.core.hear(frame(5, [{ by: 1, n: 1, op: "text", node: "n", path: "description", delta: [5, "ed"] }]));
  const records = first.core.queue.entries.map((entry) => structuredClone(entry.record));
  equal(records.length, 1);
  for (const [seq, description] of [
    [6, "started"],
    [5, "start"],
  ]) {
    const core = new OpenTree(1, {});
    core.load({
      parts: [{ name: "", nodes: [node({ description })], connections: [] }],
      position: { epoch: "e", seq, mark: "m" },
      role: "editor",
    });
    core.queue.load(
      records.map((record) => new Entry(record)),
      1,
      seq,
    );
    equal(core.view.nodes.get("n").description, "started", "with newer state, and with older");
  }
});

test("edits become one op as long as nobody has heard of them", async () => {
  const { core, edit, text, sent, shown } = opened();
  edit({ op: "delete", node: "none" });
  await sent(); // under way: the rest waits
  edit({ op: "insert", node: "m", parent: null, type: "metric", title: "M" });
  edit({ op: "text", node: "m", path: "description", delta: ["about"] });
  for (const x of [1, 2, 3]) edit({ op: "move", node: "n", position: { x, y: 0 } });
  edit({ op: "update", node: "n", set: { title: "A" }, was: { title: "T" } });
  edit({ op: "update", node: "n", set: { title: "B", "metadata.k": 1 }, was: { title: "A" } });
  text([5, "!"]);
  text([6, "?"]);
  edit({ op: "update", node: "m", set: { title: "Other" } });
  edit({ op: "text", node: "m", path: "title", delta: [5, "s"] });
  equal(
    core.queue.unanswered.slice(1).map(({ op }) => op.op),
    ["insert", "move", "update", "text", "update"],
  );
  const [, insert, move, update, delta, title] = core.queue.unanswered;
  equal([insert.op.description, move.op.position, delta.shown], ["about", { x: 3, y: 0 }, [5, "!?"]]);
  equal(title.op.set, { title: "Others" });
  equal([update.op.set, update.op.was], [{ title: "B", "metadata.k": 1 }, { title: "T" }]);
  equal([shown().title, shown().description, core.view.nodes.get("m").description], ["B", "start!?", "about"]);
});

test("what was typed and deleted again is not sent", async () => {
  const { core, edit, text, sent } = opened();
  edit({ op: "delete", node: "none" });
  const [{ ref }] = await sent();
  const entry = text(["x"]);
  const { promise, resolve } = Promise.withResolvers();
  entry.resolvers.push(resolve);
  text([-1]);
  core.hear(outcome(ref, 5, [{ n: 1, status: "rejected", code: "node_missing", why: "" }]));
  equal([await sent(), (await promise).status, core.queue.unanswered], [[], "unchanged", []]);
});
