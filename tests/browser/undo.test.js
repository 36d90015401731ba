// Undo of one's own changes beside what others do: the rules of `Tree.undo` in treesync.d.ts.

import { ModelRoom, chance, seated } from "/tests/model_room.js";
import { assert, equal, eventually, test } from "/tests/testing.js";

function node(id, parent, order, fields = {}) {
  return {
    id,
    parent,
    order,
    type: "solution",
    title: id,
    description: "",
    position: { x: 0, y: 0 },
    is_collapsed: false,
    template_data: {},
    metadata: {},
    seq: 0,
    ...fields,
  };
}

async function pair() {
  const room = new ModelRoom([
    node("root", null, "a0", { description: "The fox" }),
    node("left", "root", "a0"),
    node("right", "root", "a1"),
    node("last", "root", "a2"),
  ]);
  const [ada, bo] = [await seated(room, "ada"), await seated(room, "bo")];
  const level = () =>
    eventually(() => [ada, bo].every((one) => one.position.seq === room.seq && !one.queue.length), "both are level");
  return { room, ada, bo, level, read: (id = "root") => ada.view.nodes.get(id) };
}

test("a field is set back, and set again", async () => {
  const { ada, level, read } = await pair();
  assert(!ada.canUndo && ada.undo() === null && ada.redo() === null);
  await ada.update("root", { title: "Other", "metadata.color": "red" });
  await level();
  const results = await ada.undo();
  await level();
  equal([read().title, read().metadata, results.map((one) => one.status)], ["root", {}, ["applied"]]);
  equal([ada.canUndo, ada.canRedo], [false, true]);
  await ada.redo();
  equal([read().title, read().metadata], ["Other", { color: "red" }]);
});

test("what another has set since stays; the paths beside it are set back", async () => {
  const { ada, bo, level, read } = await pair();
  await ada.update("root", { title: "Ada's", "metadata.color": "red" });
  await level();
  await bo.update("root", { title: "Bo's" });
  await level();
  await ada.undo();
  equal([read().title, read().metadata], ["Bo's", {}]);
});

test("undo passes over what no longer stands, to the change before it", async () => {
  const { ada, bo, level, read } = await pair();
  await ada.update("left", { title: "First" });
  await ada.update("root", { title: "Second" });
  await level();
  await bo.update("root", { title: "Bo's" });
  await level();
  await ada.undo();
  equal([read("left").title, read().title], ["left", "Bo's"]);
  equal(ada.undo(), null);
});

test("typing is taken back among what others typed, before, in and after it", async () => {
  const { ada, bo, level, read } = await pair();
  await ada.splice("root", "description", 4, 0, "quick ");
  await level();
  await bo.splice("root", "description", 0, 0, "Oh! ");
  await bo.splice("root", "description", 11, 0, "XX");
  await bo.splice("root", "description", bo.view.nodes.get("root").description.length, 0, " jumps");
  await level();
  equal(read().description, "Oh! The quiXXck fox jumps");
  await ada.undo();
  await level();
  equal(read().description, "Oh! The XXfox jumps");
  await ada.redo();
  equal(read().description, "Oh! The quiXXck fox jumps");
});

test("deleted text comes back where it was, round what others put there", async () => {
  const { ada, bo, level, read } = await pair();
  await ada.write("root", "description", "The ");
  await level();
  await bo.write("root", "description", "See The ");
  await level();
  await ada.undo();
  equal(read().description, "See The fox");
});

test("typing without a rest is one step, another field is another", async () => {
  const { ada, level, read } = await pair();
  for (const [at, letter] of [..."abc"].entries()) await ada.splice("root", "description", at, 0, letter);
  await ada.splice("left", "description", 0, 0, "x");
  await level();
  await ada.undo();
  equal([read().description, read("left").description], ["abcThe fox", ""]);
  await ada.undo();
  equal(read().description, "The fox");
});

