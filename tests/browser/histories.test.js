// The browser's replica against histories that the simulation recorded from the server's code: after each frame the whole
// state and the digest are the server's [RP1, RP2, RP4, RP5].

import { digestOf } from "/digest.js";
import { OpenTree } from "/sync/core.js";
import { assert, equal, json, test } from "/tests/testing.js";

const LIMITS = { message_bytes: 65_536, edit_ops: 500, unanswered_ops: 2_000 };
const byId = (one, other) => (one.id < other.id ? -1 : 1);
const nothing = { post() {}, keep: async () => true, pause() {}, tell() {}, gone() {}, settled() {}, carried() {}, replaced() {} };

/** A client that listens and types nothing. `opens` are the messages by which it asked for the tree. */
class Listener {
  opens = [];
  core = new OpenTree(1, { ...nothing, say: (message) => message.type === "open" && this.opens.push(message) });

  /** Hear a frame. One that answers an `open` comes on a new socket. */
  hear(message) {
    if (message.ref === undefined) return this.core.hear(message);
    if (this.opens.length) this.core.lost();
    this.core.welcomed({ user: "listener", client: "listener" }, LIMITS, LIMITS.message_bytes);
    this.core.hear({ ...message, ref: this.opens.at(-1).ref });
  }

  get state() {
    const { details, nodes, connections } = this.core.confirmed;
    return { ...details, nodes: [...nodes.values()].sort(byId), connections: [...connections.values()].sort(byId) };
  }
}

async function histories() {
  return json("/vectors/histories.json");
}

function follow({ name, frames }, look) {
  const listener = new Listener();
  let sockets = 0;
  for (const [index, { message, digest, state }] of frames.entries()) {
    const where = `${name}, frame ${index}: ${message.type} ${(message.ops ?? []).map((op) => op.op).join(" ")}`;
    sockets += message.ref === undefined ? 0 : 1;
    listener.hear(message);
    look(listener, { digest, state, where });
    equal(listener.opens.length, sockets, `${where}: it asked for the tree again`);
  }
}

test("the histories hold every kind of op, and whole states", async () => {
  const frames = (await histories()).flatMap((history) => history.frames);
  const found = new Set(frames.flatMap(({ message }) => (message.ops ?? []).map(({ op }) => op)));
  assert(frames.every(({ digest }) => digest) && frames.filter(({ state }) => state).length >= 50);
  const all = ["configure", "connect", "delete", "disconnect", "import", "insert", "move", "purge", "restore", "text", "update"];
  equal([...found].sort(), all);
});

test("after each frame the state is the server's", async () => {
  for (const history of await histories()) {
    follow(history, (listener, { state, where }) => {
      if (!state) return; // every frame has a digest, every few a whole state
      const expected = { ...state, nodes: [...state.nodes].sort(byId), connections: [...state.connections].sort(byId) };
      equal(listener.state, expected, where);
    });
  }
});

test("after each frame the digest is the server's", async () => {
  for (const history of await histories()) {
    follow(history, (listener, { digest, where }) => {
      const { nodes, connections } = listener.core.confirmed;
      equal(digestOf(nodes.values(), connections.values()), digest, where);
    });
  }
});

test("after each frame siblings stand in the order of their keys", async () => {
  for (const history of await histories()) {
    follow(history, (listener, { where }) => {
      const { view } = listener.core;
      for (const parent of [null, ...view.nodes.keys()]) {
        const keys = view.children(parent).map(({ order }) => order);
        assert(keys.every((key, at) => at === 0 || keys[at - 1] < key), `${where}: below ${parent}`);
      }
    });
  }
});

test("a frame whose digest differs makes the client ask for the tree anew, once, without its position", async () => {
  const [{ frames }] = await histories();
  const listener = new Listener();
  const frame = frames.findIndex(({ message }) => message.type === "ops");
  for (const { message } of frames.slice(0, frame)) listener.hear(message);
  const before = listener.opens.length;
  listener.hear({ ...frames[frame].message, digest: "0000000000000000" });
  const asked = listener.opens.slice(before);
  equal(asked.map(({ reason, position }) => [reason, position]), [["digest", undefined]]);
});
