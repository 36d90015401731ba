// What a person did is sent in batches, kept while the server is away, and given up only when it is refused for good.

import { Interactions } from "/sync/interactions.js";
import { equal, test } from "/tests/testing.js";

const identity = { server: "https://s", tenant: "acme", user: "ada" };

// A host whose requests are answered one after the other by `answers`: a status, or null for success.
function hosted(answers = [], who = identity) {
  const posted = [];
  const request = async (method, path, { events }) => {
    posted.push({ method, path, kinds: events.map(({ kind }) => kind), ids: events.map(({ id }) => id) });
    const status = answers.shift() ?? null;
    if (status !== null) throw Object.assign(new Error("no"), { status });
    return null;
  };
  return { posted, host: { state: "online", identity: who, request } };
}

function left() {
  return Object.keys(localStorage).filter((key) => key.startsWith("treesync-seen/")).length;
}

test("what was done is sent together", async () => {
  localStorage.clear();
  const { posted, host } = hosted();
  const interactions = new Interactions(7, host);
  interactions.add("node_viewed", { node: "n1", duration_ms: 12.6 });
  interactions.add("node_clicked", { node: "n1" });
  equal(await interactions.send(), true);
  equal(posted.map(({ ids, ...rest }) => rest), [
    { method: "POST", path: "/trees/7/activity", kinds: ["node_viewed", "node_clicked"] },
  ]);
  equal(new Set(posted[0].ids).size, 2);
  equal(await interactions.send(), true);
  equal(posted.length, 1);
  equal(left(), 0);
});

test("what the server did not take is sent again, by another page too, as it was", async () => {
  localStorage.clear();
  for (const status of [0, 429, 503, 401]) {
    const away = hosted([status]);
    const first = new Interactions(7, away.host);
    first.add("node_viewed", { node: "n1" });
    equal(await first.send(), false, String(status));
    first.close();
    const back = hosted();
    equal(await new Interactions(7, back.host).send(), true);
    equal(back.posted[0].ids, away.posted[0].ids);
    equal(left(), 0);
  }
});

test("what is refused for good is not sent for ever", async () => {
  localStorage.clear();
  const { posted, host } = hosted([422, 404]);
  const interactions = new Interactions(7, host);
  for (let times = 0; times < 2; times += 1) {
    interactions.add("node_viewed");
    equal(await interactions.send(), true);
  }
  equal(posted.length, 2);
  equal(left(), 0);
});

test("nothing goes out before it is known whose it is, nor to another person's", async () => {
  localStorage.clear();
  const nobody = { server: "https://s", tenant: "", user: "" };
  const { posted, host } = hosted([], nobody);
  const interactions = new Interactions(7, host);
  interactions.add("node_viewed");
  equal(await interactions.send(), false);
  equal(posted, []);
  Object.assign(nobody, identity);
  interactions.close();
  equal(left(), 1);
  const other = hosted([], { ...identity, user: "bo" });
  await new Interactions(7, other.host).send();
  const elsewhere = hosted();
  await new Interactions(8, elsewhere.host).send();
  equal([other.posted, elsewhere.posted], [[], []]);
  await interactions.send();
  equal(posted.length, 1);
});

test("nothing is asked of a server that is away, and a closed tree takes no more", async () => {
  localStorage.clear();
  const { posted, host } = hosted();
  host.state = "offline";
  const interactions = new Interactions(7, host);
  interactions.add("node_viewed");
  equal(await interactions.send(), false);
  host.state = "online";
  interactions.close();
  interactions.add("node_clicked");
  equal([await interactions.send(), posted.map(({ kinds }) => kinds)], [true, [["node_viewed"]]]);
});

test("a long time without network keeps the newest", async () => {
  localStorage.clear();
  const { host } = hosted(Array.from({ length: 200 }, () => 0));
  const interactions = new Interactions(7, host);
  for (let batch = 0; batch < 110; batch += 1) {
    interactions.add(`kind_${batch}`);
    interactions.keep();
  }
  equal(left(), 100);
  const back = hosted();
  await new Interactions(7, back.host).send();
  equal(back.posted.length, 100);
});

test("a batch that cannot be read holds up none behind it", async () => {
  localStorage.clear();
  for (const broken of ["[{", "null", '"text"']) {
    localStorage.setItem("treesync-seen/acme/ada/7/000000000000000-broken", broken);
    const { posted, host } = hosted();
    const interactions = new Interactions(7, host);
    interactions.add("node_viewed");
    equal(await interactions.send(), true, broken);
    equal([posted.map(({ kinds }) => kinds), left()], [[["node_viewed"]], 0], broken);
  }
});
