// The socket of a client, on a WebSocket that does what a test tells it to.

import { Link } from "/sync/link.js";
import { TokenSource } from "/sync/token.js";
import { connect } from "/treesync.js";
import { assert, equal, eventually, test } from "/tests/testing.js";

const sockets = [];

class ScriptedSocket {
  static OPEN = 1;
  readyState = 0;
  sent = [];

  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    sockets.push(this);
  }

  send(text) {
    const message = JSON.parse(text);
    if (message.type === "ping" && this.isLively) queueMicrotask(() => this.say({ type: "pong" }));
    else this.sent.push(message);
  }

  close(code) {
    this.closedWith = code;
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  end(code, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }
}

const real = WebSocket;
const times = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

// Time stands still until `pass` moves it on.
class Clock {
  now = 0;
  waiting = new Map();
  #ids = 1_000_000;

  install() {
    globalThis.setTimeout = (run, ms = 0) => {
      this.waiting.set(++this.#ids, { run, at: this.now + ms, ms });
      return this.#ids;
    };
    globalThis.clearTimeout = (id) => this.waiting.delete(id);
  }

  async pass(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.waiting]
        .filter(([, one]) => one.at <= end)
        .sort(([, one], [, other]) => one.at - other.at)[0];
      if (!due) break;
      this.waiting.delete(due[0]);
      this.now = due[1].at;
      due[1].run();
      await soon();
    }
    this.now = end;
  }
}

async function soon() {
  for (let turn = 0; turn < 50; turn += 1) await null;
}

function welcome(fields = {}) {
  const server_time = "2020-01-01T00:00:00Z"; // any clock: only the two times' difference counts
  return {
    type: "welcome",
    tenant: "acme",
    user: "ada",
    limits: { message_bytes: 65_536, value_bytes: 1e6 },
    server_time,
    expires_at: "2020-01-01T01:00:00Z",
    ...fields,
  };
}

async function linked(token = "t", script = async () => {}) {
  globalThis.WebSocket = ScriptedSocket;
  sockets.length = 0;
  const clock = new Clock();
  clock.install();
  const told = [];
  const link = new Link("ws://here/ws", new TokenSource(token), {
    messageBytes: 65_536,
    ready: async () => {},
    hello: (given) => ({ type: "hello", token: given }),
    welcomed: () => told.push("welcomed"),
    renewed: () => told.push("renewed"),
    hear: (message) => told.push(message),
    lost: () => told.push("lost"),
    became: (state) => told.push(state),
  });
  try {
    link.start();
    await soon();
    await script({ link, clock, told, socket: () => sockets.at(-1) });
  } finally {
    link.close();
    Object.assign(globalThis, times, { WebSocket: real });
  }
}

async function online({ socket }) {
  socket().open();
  socket().say(welcome());
  await soon();
}

test("[HS1 HS4] the first message is a hello with the token, which is in no address", async () => {
  await linked("secret", async ({ socket, told, link }) => {
    socket().open();
    equal(
      [socket().url, socket().protocols, socket().sent],
      ["ws://here/ws", ["treesync.v1.json"], [{ type: "hello", token: "secret" }]],
    );
    socket().say(welcome());
    equal([told, link.state], [["welcomed", "online"], "online"]);
  });
});

test("[RP8] it comes back after waits that grow to 30 s, a random part of them", async () => {
  const { random } = Math;
  Math.random = () => 0.999999;
  await linked("t", async ({ clock, socket, link }) => {
    const waits = [];
    for (let turn = 0; turn < 10; turn += 1) {
      socket().end(1006);
      waits.push(Math.round([...clock.waiting.values()].at(-1).ms));
      await clock.pass(30_000);
    }
    equal([waits, link.state], [[250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000], "offline"]);
  });
  Math.random = random;
});

test("[HS12 RP8] where many share a server they come back spread from the first time on", async () => {
  const { random } = Math;
  Math.random = () => 0.999999;
  await linked("t", async ({ clock, socket }) => {
    const waits = [];
    socket().open();
    socket().say(welcome({ spread_ms: 1_000 }));
    socket().say(welcome({ spread_ms: 5_000 })); // with a fresh token
    await soon();
    for (let turn = 0; turn < 7; turn += 1) {
      socket().end(1006);
      waits.push(Math.round([...clock.waiting.values()].at(-1).ms));
      await clock.pass(30_000);
    }
    equal(waits, [5000, 5000, 5000, 5000, 5000, 8000, 16000]);
  });
  Math.random = random;
});

test("[CL2] after what would only happen again it does not come back", async () => {
  for (const code of [1002, 1007, 4400, 4403, 4409]) {
    await linked("t", async ({ clock, socket, link }) => {
      socket().end(code);
      await clock.pass(100_000);
      equal([sockets.length, link.state], [1, "refused"], String(code));
    });
  }
});

