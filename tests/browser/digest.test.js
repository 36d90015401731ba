import { assert, equal, json, test } from "/tests/testing.js";
import { Digest, crc32, digestOf, hashConnection, hashNode } from "/digest.js";

const { trees } = await json("/vectors/digest.json");

test("crc32 is that of zlib", () => {
  equal(crc32("123456789"), 0xcbf43926); // the check value of the CRC catalogue
  equal(crc32(""), 0);
});

test("a tree's digest is the server's", () => {
  assert(trees.length > 5);
  for (const { nodes, connections, digest } of trees) equal(digestOf(nodes, connections), digest);
});

test("the order does not matter, and what is taken out again leaves no trace", () => {
  const { nodes, connections, digest } = trees.at(-1);
  const sum = new Digest();
  for (const connection of connections) sum.add(hashConnection(connection));
  for (const node of nodes.toReversed()) sum.add(hashNode(node));
  equal(sum.hex, digest);
  const other = hashNode({ ...nodes[0], title: "another" });
  sum.add(other);
  assert(sum.hex !== digest);
  sum.remove(other);
  equal(sum.hex, digest);
  equal(new Digest().hex, "0".repeat(16));
});
