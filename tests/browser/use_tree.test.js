// The React hook, on as much of React as it uses.

import { makeUseTree } from "/use-tree.js";
import { equal, eventually, test } from "/tests/testing.js";

// A component of one hook: `useMemo` remembers, `useSyncExternalStore` draws again when the snapshot is another one.
function drawn(hook) {
  const memory = {};
  const pictures = [];
  const React = {
    useMemo: (make, needs) => {
      if (!memory.needs?.every((one, place) => one === needs[place])) Object.assign(memory, { needs, value: make() });
      return memory.value;
    },
    useSyncExternalStore: (subscribe, look) => {
      memory.off ??= subscribe(() => look() !== pictures.at(-1) && draw());
      return look();
    },
  };
  const use = makeUseTree(React);
  const draw = () => pictures.push(hook(use));
  draw();
  return { pictures, draw, leave: () => memory.off() };
}

function tree() {
  return Object.assign(new EventTarget(), {
    view: {},
    status: { state: "saved" },
    people: new Map(),
    role: "editor",
    conflicts: [],
  });
}

test("it opens the tree once, and draws what changes", async () => {
  const open = tree();
  let opened = 0;
  const client = { open: async () => (opened += 1) && open };
  const { pictures, draw, leave } = drawn((useTree) => useTree(client, 7));
  equal([pictures[0].tree, pictures[0].error], [null, null]);
  await eventually(() => pictures.length === 2);
  equal(pictures[1].tree === open && pictures[1].view === open.view, true);
  draw();
  equal(pictures.at(-1) === pictures[1], true, "the same until something changes");
  open.view = { other: true };
  open.dispatchEvent(new Event("change"));
  equal([pictures.at(-1).view, opened], [{ other: true }, 1]);
  leave();
  const count = pictures.length;
  open.dispatchEvent(new Event("change"));
  equal(pictures.length, count);
  drawn((useTree) => useTree(client, 7));
  equal(opened, 1, "two components share it");
});

test("a tree that can not be opened says why, and is tried again by the next", async () => {
  let opened = 0;
  const client = {
    open: async () => {
      opened += 1;
      throw Object.assign(new Error("no such tree"), { code: "not_found", why: "no such tree" });
    },
  };
  const { pictures } = drawn((useTree) => useTree(client, 7));
  await eventually(() => pictures.at(-1).error);
  equal([pictures.at(-1).error.code, pictures.at(-1).tree], ["not_found", null]);
  drawn((useTree) => useTree(client, 7));
  equal(opened, 2);
});
