// The digest of a tree (SEMANTICS 30), equal to that of sync/tree.py: tests/vectors/digest.json is checked by both.

const SEPARATOR = "\x1f"; // U+001F joins the fields
const encoder = new TextEncoder();

// CRC-32 as in zlib and RFC 1952: reversed polynomial 0xEDB88320, one table step per byte.
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  return remainder;
});

/**
 * @param {string} text hashed as UTF-8
 * @returns {number} from 0 to 2^32 - 1
 */
export function crc32(text) {
  let remainder = 0xffffffff;
  for (const byte of encoder.encode(text)) remainder = (remainder >>> 8) ^ TABLE[(remainder ^ byte) & 0xff];
  return ~remainder >>> 0;
}

/**
 * @param {import("./treesync").TreeNode} node `seq` is that of the last effective op naming it
 * @returns {number} from 0 to 2^32 - 1
 */
export function hashNode({ id, parent, order, seq, title, description }) {
  return crc32([id, parent ?? "", order, seq, title, description].join(SEPARATOR));
}

/**
 * @param {import("./treesync").Connection} connection
 * @returns {number} from 0 to 2^32 - 1
 */
export function hashConnection({ id, from, to, label }) {
  return crc32([id, from, to, label].join(SEPARATOR));
}

/** The two sums over the hashes of all live nodes and connections; in any order, and one can be taken out again. */
export class Digest {
  #sum = 0;
  #xor = 0;

  /** @param {number} hash */
  add(hash) {
    this.#sum = (this.#sum + hash) >>> 0;
    this.#xor ^= hash;
  }

  /** @param {number} hash */
  remove(hash) {
    this.#sum = (this.#sum - hash) >>> 0;
    this.#xor ^= hash;
  }

  /** 16 hexadecimal digits, as an `ops` frame carries them. */
  get hex() {
    return [this.#sum, this.#xor >>> 0].map((half) => half.toString(16).padStart(8, "0")).join("");
  }
}

/**
 * The digest of a whole tree.
 * @param {Iterable<import("./treesync").TreeNode>} nodes
 * @param {Iterable<import("./treesync").Connection>} connections
 */
export function digestOf(nodes, connections) {
  const digest = new Digest();
  for (const node of nodes) digest.add(hashNode(node));
  for (const connection of connections) digest.add(hashConnection(connection));
  return digest.hex;
}
