// Ops that go by HTTP, and what a proxy on the way may answer instead of the server.

import { connect } from "/treesync.js";
import { equal, eventually, test } from "/tests/testing.js";

const real = { WebSocket: globalThis.WebSocket, fetch: globalThis.fetch };
const HTML = { "Content-Type": "text/html" };
const NODE = { id: "n", parent: null, order: "a0", type: "metric", title: "T", description: "start", seq: 0 };

const ENTERED = { tree: 1, role: "editor", last_n: 0, you: "p", participants: [] };
const STATE = { name: "", nodes: [NODE], connections: [] };

// A socket on which a tree of one node is opened; edits get their outcome at once.
class TreeSocket extends EventTarget {
  static OPEN = 1;
  static seq = 1;
  static latest;
  readyState = 0;

  constructor() {
    super();
    TreeSocket.latest = this;
    queueMicrotask(() => {
      this.readyState = 1;
      this.onopen();
    });
  }

  send(text) {
    const { type, ref, ops } = JSON.parse(text);
    const position = { epoch: "e", seq: 1, mark: "m" };
    if (type === "hello") this.welcome();
    if (type === "open") this.say({ type: "snapshot", ref, ...ENTERED, position, part: 1, parts: 1, state: STATE });
    if (type === "edit") this.say({ type: "outcome", tree: 1, ref, ...outcome(ops) });
  }

  welcome() {
    const limits = { message_bytes: 2_000, edit_ops: 500, unanswered_ops: 2_000, value_bytes: 1e6 };
    const [server_time, expires_at] = ["2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z"];
    this.say({ type: "welcome", tenant: "acme", user: "ada", limits, server_time, expires_at });
  }

  say(message) {
    queueMicrotask(() => this.onmessage({ data: JSON.stringify(message) }));
  }

  close() {
    this.readyState = 3;
  }
}

function outcome(ops) {
  return { seq: 1, results: ops.map(({ n }) => ({ n, status: "unchanged" })) };
}

// A tree whose HTTP requests are answered one after the other by `answers`, then as the server does.
async function proxied(answers, script) {
  const posted = [];
  globalThis.WebSocket = TreeSocket;
  globalThis.fetch = async (url, { body }) => {
    const edit = JSON.parse(body);
    posted.push(edit.ops.map(({ n, node }) => [n, node]));
    const next = answers.shift();
    return next ? next() : Response.json(outcome(edit.ops));
  };
  const client = connect("http://here", "t", { persist: false });
  try {
    await script({ tree: await client.open(1), posted });
  } finally {
    client.close();
    Object.assign(globalThis, real);
  }
}

test("[SE9] a search goes out with its words and filters, and answers a page", async () => {
  const asked = [];
  globalThis.WebSocket = TreeSocket;
  globalThis.fetch = async (url) => {
    asked.push(String(url));
    return Response.json({ hits: [], next: null, complete: true, behind: 0 });
  };
  const client = connect("http://here", "t", { persist: false });
  try {
    equal((await client.search("less & churn", { type: "metric", limit: 5 })).hits, []);
    equal(asked, ["http://here/api/v1/search?q=less+%26+churn&type=metric&limit=5"]);
  } finally {
    client.close();
    Object.assign(globalThis, real);
  }
});

const html = (status) => () => new Response("<html>", { status, headers: HTML });
const big = (tree, id) => tree.insert({ id, type: "metric", title: "big", description: "x".repeat(3_000) });
const small = (tree, id) => tree.insert({ id, type: "metric", title: "small" });

for (const status of [413, 400, 404])
  test(`[HT5] a proxy's ${status} refuses the op, which is kept; what is behind it goes on`, async () => {
    await proxied([html(status)], async ({ tree, posted }) => {
      const refused = big(tree, "a");
      const behind = small(tree, "b");
      const { n, ...result } = await refused;
      equal(result, { status: "rejected", code: status === 413 ? "too_large" : "invalid", why: `HTTP ${status}` });
      equal((await behind).status, "unchanged");
      equal([posted, tree.view.nodes.has("a")], [[[[1, "a"]]], false]);
      equal(
        tree.queue.map(({ op, state, code }) => [op.node, state, code]),
        [["a", "refused", result.code]],
      );
      equal([tree.closed, tree.status.state], [null, "refused"]);
    });
  });

for (const status of [408, 429, 500, 502, 503, 504, 200])
  test(`[HT5] a proxy's ${status} is no answer: the op goes again under its number`, async () => {
    await proxied([html(status)], async ({ tree, posted }) => {
      equal((await big(tree, "a")).status, "unchanged");
      equal(posted, [[[1, "a"]], [[1, "a"]]]);
    });
  });

test("[HT1] JSON that is no outcome, and codes of someone else's, are no answer either", async () => {
  const strange = [
    () => Response.json({ ok: true }),
    () => Response.json(null),
    () => Response.json({ code: "BAD_GATEWAY" }, { status: 502 }),
    () => Promise.reject(new TypeError("network")),
  ];
  await proxied(strange, async ({ tree, posted }) => {
    equal((await big(tree, "a")).status, "unchanged");
    equal([posted.length, tree.queue], [5, []]);
  });
});

for (const status of [401, 403])
  test(`[HT5] after a proxy's ${status} the op waits for another token`, async () => {
    await proxied([html(status)], async ({ tree, posted }) => {
      const held = big(tree, "a");
      await eventually(() => tree.status.state === "refused");
      equal([tree.closed, tree.view.nodes.has("a"), tree.status.why], [null, true, `HTTP ${status}`]);
      equal(
        tree.queue.map(({ n, state }) => [n, state]),
        [[1, "refused"]],
      );
      TreeSocket.latest.welcome(); // as after `auth` with a fresh one
      equal((await held).status, "unchanged");
      equal(posted, [[[1, "a"]], [[1, "a"]]]);
    });
  });

test("[HT5] what was held may be given up; what is behind it goes on", async () => {
  await proxied([html(403)], async ({ tree }) => {
    const held = big(tree, "a");
    const behind = small(tree, "b");
    await eventually(() => tree.status.state === "refused");
    equal(
      tree.discard().map(({ node }) => node),
      ["a"],
    );
    equal([(await held).status, (await behind).status], ["rejected", "unchanged"]);
  });
});

test("[SEMANTICS 15] typing behind a delta that was refused comes to the text without it", async () => {
  await proxied([html(413)], async ({ tree }) => {
    const refused = tree.edit({ op: "text", node: "n", path: "description", delta: ["x".repeat(3_000)] });
    await eventually(() => tree.queue[0]?.state === "sent");
    tree.edit({ op: "text", node: "n", path: "description", delta: [3_005, "!"] });
    equal((await refused).code, "too_large");
    equal(tree.view.nodes.get("n").description, "start!");
  });
});
