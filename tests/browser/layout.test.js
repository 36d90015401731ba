// Where cards stand: nowhere on top of each other, children below their parents and in their order.

import { CARD_WIDTH, placeFor, tidy } from "/page/layout.js";
import { assert, equal, test } from "/tests/testing.js";

const HEIGHTS = [78, 98, 118]; // of cards with one, two and three lines

function random(seed) {
  let state = seed; // Mulberry32
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function forest(seed, size) {
  const chance = random(seed);
  const below = new Map([[null, []]]);
  const heights = new Map();
  const ids = [];
  for (let number = 0; number < size; number++) {
    const id = `n${number}`;
    const recent = Math.max(0, ids.length - 1 - Math.floor(chance() * (1 + (seed % 12))));
    const parent = ids.length && chance() > 0.03 ? ids[recent] : null;
    below.get(parent).push({ id });
    below.set(id, []);
    heights.set(id, HEIGHTS[Math.floor(chance() * HEIGHTS.length)]);
    ids.push(id);
  }
  return { children: (parent) => below.get(parent), height: (id) => heights.get(id) };
}

function overlapping(places, height) {
  const cards = [...places].map(([id, place]) => ({ id, ...place, bottom: place.y + height(id) })).sort((a, b) => a.y - b.y);
  const found = [];
  cards.forEach((one, index) => {
    for (let at = index + 1; at < cards.length && cards[at].y < one.bottom; at++) {
      if (Math.abs(cards[at].x - one.x) < CARD_WIDTH) found.push(`${one.id} and ${cards[at].id}`);
    }
  });
  return found;
}

test("no two cards of a tidy tree overlap", () => {
  for (let seed = 0; seed < 300; seed++) {
    const { children, height } = forest(seed, 5 + (seed % 60));
    equal(overlapping(tidy(children, height), height), [], `seed ${seed}`);
  }
});

test("children stand below their parent, in their order", () => {
  for (let seed = 0; seed < 100; seed++) {
    const { children, height } = forest(seed, 40);
    const places = tidy(children, height);
    for (const id of [null, ...places.keys()]) {
      const cards = children(id).map((child) => places.get(child.id));
      for (const [at, card] of cards.entries()) {
        if (id !== null) assert(card.y >= places.get(id).y + height(id), `seed ${seed}: a child of ${id} is not below it`);
        const before = cards[at - 1];
        if (before) assert(card.x > before.x || (card.x === before.x && card.y > before.y), `seed ${seed}: order below ${id}`);
      }
    }
  }
});

test("a new card covers no other", () => {
  const chance = random(3);
  const taken = [];
  for (let number = 0; number < 60; number++) {
    const parent = taken.length ? taken[Math.floor(chance() * taken.length)] : null;
    const siblings = parent ? taken.filter((one) => one.parent === parent) : [];
    const height = HEIGHTS[number % 3];
    taken.push({ parent, height, ...placeFor(parent, siblings, taken, height) });
  }
  const places = new Map(taken.map((one, number) => [`n${number}`, one]));
  equal(overlapping(places, (id) => places.get(id).height), []);
});

test("a thousand nodes are laid out within a frame or two", () => {
  const { children, height } = forest(11, 1000);
  tidy(children, height);
  const start = performance.now();
  tidy(children, height);
  const took = performance.now() - start;
  assert(took < 100, `${took.toFixed(1)} ms`);
});
