// What the page asks of the server while it is used: searches, feeds, files, moments; and what it does when none comes.

import { FeedPages } from "/page/feed_pages.js";
import { Search } from "/page/search.js";
import { TimeTravel } from "/page/time_travel.js";
import { download, upload } from "/sync/transfer.js";
import { equal, eventually, test, throws } from "/tests/testing.js";

const soon = () => new Promise((done) => setTimeout(done));

// A desk at tree 7, with one node, whose requests `answer`.
function atDesk(answer) {
  const desk = { tree: { number: 7 }, view: { nodes: new Map([["here", {}]]) }, went: [], said: [] };
  desk.client = { request: async (_, path) => answer(path) };
  desk.goTo = (node) => desk.went.push(node);
  desk.say = (text) => desk.said.push(text);
  return desk;
}

test("[SE3] one character is searched for where words are not divided, one letter is not", async () => {
  const asked = [];
  const desk = atDesk((path) => (asked.push(new URLSearchParams(path.split("?")[1]).get("q")), { hits: [], next: null }));
  const search = new Search(desk, () => {});
  for (const words of ["a", "é", "日", "ア", "한", "ก"]) {
    const before = asked.length;
    const answered = new Promise((done) => search.addEventListener("change", done, { once: true }));
    search.ask(words);
    if (words > "\u0e00") await answered;
    else await soon();
    equal(asked.slice(before), words > "\u0e00" ? [words] : [], words);
  }
});

test("every hit leads somewhere, or says why it does not", async () => {
  const hit = { tree_name: "T", type: null, title: "Gone", path: [], field: "title", snippet: [] };
  const hits = [
    { ...hit, tree: 7, node: "here" },
    { ...hit, tree: 7, node: "gone" },
    { ...hit, tree: 7, node: null },
    { ...hit, tree: 8, node: null },
  ];
  const desk = atDesk(() => ({ hits, next: null, complete: true, behind: 0 }));
  const left = [];
  const search = new Search(desk, (tree, node) => left.push([tree, node]));
  const answered = new Promise((done) => search.addEventListener("change", done, { once: true }));
  search.ask("words");
  await answered;
  for (const { take } of search.rows(new Set()).found) take();
  equal([desk.went, left, desk.said.length], [["here"], [[8, null]], 2]);
  equal(desk.said[0], "“Gone” is not in the tree as it is shown here.");
});

test("a feed that is read anew while an older page is on its way begins with the newest", async () => {
  const entry = (id, minute) => ({ id, at: `2026-01-05T10:${minute}:00Z` });
  const older = Promise.withResolvers();
  const newest = { entries: [entry("n2", 32), entry("n1", 31)], next: "n1" };
  const answers = [{ entries: [entry("o2", 12)], next: "o2" }, older.promise, newest, newest];
  const pages = new FeedPages(async () => answers.shift(), { tree: 7 });
  await pages.more();
  const more = pages.more();
  const renewed = pages.renew();
  await soon();
  older.resolve({ entries: [entry("o1", 11)], next: "o1" });
  await Promise.all([more, renewed]);
  equal(
    pages.entries.map(({ id }) => id),
    ["n2", "n1"],
  );
});

test("what a proxy answers to a file is not taken for the server's word", async () => {
  const token = { get: async () => "t", isRenewable: false };
  const json = JSON.stringify({ code: "forbidden", detail: "by the proxy" });
  const real = { fetch: globalThis.fetch, XMLHttpRequest: globalThis.XMLHttpRequest };
  for (const [type, code] of [
    ["application/json", "unavailable"],
    ["application/problem+json", "forbidden"],
  ]) {
    globalThis.fetch = async () => new Response(json, { status: 502, headers: { "Content-Type": type } });
    globalThis.XMLHttpRequest = class {
      upload = {};
      status = 502;
      responseText = json;
      open() {}
      setRequestHeader() {}
      getResponseHeader = () => type;
      send = () => this.onload();
    };
    try {
      equal((await throws(() => download("", token, "/x"))).code, code, type);
      equal((await throws(() => upload("", token, "/x", new Blob(), () => {}))).code, code, type);
    } finally {
      Object.assign(globalThis, real);
    }
  }
});

test("a moment that could not be had without network is asked for again when that is back", async () => {
  const client = Object.assign(new EventTarget(), { state: "offline" });
  const asked = [];
  const at = async (moment) => {
    asked.push(moment);
    throw Object.assign(new Error("no"), client.state === "offline" ? { status: 0 } : { code: "not_found", status: 404 });
  };
  const tree = Object.assign(new EventTarget(), { position: { seq: 9, epoch: "e" }, history: { at } });
  const travel = new TimeTravel({ client, tree, lookAt: () => {} });
  travel.look({ seq: 3 });
  await eventually(() => travel.trouble.startsWith("You are offline"));
  client.state = "online";
  client.dispatchEvent(new Event("state"));
  equal([travel.loading, travel.trouble], [true, ""]);
  await eventually(() => travel.trouble);
  equal(asked, [{ seq: 3 }, { seq: 3 }]);
});