test("[HS8] after a bad token it comes back with a fresh one, once; without another it is signed out", async () => {
  let asked = 0;
  await linked(
    () => `t${++asked}`,
    async ({ clock, socket, link }) => {
      socket().open();
      socket().end(4401);
      await clock.pass(1_000);
      socket().open();
      equal(socket().sent[0].token, "t2");
      socket().end(4401);
      await clock.pass(100_000);
      equal([sockets.length, link.state], [2, "signed out"]);
    },
  );
  await linked("t", async ({ socket, link }) => {
    socket().end(4401);
    equal(link.state, "signed out");
  });
});

test("[HS7] a token is replaced before it ends, by the server's times alone", async () => {
  let asked = 0;
  await linked(
    () => `t${++asked}`,
    async ({ clock, socket, told, link }) => {
      socket().isLively = true;
      await online({ socket });
      await clock.pass(47 * 60_000);
      equal(
        socket().sent.filter(({ type }) => type === "auth"),
        [],
      );
      await clock.pass(60_000);
      equal(
        socket().sent.filter(({ type }) => type === "auth"),
        [{ type: "auth", token: "t2" }],
      );
      socket().say(welcome());
      equal([sockets.length, told, link.state], [1, ["welcomed", "online", "renewed"], "online"]);
    },
  );
});

test("a line that does not answer a ping is given up, whatever it says of itself", async () => {
  await linked("t", async ({ clock, socket, link }) => {
    await online({ socket });
    const first = socket();
    await clock.pass(19_000);
    first.say({ type: "pong" });
    await clock.pass(20_000);
    equal([link.state, sockets.length], ["online", 1]);
    await clock.pass(2_000);
    equal([link.state, sockets.length, first.closedWith], ["offline", 2, 1000]);
    first.onclose({ code: 4403 }); // its end comes late, and means nothing any more
    equal(link.state, "offline");
  });
});

test("a hint that the network is back ends a wait; one that it is gone asks for a sign of life", async () => {
  await linked("t", async ({ clock, socket, link }) => {
    socket().end(1006);
    dispatchEvent(new Event("online"));
    await soon();
    equal(sockets.length, 2);
    await online({ socket });
    const pings = socket().sent.length;
    dispatchEvent(new Event("offline"));
    equal(socket().sent.length, pings + 1);
    await clock.pass(5_000);
    equal(link.state, "offline");
  });
});

test("[WS6] after 1009 a message is half as large", async () => {
  await linked("t", async ({ clock, socket, link }) => {
    for (const expected of [32_768, 16_384]) {
      socket().end(1009);
      equal(link.messageBytes, expected);
      await clock.pass(30_000);
    }
    for (let turn = 0; turn < 9; turn += 1) {
      socket().end(1009);
      await clock.pass(30_000);
    }
    equal(link.messageBytes, 1_024);
  });
});

test("[CL1] a server that stops says when to come back", async () => {
  await linked("t", async ({ clock, socket }) => {
    await online({ socket });
    socket().say({ type: "notice", code: "draining", retry_ms: 1_234 });
    socket().end(1012);
    await clock.pass(1_233);
    equal(sockets.length, 1);
    await clock.pass(1);
    equal(sockets.length, 2);
  });
});

test("a page asks before it is left with edits that only it has", async () => {
  globalThis.WebSocket = ScriptedSocket;
  sockets.length = 0;
  const client = connect("http://here", "t", { persist: false });
  const opening = client.open(1);
  const socket = await eventually(() => sockets.at(-1));
  socket.open();
  socket.say(welcome());
  const { ref } = await eventually(() => socket.sent.find(({ type }) => type === "open"));
  const state = { name: "", nodes: [], connections: [] };
  socket.say({
    type: "snapshot",
    ref,
    tree: 1,
    position: { epoch: "e", seq: 1, mark: "m" },
    role: "editor",
    last_n: 0,
    part: 1,
    parts: 1,
    state,
    participants: [],
  });
  const tree = await opening;
  const leaving = () => {
    const event = new Event("beforeunload", { cancelable: true });
    dispatchEvent(event);
    return event.defaultPrevented;
  };
  equal([leaving(), tree.status.state], [false, "saved"]);
  const answer = tree.insert({ id: "n", type: "metric", title: "N" });
  equal([leaving(), tree.status], [true, { state: "saving", count: 1 }]);
  const edit = await eventually(() => socket.sent.find(({ type }) => type === "edit"));
  socket.say({ type: "outcome", tree: 1, ref: edit.ref, seq: 2, results: [{ n: 1, status: "applied", seq: 2 }] });
  equal([(await answer).status, leaving(), tree.status.state], ["applied", false, "saved"]);
  client.close();
  globalThis.WebSocket = real;
});
