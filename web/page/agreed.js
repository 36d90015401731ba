// Whether what would be done now is what somebody has looked at and agreed to.

/**
 * Two answers to a dry run: the same ops and the same things that others have changed, wherever the tree's log has come
 * to. Who goes on typing in a text that is listed changes it once more, and what of it is taken back stands elsewhere in it.
 * @param {{ ops: object[], collisions: object[] }} seen
 * @param {{ ops: object[], collisions: object[] }} found
 */
export function isAgreed(seen, found) {
  return (
    same(seen.ops.map(unplaced), found.ops.map(unplaced)) &&
    same(sorted(seen.collisions.map(timeless)), sorted(found.collisions.map(timeless)))
  );
}

// Where an op stands among its client's, and the seq that it was made at, change with each edit by anybody.
const unplaced = ({ n: _, base: __, delta: ___, ...op }) => op;
const timeless = ({ seq: _, ...collision }) => collision;
const sorted = (collisions) => collisions.map((one) => JSON.stringify(one, inOrder)).sort();
const same = (one, other) => JSON.stringify(one, inOrder) === JSON.stringify(other, inOrder);

function inOrder(_, value) {
  const isMap = value && typeof value === "object" && !Array.isArray(value);
  return isMap ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))) : value;
}
