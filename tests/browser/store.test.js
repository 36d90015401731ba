// What outlives the page. Two stores in one page hold their queues as two tabs do: by a lock each.

import { openStore, rememberIdentity, rememberedIdentity } from "/sync/store.js";
import { deleteDB, openDB } from "/vendor/idb.js";
import { assert, equal, test, throws } from "/tests/testing.js";

const ADA = { server: "https://here", tenant: "acme", user: "ada" };
const STATE = {
  parts: [{ name: "T", nodes: [], connections: [] }],
  position: { epoch: "e", seq: 7, mark: "m" },
  role: "editor",
};

function op(place, fields = {}) {
  return {
    place,
    op: { op: "update", node: "n", set: { title: `T${place}` }, base: 7 },
    mode: "live",
    n: null,
    made: 0,
    isRefused: false,
    settledAt: null,
    ...fields,
  };
}

// As a new tab would start: it remembers no queue of its own.
async function tab(identity = ADA, only) {
  sessionStorage.clear();
  return openStore(identity, only);
}

async function closed(store) {
  store.close();
  await navigator.locks.request(`treesync:${store.clientId}`, () => {}); // granted once the store has let go
}

test("what was saved is there again, in order, and what has left is not", async () => {
  const store = await tab();
  await store.save(1, { entries: [op(2), op(10), op(1)], gone: [], sentN: 0, state: STATE });
  await store.save(1, { entries: [op(2, { n: 1 })], gone: [1], sentN: 1, state: null, isStrict: true });
  await store.save(2, { entries: [op(3)], gone: [], sentN: 0, state: null });
  const { state, entries, sentN, isOwn } = await store.load(1);
  equal([state, sentN, isOwn], [STATE, 1, true]);
  equal(
    entries.map(({ place, n }) => [place, n]),
    [
      [2, 1],
      [10, null],
    ],
  );
  equal(await store.trees(), [1, 2]);
  await closed(store);
});

test("a tab takes over a queue that nobody holds, with something in it before an empty one", async () => {
  const [first, second] = [await tab(), await tab()];
  assert(first.clientId !== second.clientId, "two tabs, two queues");
  await second.save(1, { entries: [op(1)], gone: [], sentN: 0, state: STATE });
  await closed(first);
  await closed(second);
  const third = await tab();
  assert((await third.load(1)).entries.length > 0, "the one with edits in it");
  await closed(third);
});

test("a reloaded tab has its own queue again", async () => {
  const [first, second] = [await tab(), await openStore(ADA)];
  await closed(second);
  await closed(first);
  sessionStorage.setItem(`treesync:queue:${JSON.stringify(Object.values(ADA))}`, second.clientId);
  const again = await openStore(ADA);
  equal(again.clientId, second.clientId);
  await closed(again);
});

test("another person, tenant or server never gets it", async () => {
  const mine = await tab();
  await mine.save(1, { entries: [op(1)], gone: [], sentN: 0, state: STATE });
  await closed(mine);
  for (const other of [
    { ...ADA, user: "bo" },
    { ...ADA, tenant: "other" },
    { ...ADA, server: "https://there" },
  ]) {
    const store = await tab(other);
    assert(store.clientId !== mine.clientId);
    const { state, entries } = await store.load(1);
    equal([state, entries], [null, []]);
    equal(await store.orphans(), []);
    await closed(store);
  }
});

test("queues of tabs that are gone are found, held ones are not", async () => {
  const CY = { ...ADA, user: "cy" };
  const [open, gone, here] = [await tab(CY), await tab(CY), await tab(CY)];
  for (const store of [open, gone]) await store.save(5, { entries: [op(1)], gone: [], sentN: 0, state: null });
  await closed(gone);
  const found = await here.orphans();
  assert(found.includes(gone.clientId) && !found.includes(open.clientId) && !found.includes(here.clientId));
  await throws(() => tab(CY, open.clientId), /another tab/);
  const taken = await tab(CY, gone.clientId);
  equal(await taken.trees(), [5]);
  await taken.save(5, { entries: [op(1, { isRefused: true })], gone: [], sentN: 1, state: null });
  await closed(taken);
  assert(!(await here.orphans()).includes(gone.clientId), "what was refused waits for its person, not for the network");
  await Promise.all([closed(open), closed(here)]);
});

test("a new client_id takes what waits along, nothing that was sent, and leaves other trees behind", async () => {
  const store = await tab();
  const old = store.clientId;
  const sent = [op(1, { n: 1 }), op(2), op(3, { n: 2, isRefused: true })];
  for (const tree of [81, 82]) await store.save(tree, { entries: sent, gone: [], sentN: 2, state: STATE });
  const renewed = await store.renew([81]);
  assert(renewed !== old && store.clientId === renewed);
  const { entries, sentN, state } = await store.load(81);
  equal(
    [entries.map(({ place, n }) => [place, n]), sentN, state],
    [
      [
        [2, null],
        [3, null],
      ],
      0,
      STATE,
    ],
  );
  assert((await store.orphans()).includes(old), "the other tree's edits go under the old one");
  await closed(store);
});

test("a tree that another tab knows is shown where nothing waits", async () => {
  const [first, second] = [await tab(), await tab()];
  await first.save(91, { entries: [], gone: [], sentN: 0, state: STATE });
  const { state, isOwn } = await second.load(91);
  equal([state.position.seq, isOwn], [7, false]);
  await second.save(91, { entries: [op(1)], gone: [], sentN: 0, state: null });
  equal((await second.load(91)).state, null, "a waiting delta needs the text it was made on");
  await Promise.all([closed(first), closed(second)]);
});

test("a full store says so, and is as it was", async () => {
  const store = await tab();
  await store.save(71, { entries: [op(1)], gone: [], sentN: 0, state: null });
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  await throws(() => store.save(71, { entries: [op(2)], gone: [1], sentN: 3, state: null }), /QuotaExceededError/);
  IDBObjectStore.prototype.put = put;
  await store.save(71, { entries: [op(3)], gone: [], sentN: 0, state: null });
  equal(
    (await store.load(71)).entries.map(({ place }) => place),
    [1, 3],
    "all of it or nothing",
  );
  await closed(store);
});

test("a store that a newer page has written is left alone, and said", async () => {
  const store = await tab();
  await closed(store);
  await deleteDB("treesync");
  (await openDB("treesync", 99)).close();
  await throws(() => tab(), /newer version/);
  equal((await indexedDB.databases()).find(({ name }) => name === "treesync").version, 99);
  await deleteDB("treesync");
});

test("without locks or IndexedDB nothing is kept, and it says why", async () => {
  Object.defineProperty(navigator, "locks", { value: undefined, configurable: true });
  await throws(() => tab(), /https, or localhost/);
  delete navigator.locks;
  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = () => {
    throw new DOMException("by policy", "SecurityError");
  };
  await throws(() => tab(), /SecurityError/);
  IDBFactory.prototype.open = open;
});

test("who was here last is known without a network", async () => {
  sessionStorage.clear();
  localStorage.clear();
  equal(rememberedIdentity("https://here"), null);
  rememberIdentity("https://here", { tenant: "acme", user: "ada" });
  sessionStorage.clear();
  equal(rememberedIdentity("https://here"), { tenant: "acme", user: "ada" });
  equal(rememberedIdentity("https://there"), null);
});