test("a text that was replaced is one step with what was typed into it, and goes back as a whole", async () => {
  const { room, ada, bo, level, read } = await pair();
  ada.splice("root", "title", 0, 4, "N");
  ada.splice("root", "title", 1, 0, "ew");
  await level();
  equal(
    [read().title, room.log.map(({ op }) => op.op)],
    ["New", ["update", "text"]],
    "sent at once, then as it is typed",
  );
  await ada.undo();
  await level();
  equal([read().title, ada.canUndo], ["root", false]);
  await bo.splice("root", "title", 4, 0, "s");
  await level();
  equal(read().title, "roots");
});

test("a node that was made goes, unless another has changed it or put something below it", async () => {
  const { ada, bo, level } = await pair();
  await ada.insert({ id: "mine", parent: "root", type: "metric", title: "Mine" });
  await level();
  await ada.undo();
  assert(!ada.view.nodes.has("mine"));
  await level();
  await ada.redo();
  await level();
  assert(ada.view.nodes.has("mine"));
  await bo.insert({ id: "theirs", parent: "mine", type: "metric", title: "Bo's" });
  await level();
  equal(ada.undo(), null);
  assert(ada.view.nodes.has("mine") && ada.view.nodes.has("theirs"));
});

test("a deleted branch comes back", async () => {
  const { ada, level } = await pair();
  await ada.insert({ id: "leaf", parent: "left", type: "metric", title: "Leaf" });
  await ada.remove("left");
  await level();
  assert(!ada.view.nodes.has("leaf"));
  await ada.undo();
  await level();
  assert(ada.view.nodes.has("leaf") && ada.view.nodes.get("leaf").parent === "left");
});

test("a move goes back to the old parent and place, unless somebody moved it since", async () => {
  const { ada, bo, level, read } = await pair();
  await ada.move("right", { parent: "left", position: { x: 9, y: 9 } });
  await level();
  await ada.undo();
  await level();
  equal([read("right").parent, read("right").position], ["root", { x: 0, y: 0 }]);
  equal(
    ada.view.children("root").map((one) => one.id),
    ["left", "right", "last"],
  );
  await ada.move("right", { after: null });
  await level();
  await bo.move("right", { position: { x: 1, y: 1 } });
  await level();
  equal(ada.undo(), null);
  equal(read("right").position, { x: 1, y: 1 });
});

test("connections go and come back; a group is one step", async () => {
  const { ada, level } = await pair();
  await ada.link("left", "right", "because", "c");
  await ada.unlink("c");
  await level();
  await ada.undo();
  await level();
  equal(ada.view.connections.get("c").label, "because");
  ada.group(() => {
    ada.update("left", { title: "L" });
    ada.group(() => ada.update("right", { title: "R" }));
  });
  await level();
  equal((await ada.undo()).length, 2);
  equal(
    ["left", "right"].map((id) => ada.view.nodes.get(id).title),
    ["left", "right"],
  );
});

test("how one looks at the tree, and what was refused, is not undone", async () => {
  const { ada, level } = await pair();
  await ada.update("left", { is_collapsed: true });
  equal((await ada.move("root", { parent: "left" })).code, "cycle");
  equal(ada.status.state, "refused");
  equal(ada.discard().length, 1);
  await level();
  equal(ada.undo(), null);
});

test("everything typed alone is taken back in full, whatever others type", async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = chance(seed);
    const { room, ada, bo, level } = await pair();
    const digits = () =>
      [...room.textOf("root", "description")].filter((letter) => letter >= "0" && letter <= "9").join("");
    let theirs = 0;
    for (let turn = 0; turn < 12; turn += 1) {
      const [person, piece] = random() < 0.5 ? [ada, "abc"[turn % 3]] : [bo, String(theirs++ % 10)];
      const text = person.view.nodes.get("root").description;
      person.splice("root", "description", Math.floor(random() * (text.length + 1)), 0, piece);
      if (random() < 0.6) await level();
    }
    await level();
    const before = digits();
    while (ada.undo()) await level();
    await level();
    equal(room.textOf("root", "description").replace(/[0-9]/g, ""), "The fox", `seed ${seed}`);
    equal(digits(), before, `seed ${seed}`);
  }
});
