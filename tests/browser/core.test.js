// The client's queue and replica against a small server, over lines that delay, cut and double what they carry.

import { OpenTree } from "/sync/core.js";
import { Entry } from "/sync/entry.js";
import { difference } from "/text.js";
import { Member, ModelRoom, chance } from "/tests/model_room.js";
import { equal, test } from "/tests/testing.js";

const NODE = {
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
};
const ALPHABET = ["a", "é", "👋", "क्ष", "7", " ", "ש", "xyz"];

function edit(member, op) {
  const { queue, seq } = member.core;
  member.core.edit(new Entry({ op: { ...op, base: seq }, mode: "live", place: queue.nextPlace(), made: 0, at: seq }));
}

function type(member, text) {
  const held = member.core.view.nodes.get("n").description;
  const delta = difference(held, text(held));
  if (delta.length) edit(member, { op: "text", node: "n", path: "description", delta });
}

function insertAt(text, at, piece) {
  const letters = [...text];
  return [...letters.slice(0, at), piece, ...letters.slice(at)].join("");
}

async function settle(members, random) {
  for (const member of members) if (!member.isOn) member.connect();
  for (let round = 0; round < 20_000; round += 1) {
    if (members.every((one) => one.isQuiet)) return;
    await members[Math.floor(random() * members.length)].step(random() < 0.5 ? "up" : "down");
  }
  throw new Error(
    `never quiet: ${JSON.stringify(members.map(({ core, up, down }) => [core.status, up, down, core.queue.unanswered.map((one) => one.wire)]))}`,
  );
}

async function opened(room, names, random) {
  const members = names.map((name) => new Member(room, name));
  await settle(members, random);
  return members;
}

function agree(room, members, seed) {
  for (const { core } of members) {
    equal(core.view.nodes.get("n"), room.state.nodes.get("n"), `seed ${seed}`);
    equal([core.confirmed.digest, core.seq], [room.state.digest, room.seq], `seed ${seed}`);
  }
}

async function typing(seed, { cuts, sets, deletes }) {
  const random = chance(seed);
  const room = new ModelRoom([NODE]);
  const members = await opened(room, ["ada", "bo", "cy"], random);
  const marks = [];
  for (let turn = 0; turn < 60; turn += 1) {
    const member = members[Math.floor(random() * members.length)];
    const what = random();
    if (what < 0.3) {
      const mark = deletes ? ALPHABET[Math.floor(random() * ALPHABET.length)] : `<${member.name}${turn}>`;
      marks.push(mark);
      // tokens stay whole: insert only where no other token is cut
      type(member, (text) =>
        deletes
          ? insertAt(text, Math.floor(random() * ([...text].length + 1)), mark)
          : random() < 0.5
            ? mark + text
            : text + mark,
      );
    } else if (what < 0.4 && deletes) {
      type(member, (text) => {
        const at = Math.floor(random() * [...text].length);
        return [...text].toSpliced(at, 1 + Math.floor(random() * 3)).join("");
      });
    } else if (what < 0.45 && sets) edit(member, { op: "update", node: "n", set: { description: `set ${turn}` } });
    else if (what < 0.5 && cuts && member.isOn) member.cut();
    else if (!member.isOn && what < 0.8) member.connect();
    else await member.step(random() < 0.5 ? "up" : "down");
  }
  await settle(members, random);
  agree(room, members, seed);
  return { room, marks, members };
}

test("three people type in one field: every token is there once", async () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const { room, marks } = await typing(seed, {});
    const text = room.textOf("n", "description");
    for (const mark of marks) equal(text.split(mark).length - 1, 1, `${mark} in ${text}, seed ${seed}`);
  }
});

test("the same over lines that are cut: nothing is lost and nothing doubled", async () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const { room, marks } = await typing(seed, { cuts: true });
    const text = room.textOf("n", "description");
    for (const mark of marks) equal(text.split(mark).length - 1, 1, `${mark} in ${text}, seed ${seed}`);
  }
});

test("deleting, whole values and emoji among it: the replicas agree, and none had to be taken anew", async () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const { room } = await typing(seed, { cuts: true, sets: true, deletes: true });
    equal(room.reopened, undefined, `seed ${seed}`);
  }
});

function bare() {
  const said = [];
  const told = [];
  const core = new OpenTree(1, {
    say: (message) => said.push(message),
    keep: async () => true,
    tell: (name) => told.push(name),
    replaced() {},
    carried() {},
  });
  core.welcomed({ user: "ada", client: "c" }, { edit_ops: 9, unanswered_ops: 9, message_bytes: 9999 }, 9999);
  const hear = ({ seq, ...rest }) =>
    core.hear({
      type: "snapshot",
      role: "editor",
      last_n: 0,
      part: 1,
      parts: 1,
      participants: [],
      position: { epoch: rest.epoch ?? "e", seq, mark: `m${seq}` },
      state: { name: "", nodes: [NODE], connections: [] },
      ...rest,
    });
  return { core, said, told, hear };
}

const retitled = (title) => ({ op: "update", node: "n", set: { title } });

test("a tree is open once the ops are here that its snapshot was followed by [OP13]", async () => {
  const { core, said, told, hear } = bare();
  hear({ ref: 1, seq: 1, head: 2 });
  edit({ core }, retitled("mine"));
  await null;
  equal([told.includes("opened"), said.length], [false, 1], "an edit would meet what its author never saw");
  const frame = { type: "ops", after: 1, seq: 2, mark: "m2", at: "", authors: [{ user: "bo", client: "b" }] };
  core.hear({ ...frame, ops: [{ by: 0, n: 1, ...retitled("theirs") }] });
  await null;
  equal([told.includes("opened"), said.at(-1).type], [true, "edit"]);
});

test("after a restore to an earlier seq the queue goes on", async () => {
  const { core, said, told, hear } = bare();
  hear({ ref: 1, seq: 9, head: 9 });
  equal(told.includes("opened"), true);
  hear({ seq: 3, head: 3, epoch: "another", reason: "epoch" });
  edit({ core }, retitled("mine"));
  await null;
  equal(said.at(-1).type, "edit");
});

test("an own delta comes back as it was shown", async () => {
  const random = chance(7);
  const room = new ModelRoom([NODE]);
  const [ada, bo] = await opened(room, ["ada", "bo"], random);
  type(bo, (text) => `B${text}`);
  await bo.step("none");
  await bo.step("up");
  type(ada, (text) => `A${text}`);
  await ada.step("down");
  equal(ada.core.view.nodes.get("n").description, "BAstart", "the earlier one stands left");
  await settle([ada, bo], random);
  equal(room.textOf("n", "description"), "BAstart");
});

test("typing while an own delta is under way is one delta", async () => {
  const random = chance(8);
  const room = new ModelRoom([NODE]);
  const [ada] = await opened(room, ["ada"], random);
  for (const letter of "hello") type(ada, (text) => text + letter);
  equal(ada.up.filter(({ type }) => type === "edit").length, 0, "stored first");
  await ada.step("none");
  equal(
    ada.core.queue.unanswered.map(({ n }) => n),
    [1, null],
  );
  await settle([ada], random);
  equal(room.textOf("n", "description"), "starthello");
  equal(room.seq <= 2, true);
});
