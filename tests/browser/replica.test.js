// The replica on histories that a simulation recorded: after every frame the digest is the server's, and every few frames
// the whole state.

import { Replica } from "/sync/replica.js";
import { assert, equal, json, test } from "/tests/testing.js";

function canonical({ nodes, connections, ...details }) {
  const byId = (one, other) => (one.id < other.id ? -1 : 1);
  return { ...details, nodes: [...nodes].sort(byId), connections: [...connections].sort(byId) };
}

function taken(replica, message) {
  if (message.type === "snapshot") return new Replica([message.state]);
  message.ops.forEach((op, place) => replica.apply(op, message.after + place + 1));
  return replica;
}

test("recorded histories give the server's digest after every frame, and its state", async () => {
  let states = 0;
  for (const { name, frames } of await json("/vectors/histories.json")) {
    let replica = null;
    for (const [place, { message, digest, state }] of frames.entries()) {
      replica = taken(replica, message);
      equal(replica.digest, digest, `${name}, frame ${place}`);
      if (!state) continue;
      states += 1;
      equal(canonical(replica.parts[0]), canonical(state), `${name}, frame ${place}`);
    }
  }
  assert(states > 20, "states were compared");
});

test("children stand in order, and a view changes nothing of what it was copied from", async () => {
  for (const { name, frames } of await json("/vectors/histories.json")) {
    let replica = null;
    for (const { message } of frames) {
      const [before, copy] = [replica?.digest, replica?.copy()];
      if (copy && message.type === "ops") taken(copy, message);
      equal(replica?.digest, before, name);
      replica = taken(replica, message);
      const listed = [];
      const visit = (parent) => {
        const orders = replica.children(parent).map((node) => node.order);
        equal(
          orders,
          [...orders].sort((one, other) => (one < other ? -1 : 1)),
          name,
        );
        for (const node of replica.children(parent)) {
          listed.push(node.id);
          visit(node.id);
        }
      };
      visit(null);
      equal(listed.sort(), [...replica.nodes.keys()].sort(), name);
    }
  }
});

test("nodes that stay the same keep their identity", async () => {
  const [{ frames }] = await json("/vectors/histories.json");
  const replica = new Replica([frames[0].message.state]);
  const [first, second] = replica.nodes.values();
  const copy = replica.copy();
  copy.apply({ op: "update", node: first.id, set: { title: "Other" } }, 9);
  assert(copy.nodes.get(first.id) !== first && copy.nodes.get(second.id) === second);
  assert(replica.nodes.get(first.id) === first);
});
