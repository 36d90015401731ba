// The list of conflict records, and news that come while it is on its way.

import { Inbox } from "/sync/conflicts.js";
import { equal, test } from "/tests/testing.js";

const record = (id) => ({ id, user: "ada", paths: {} });
const closed = (id) => ({ type: "conflict", conflict: { ...record(id), closed: { choice: "theirs" } } });

// An inbox whose lists are answered when the test says so.
function inboxed() {
  const asked = [];
  const told = [];
  const core = { openConflicts: 1, seq: 1, status: "open" };
  const host = {
    identity: { user: "ada" },
    request: () => new Promise((resolve) => asked.push((...ids) => resolve({ conflicts: ids.map(record), next: null }))),
    say: () => true,
  };
  const inbox = new Inbox(
    7,
    host,
    () => core,
    ({ id, closed: end }) => told.push([id, end?.choice ?? "open"]),
  );
  return { inbox, asked, told, core, ids: () => inbox.mine.map(({ id }) => id) };
}

test("[CR16 CR18] what was heard while the list was on its way is newer than the list", async () => {
  const { inbox, asked, told, ids } = inboxed();
  const listed = inbox.opened();
  inbox.hear({ type: "conflict", conflict: record(9) });
  inbox.hear(closed(5));
  asked[0](6, 5);
  await listed;
  equal(
    [ids(), told],
    [
      [9, 6],
      [
        [9, "open"],
        [5, "theirs"],
        [6, "open"],
      ],
    ],
  );
});

test("a record that was decided here while the list was on its way stays decided", async () => {
  const { inbox, asked, ids } = inboxed();
  inbox.hear({ type: "conflict", conflict: record(5) });
  const listed = inbox.opened();
  const decided = inbox.resolve(5, "mine");
  inbox.hear({ type: "resolved", ref: "resolve:1", conflict: 5, closed: { choice: "mine" } });
  asked[0](5);
  await listed;
  equal([ids(), await decided], [[], { choice: "mine" }]);
});

test("a list that was asked for before the tree was opened again is not taken", async () => {
  const { inbox, asked, told, core, ids } = inboxed();
  const older = inbox.opened();
  const newer = inbox.opened();
  asked[1](7);
  await newer;
  asked[0](6);
  await older;
  equal([ids(), told], [[7], [[7, "open"]]]);
  const late = inbox.opened();
  core.openConflicts = 0;
  await inbox.opened();
  asked[2](7);
  await late;
  equal(ids(), []);
});
